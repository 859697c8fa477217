"""Training through transformers' Trainer: what its contract with a classifier says, seen on tiny models."""

from __future__ import annotations

import io
import json
import random
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from endtoend_case import context, preset, problem
from tiny_models import tiny_encoder_folder

from retrieve.classify.endtoend import trainer as trainer_module
from retrieve.classify.endtoend.learn import learn_end_to_end
from retrieve.classify.endtoend.material import ByLength
from retrieve.classify.endtoend.optimizer import parameter_groups
from retrieve.classify.endtoend.trainer import DocumentTrainer
from retrieve.classify.endtoend.tuned import TunedNetwork
from retrieve.classify.losses import class_weights, document_losses
from retrieve.classify.preset import EndToEnd
from retrieve.classify.records import Examples, Problem
from retrieve.errors import RecipeError, TrainingError, UsageError
from retrieve.types import Document, LabelledDocument, LabelSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder"), limit=64)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same encoder without dropout."""
    path = tiny_encoder_folder(tmp_path_factory.mktemp("still"), limit=64)
    config = json.loads((path / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.fixture
def trainers(monkeypatch: pytest.MonkeyPatch) -> list[DocumentTrainer]:
    """The trainers that are made in the test."""
    made: list[DocumentTrainer] = []
    original = DocumentTrainer.__init__

    def init(self: DocumentTrainer, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(DocumentTrainer, "__init__", init)
    return made


def weights(model: Any) -> dict[str, np.ndarray]:
    assert isinstance(model, TunedNetwork)
    return {name: values.detach().numpy().copy() for name, values in model.network.named_parameters()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_it_learns_and_says_nothing(folder: Path) -> None:
    out = io.StringIO()
    steps: list[tuple[str, int, int | None]] = []
    with redirect_stdout(out):
        found = problem(32, 24)
        fitted = learn_end_to_end(
            found,
            preset(folder, "max", end_to_end__epochs=9, end_to_end__dropout=0.0),
            context(),
            progress=lambda *told: steps.append(told),
        )
    assert out.getvalue() == ""
    assert [curve["epoch"] for curve in fitted.curves] == list(range(1, 10))
    assert fitted.curves[-1]["loss"] < fitted.curves[0]["loss"] * 2 / 3
    right = (fitted.model.scores(found.validation.documents) > 0) == (found.validation.targets > 0)
    assert right.mean() > 0.7  # of 72; by chance .5, standard deviation .06
    training = [told for told in steps if told[0] == "training"]
    assert training == [("training", step, 72) for step in range(1, 73)]


@pytest.mark.parametrize("sizes", [(4, 1), (3, 2)])
def test_accumulated_batches_are_one_batch_exactly(
    still: Path, trainers: list[DocumentTrainer], sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if they are not of one size: gradient, loss and the step that is taken."""
    found = problem(5, 0)
    common = {"end_to_end__epochs": 1, "end_to_end__dropout": 0.0, "end_to_end__warmup": 0.0}
    whole = learn_end_to_end(found, preset(still, end_to_end__batch=5, **common), context()).model
    monkeypatch.setattr(ByLength, "__len__", lambda self: 2)
    order = [(0, number) for number in range(5)]
    monkeypatch.setattr(ByLength, "__iter__", lambda self: iter([order[: sizes[0]], order[sizes[0] :]]))
    parts = learn_end_to_end(
        found, preset(still, end_to_end__batch=4, end_to_end__accumulation=2, **common), context()
    ).model
    logs = [trainer.state.log_history[0] for trainer in trainers]
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=1e-5)
    assert logs[0]["grad_norm"] == pytest.approx(logs[1]["grad_norm"], rel=1e-4)
    one, other = weights(whole), weights(parts)
    # Adam's first step is the sign of the gradient: where that is nothing but rounding it may go either way.
    differing = np.concatenate([np.abs(one[name] - other[name]).ravel() > 1e-4 for name in one])
    assert differing.mean() < 0.01


def test_the_loss_of_an_evaluation_is_the_mean_over_documents(still: Path) -> None:
    found = problem(6, 7)
    fitted = learn_end_to_end(found, preset(still, end_to_end__epochs=1), context())
    scores = torch.from_numpy(fitted.model.scores(found.validation.documents))
    wanted = document_losses(scores, torch.from_numpy(found.validation.targets), task="multilabel").mean()
    assert fitted.curves[0]["validation_loss"] == pytest.approx(float(wanted), rel=1e-5)


def test_compute_loss_gives_outputs_by_name(still: Path, trainers: list[DocumentTrainer]) -> None:
    learn_end_to_end(problem(6, 2), preset(still, end_to_end__epochs=1), context())
    batch = next(iter(trainers[0].get_train_dataloader()))
    loss, outputs = trainers[0].compute_loss(trainers[0].model.eval(), batch, return_outputs=True)
    assert outputs["logits"].shape == (len(batch["ids"]), 3)
    assert loss.ndim == 0
    arguments = trainers[0].args
    assert arguments.remove_unused_columns is False
    assert arguments.logging_nan_inf_filter is False
    assert arguments.label_names == ["targets"]
    assert arguments.report_to == []


def test_an_evaluation_does_not_change_the_training(folder: Path) -> None:
    """With dropout: it draws from the same generator as the evaluation's loader."""
    settings = preset(folder, end_to_end__epochs=3)
    found = problem(12, 5)
    without = found.__class__("multilabel", found.labels, found.train, Examples([], found.train.targets[:0]))
    one = learn_end_to_end(found, settings, context()).model
    other = learn_end_to_end(without, settings, context()).model
    assert same(weights(one), weights(other))


def test_a_seed_fixes_every_weight_and_leaves_all_generators_alone(folder: Path) -> None:
    settings = preset(folder, end_to_end__passages=2)
    before = torch.get_rng_state().clone(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    one = learn_end_to_end(problem(), settings, context()).model
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002
    torch.rand(3), np.random.rand()  # noqa: NPY002
    other = learn_end_to_end(problem(), settings, context()).model
    assert same(weights(one), weights(other))
    third = learn_end_to_end(problem(), settings, context(seed=1)).model
    assert not same(weights(one), weights(third))


def test_each_epoch_has_other_batches(
    folder: Path, trainers: list[DocumentTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []
    original = DocumentTrainer.compute_loss

    def compute(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if model.training:
            seen.append(tuple(inputs["ids"]))
        return original(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(DocumentTrainer, "compute_loss", compute)
    learn_end_to_end(problem(24, 4), preset(folder, end_to_end__epochs=3), context())
    epochs = [seen[start : start + 6] for start in range(0, 18, 6)]
    assert len(seen) == 18
    for epoch in epochs:
        assert sorted(name for batch in epoch for name in batch) == sorted(f"d{n}" for n in range(24))
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_loss_that_is_no_number_ends_the_training(
    folder: Path, accumulation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its step, naming the documents; not a step of loss 0 in the log."""
    original = trainer_module.document_losses
    calls: list[Any] = []

    def poisoned(logits: torch.Tensor, targets: torch.Tensor, **rest: Any) -> torch.Tensor:
        calls.append(logits)
        return original(logits, targets, **rest) * (float("nan") if len(calls) == 3 else 1)

    monkeypatch.setattr(trainer_module, "document_losses", poisoned)
    settings = preset(folder, end_to_end__accumulation=accumulation)
    with pytest.raises(TrainingError, match=rf"step {3 if accumulation == 1 else 2} is nan.*'d\d+', 'd\d+'"):
        learn_end_to_end(problem(), settings, context())
    assert len(calls) == 3


def test_an_evaluation_that_is_no_number_ends_the_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = trainer_module.document_losses

    def poisoned(logits: torch.Tensor, targets: torch.Tensor, **rest: Any) -> torch.Tensor:
        return original(logits, targets, **rest) * (1 if logits.requires_grad else float("inf"))

    monkeypatch.setattr(trainer_module, "document_losses", poisoned)
    with pytest.raises(TrainingError, match="loss of the evaluation is inf"):
        learn_end_to_end(problem(), preset(folder), context())


def test_weights_that_are_no_numbers_are_not_handed_on(folder: Path) -> None:
    """By the last step, whose loss was one yet, and no validation follows."""
    settings = preset(
        folder, end_to_end__lr=1e300, end_to_end__warmup=0.0, end_to_end__epochs=1, end_to_end__batch=24
    )
    found = problem(24, 0)
    with pytest.raises(TrainingError, match=r"after the training encoder\..* holds NaN or infinite"):
        learn_end_to_end(found, settings, context())


def test_each_layer_learns_slower_than_the_one_above(folder: Path, trainers: list[DocumentTrainer]) -> None:
    settings = preset(folder, end_to_end__layer_decay=0.5, end_to_end__epochs=1, end_to_end__warmup=0.0)
    learn_end_to_end(problem(6, 0), settings, context())
    model = trainers[0].model
    decayed = set(trainers[0].get_decay_parameter_names(model))
    rates = {
        id(weight): (group["lr"], group["weight_decay"])
        for group in parameter_groups(model, settings.end_to_end, decayed)
        for weight in group["params"]
    }
    found = {name: rates[id(weight)] for name, weight in model.named_parameters()}
    base = "encoder.transformer."
    assert found[f"{base}encoder.layer.1.output.dense.weight"] == (1e-3, 0.01)
    assert found[f"{base}encoder.layer.1.output.LayerNorm.weight"] == (1e-3, 0.0)
    assert found[f"{base}encoder.layer.0.output.dense.bias"] == (5e-4, 0.0)
    assert found[f"{base}embeddings.word_embeddings.weight"] == (2.5e-4, 0.01)
    assert found[f"{base}embeddings.LayerNorm.bias"] == (2.5e-4, 0.0)
    assert found["head.aggregator.head.weight"] == (1e-2, 0.01)
    assert len(found) == len(rates)
    assert trainers[0].optimizer is not None
    initial = {group["initial_lr"] for group in trainers[0].optimizer.param_groups}
    assert initial == {1e-3, 5e-4, 2.5e-4, 1e-2}


def test_shared_layers_are_one_layer() -> None:
    model = torch.nn.Module()
    model.encoder = torch.nn.Module()
    model.encoder.transformer = torch.nn.Module()
    model.encoder.transformer.groups = torch.nn.ModuleList([torch.nn.Linear(2, 2)])
    model.encoder.transformer.norm = torch.nn.LayerNorm(2)
    settings = EndToEnd(lr=1.0, layer_decay=0.5)
    assert {group["lr"] for group in parameter_groups(model, settings, set())} == {1.0}


def test_warm_up_is_a_share_of_the_steps(folder: Path, trainers: list[DocumentTrainer]) -> None:
    settings = preset(folder, end_to_end__warmup=0.5, end_to_end__epochs=1, end_to_end__batch=3)
    learn_end_to_end(problem(24, 0), settings, context())
    rates = [entry["learning_rate"] for entry in trainers[0].state.log_history if "loss" in entry]
    assert len(rates) == 8
    assert rates == pytest.approx([0.0, *(np.array([1, 2, 3, 4, 3, 2, 1]) / 4 * max(rates))])


@pytest.mark.parametrize("loss", ["cross-entropy", "focal", "asymmetric"])
def test_losses_and_class_weights_are_those_that_were_asked_for(
    still: Path, trainers: list[DocumentTrainer], loss: str
) -> None:
    found = problem(8, 3)
    settings = preset(
        still, end_to_end__loss=loss, end_to_end__class_weights=True, end_to_end__batch=8, end_to_end__epochs=1,
        end_to_end__dropout=0.0,
    )  # fmt: skip
    fitted = learn_end_to_end(found, settings, context())
    scores = torch.from_numpy(fitted.model.scores(found.validation.documents))
    wanted = document_losses(
        scores.float(),
        torch.from_numpy(found.validation.targets),
        task="multilabel",
        loss=loss,  # type: ignore[arg-type]
        weights=class_weights(torch.from_numpy(found.train.targets)),
    )
    assert fitted.curves[0]["validation_loss"] == pytest.approx(float(wanted.mean()), rel=1e-4)


def test_bf16_trains_and_predicts_the_same_when_loaded(folder: Path) -> None:
    found = problem(12, 6)
    settings = preset(folder, end_to_end__precision="bf16")
    fitted = learn_end_to_end(found, settings, context())
    scores = fitted.model.scores(found.validation.documents)
    plain = learn_end_to_end(found, preset(folder), context()).model
    assert not same(weights(fitted.model), weights(plain))  # something was in bf16
    loaded = TunedNetwork.from_state(fitted.model.state(), context())
    assert np.array_equal(loaded.scores(found.validation.documents), scores)


def test_fp16_on_a_processor_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="fp16"):
        learn_end_to_end(problem(), preset(folder, end_to_end__precision="fp16"), context())


def test_layers_are_checkpointed_on_request(folder: Path) -> None:
    one = learn_end_to_end(problem(), preset(folder), context()).model
    other = learn_end_to_end(
        problem(), preset(folder, end_to_end__gradient_checkpointing=True), context()
    ).model
    assert isinstance(other, TunedNetwork)
    layer = other.network.encoder.transformer.encoder.layer[0]
    assert layer.gradient_checkpointing
    assert same(weights(one), weights(other))


def test_patience_stops_and_keeps_the_best_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation losses that rise from the second epoch on, as the targets of validation are turned round."""
    found = problem(24, 12)
    turned = found.validation._replace(targets=1 - found.validation.targets)
    settings = preset(folder, end_to_end__epochs=12, end_to_end__patience=2, end_to_end__dropout=0.0)
    fitted = learn_end_to_end(Problem("multilabel", found.labels, found.train, turned), settings, context())
    losses = [curve["validation_loss"] for curve in fitted.curves]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 12
    scores = torch.from_numpy(fitted.model.scores(turned.documents))
    now = document_losses(scores, torch.from_numpy(turned.targets), task="multilabel").mean()
    assert float(now) == pytest.approx(losses[best], rel=1e-5)
    assert fitted.tried[0]["epoch"] == best + 1


def test_multiclass_and_ordinal_tasks(folder: Path) -> None:
    found = problem(20, 6)
    one = np.eye(3, dtype=np.float32)[np.arange(26) % 3]
    classes = Problem(
        "multiclass",
        found.labels,
        Examples(found.train.documents, one[:20]),
        Examples(found.validation.documents, one[20:]),
    )
    assert learn_end_to_end(classes, preset(folder), context()).model.scores([]).shape == (0, 3)
    values = (100 + 5 * np.arange(26, dtype=np.float32) % 4)[:, None]
    ordinal = Problem(
        "ordinal",
        LabelSet(("importance",)),
        Examples(found.train.documents, values[:20]),
        Examples(found.validation.documents, values[20:]),
    )
    scores = learn_end_to_end(ordinal, preset(folder), context()).model.scores(found.validation.documents)
    assert np.abs(scores - values[:20].mean()).max() < 20  # in the targets' own scale from the start
    with pytest.raises(RecipeError, match="focal"):
        learn_end_to_end(ordinal, preset(folder, end_to_end__loss="focal"), context())


def test_documents_without_text_are_learned_from_and_said(folder: Path) -> None:
    found = problem(8, 3)
    empty = LabelledDocument(Document("empty", ""), labels=())
    train = Examples(
        [*found.train.documents, empty], np.vstack([found.train.targets, np.zeros((1, 3), np.float32)])
    )
    told = Problem("multilabel", found.labels, train, found.validation)
    fitted = learn_end_to_end(told, preset(folder, end_to_end__passages=2), context())
    assert "1 training documents have no text" in told.remarks
    assert np.isfinite(fitted.model.scores([empty])).all()
    with pytest.raises(TrainingError, match="no training document"):
        learn_end_to_end(
            Problem("multilabel", found.labels, Examples([], train.targets[:0]), found.validation),
            preset(folder),
            context(),
        )


def test_legacy_padding_is_said_once_and_moves_the_scores(folder: Path) -> None:
    settings = {"passages__most": 8, "end_to_end__epochs": 1}
    found = problem(6, 3)
    with_padding = learn_end_to_end(
        found, preset(folder, aggregator__legacy_padding=True, **settings), context()
    ).model
    assert sum("legacy padding" in remark for remark in found.remarks) == 1
    without = learn_end_to_end(problem(6, 3), preset(folder, **settings), context()).model
    documents = found.validation.documents
    assert not np.allclose(with_padding.scores(documents), without.scores(documents))
    evidence = with_padding.evidence(documents[0])
    assert len(evidence.spans) == len(evidence.without) < 8

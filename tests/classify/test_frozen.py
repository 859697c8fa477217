"""Frozen training: a seed fixes it, the best weights stay, what is saved comes back, and faults are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import WORDS, tiny_encoder_folder
from toy_networks import LABELS, float32_rows, labelled, small, toy_context, toy_documents, toy_problem

from retrieve.classify import loop
from retrieve.classify.families import model_from
from retrieve.classify.frozen import FrozenNetwork, learn_frozen
from retrieve.classify.ragged import ragged_of
from retrieve.classify.records import Examples, Fitted, Problem, Refittable
from retrieve.classify.standardise import learn_standardise
from retrieve.encoders.dense.encoder import Encoder
from retrieve.errors import ModelMismatch, RecipeError, TrainingError, UsageError
from retrieve.types import LabelSet

EXAMPLES = toy_documents(24)
VALIDATION = toy_documents(16, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("frozen") / "model", limit=64)


@pytest.fixture(scope="module")
def learn(folder: Path) -> Callable[..., Fitted]:
    def learned(name: str = "mean", problem: Problem | None = None, seed: int = 0, **settings: Any) -> Fitted:
        problem = problem or toy_problem(EXAMPLES, VALIDATION)
        preset = small(name, folder, **{"training__epochs": 4, **settings})
        return learn_frozen(problem, preset, toy_context(seed=seed))

    return learned


@pytest.mark.parametrize("name", ["first-mean-max", "lexglue", "plm-icd"])
def test_a_seed_fixes_every_number(name: str, learn: Callable[..., Fitted]) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one = learn(name, training__dropout=0.3).model.state()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    two, other = (learn(name, training__dropout=0.3, seed=seed).model.state() for seed in (0, 1))
    assert one.settings == two.settings
    assert all(np.array_equal(array, two.arrays[key]) for key, array in one.arrays.items())
    assert any(not np.array_equal(array, other.arrays[key]) for key, array in one.arrays.items())


@pytest.mark.parametrize("name", ["mean", "zlwan", "plm-icd", "bilstm", "trldc"])
def test_state_comes_back(name: str, learn: Callable[..., Fitted]) -> None:
    model = learn(name).model
    again = model_from("network", model.state(), toy_context())
    np.testing.assert_array_equal(again.scores(VALIDATION.documents), model.scores(VALIDATION.documents))


def test_state_of_another_network(learn: Callable[..., Fitted]) -> None:
    state = learn("mean").model.state()
    state.settings["labels"] = {"names": ["a", "b"], "descriptions": {}}
    with pytest.raises(ModelMismatch, match="for 2 labels"):
        model_from("network", state, toy_context())


def test_the_best_weights_are_kept(learn: Callable[..., Fitted]) -> None:
    fitted = learn("first-mean-max", training__epochs=60, training__lr=3e-2, training__patience=4)
    losses = [epoch["validation_loss"] for epoch in fitted.curves]
    best = int(np.argmin(losses)) + 1
    assert fitted.tried[0]["epoch"] == best
    assert len(losses) == best + 4 < 60
    scores = torch.from_numpy(fitted.model.scores(VALIDATION.documents))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        scores, torch.from_numpy(VALIDATION.targets).double()
    )
    assert float(loss) == pytest.approx(losses[best - 1], rel=1e-5)


def test_refit_is_a_training_of_as_many_epochs_on_all(learn: Callable[..., Fitted]) -> None:
    problem = toy_problem(EXAMPLES, VALIDATION)
    model = learn("mean", training__epochs=5, training__patience=0).model
    whole = Examples(
        [*EXAMPLES.documents, *VALIDATION.documents], np.concatenate([EXAMPLES.targets, VALIDATION.targets])
    )
    assert isinstance(model, Refittable)
    again = model.refit(problem, toy_context())
    nothing = Examples([], whole.targets[:0])
    same = learn(
        "mean", replace(problem, train=whole, validation=nothing), training__epochs=model.made.epochs
    )  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.scores(whole.documents), same.model.scores(whole.documents))
    assert again.made == model.made  # type: ignore[attr-defined]


@pytest.mark.usefixtures("own_cache")
def test_refit_encodes_nothing_that_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = toy_problem(EXAMPLES, VALIDATION)
    preset = small("plm-icd", folder, training__epochs=2, training__patience=0)
    model = learn_frozen(problem, preset, toy_context(cache=True)).model
    assert isinstance(model, FrozenNetwork)
    read_anew = model.refit(problem, toy_context()).state().arrays
    monkeypatch.delattr(Encoder, "token_states")
    again = model.refit(problem, toy_context(cache=True)).state().arrays
    for name, array in again.items():
        np.testing.assert_array_equal(array, read_anew[name])


@pytest.mark.parametrize("name", ["mean", "hier-bert", "lwan", "plm-icd", "robert", "lexglue"])
def test_evidence_is_what_scores_are_without_a_passage(name: str, learn: Callable[..., Fitted]) -> None:
    model = learn(name).model
    assert isinstance(model, FrozenNetwork)
    document = toy_documents(1, seed=5, least=150).documents[0]
    found = model.evidence(document)
    passages = len(found.spans)
    assert passages > 2
    assert found.without.shape == (passages, 4)
    np.testing.assert_allclose(found.scores, model.scores([document])[0], atol=1e-6)
    rows = float32_rows(model.made.preset, [document]).rows
    if not model.made.preset.encoder.states:
        left = ragged_of([rows[1:]])
        with torch.no_grad():
            wanted = model.network(left)[0].numpy()
        np.testing.assert_allclose(found.without[0], wanted, atol=0.02)
    if name in ("hier-bert", "lwan", "plm-icd"):
        assert found.attention is not None
        np.testing.assert_allclose(found.attention.sum(axis=0), 1, atol=1e-5)
        assert found.attention.shape == (passages, 4)
        assert (found.attention > 0).all()
    else:
        assert found.attention is None


def test_a_document_without_text(learn: Callable[..., Fitted]) -> None:
    for name in ("mean", "first-mean-max", "robert", "lexglue", "lwan", "plm-icd", "vote"):
        model = learn(name).model
        assert isinstance(model, FrozenNetwork)
        empty = labelled("none", [])
        width = len(model.network.standardise.kept)
        zero = ragged_of([torch.zeros(0, width)])
        with torch.no_grad():
            wanted = model.network.aggregator(zero)[0].numpy()
        np.testing.assert_allclose(model.scores([empty])[0], wanted, atol=1e-6)
        found = model.evidence(empty)
        assert found.spans.shape[0] == 0
        assert found.without.shape == (0, 4)
        assert len(model.scores([])) == 0


@pytest.mark.parametrize("task", ["binary", "multiclass", "ordinal"])
@pytest.mark.parametrize("name", ["mean", "vote", "lwan"])
def test_other_tasks(task: Any, name: str, learn: Callable[..., Fitted]) -> None:
    law = EXAMPLES.targets[:, :1]
    labels, targets = {
        "binary": (LabelSet(("no", "law")), law),
        "multiclass": (LabelSet(("law", "no")), np.hstack([law, 1 - law])),
        "ordinal": (LabelSet(()), 1900 + 50 * law),
    }[task]
    examples = Examples(EXAMPLES.documents, targets.astype(np.float32))
    model = learn(
        name, Problem(task, labels, examples, examples), training__epochs=150, training__lr=1e-2
    ).model
    scores = model.scores(EXAMPLES.documents)
    if task == "ordinal":
        assert np.abs(scores - targets).mean() < 10
    elif task == "binary":
        assert ((scores > 0) == (targets > 0)).mean() > 0.95
    else:
        assert (scores.argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.95


def test_unseen_labels_are_scored_by_their_descriptions(learn: Callable[..., Fitted]) -> None:
    model = learn("zlwan", training__epochs=40, training__lr=1e-2).model
    assert isinstance(model, FrozenNetwork)
    known = model.for_labels(LABELS)
    np.testing.assert_allclose(
        known.scores(VALIDATION.documents), model.scores(VALIDATION.documents), atol=1e-5
    )
    other = model.for_labels(LabelSet(("new", "law"), {"law": LABELS.descriptions["law"], "new": WORDS[3]}))
    scores = other.scores(VALIDATION.documents)
    assert scores.shape == (16, 2)
    np.testing.assert_allclose(scores[:, 1], model.scores(VALIDATION.documents)[:, 0], atol=1e-5)
    with pytest.raises(UsageError, match=r"aggregator\.descriptions"):
        learn("lwan").model.for_labels(LABELS)  # type: ignore[attr-defined]


def test_a_loss_that_is_no_number_names_the_documents(
    learn: Callable[..., Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.document_losses
    calls: list[int] = []

    def third_is_nan(*given: Any, **named: Any) -> torch.Tensor:
        calls.append(1)
        losses = real(*given, **named)
        return (
            losses + torch.tensor([0.0, float("nan"), *[0.0] * (len(losses) - 2)])
            if len(calls) == 2
            else losses
        )

    monkeypatch.setattr(loop, "document_losses", third_is_nan)
    with pytest.raises(TrainingError, match=r"nan in epoch 1, batch 2, of documents d\d+: lower"):
        learn("mean", training__batch=8)


def test_nothing_to_learn_from(learn: Callable[..., Fitted]) -> None:
    nothing = Examples([], EXAMPLES.targets[:0])
    with pytest.raises(TrainingError, match="no training document"):
        learn("mean", toy_problem(nothing, VALIDATION))
    empty = Examples([labelled("none", [])], EXAMPLES.targets[:1])
    with pytest.raises(TrainingError, match="no training document has a passage"):
        learn("mean", toy_problem(empty, VALIDATION))
    with pytest.raises(RecipeError, match="does not go with a task"):
        learn("mean", toy_problem(EXAMPLES, task="multiclass"), training__loss="asymmetric")


def test_padding_of_published_code_is_end_to_end_alone(learn: Callable[..., Fitted]) -> None:
    with pytest.raises(RecipeError, match="legacy_padding"):
        learn("lexglue", aggregator__legacy_padding=True)


def test_what_is_not_read_is_remarked(learn: Callable[..., Fitted]) -> None:
    problem = toy_problem(
        Examples(
            [*EXAMPLES.documents, labelled("none", [])],
            np.vstack([EXAMPLES.targets, [[0] * 4]]).astype(np.float32),
        )
    )
    learn("mean", problem, passages__most=1)
    assert any("of a training document's text is not read" in remark for remark in problem.remarks)
    assert "1 training documents have no text" in problem.remarks


def test_dimensions_that_hardly_vary_are_dropped() -> None:
    """As all-MiniLM-L6-v2 has them: two at 1e-33, one with a standard deviation of 6e-9."""
    rows = np.random.default_rng(0).normal(3, 2, (200, 6))
    rows[:, 1], rows[:, 4] = 1e-33, 0.02 + 6e-9 * rows[:, 4]
    made = learn_standardise(lambda: iter([rows[:50], rows[50:50], rows[50:]]))
    assert made.kept.tolist() == [0, 2, 3, 5]
    found = made(torch.from_numpy(rows)).double()
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(4).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.std(dim=0, correction=0), torch.ones(4).double())
    with pytest.raises(TrainingError, match="all 2 training passages"):
        learn_standardise(lambda: [np.ones((2, 3))])


def test_token_states_beyond_the_limit(learn: Callable[..., Fitted]) -> None:
    with pytest.raises(UsageError, match=r"most_gigabytes"):
        learn("plm-icd", encoder__most_gigabytes=1e-6)

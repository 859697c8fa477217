"""A VOD training: its loss is the bound, it goes on bit for bit, sees no answers it must not, and comes back whole."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_bare_folder, tiny_masked_lm_folder
from transformers import TrainerState
from vod_case import config, questions, write_case

from retrieve.api import Index
from retrieve.errors import RetrieveError, TrainingError, UsageError
from retrieve.train.vod import learn, refresh
from retrieve.train.vod.answer import VodModel
from retrieve.train.vod.collection import Collection
from retrieve.train.vod.learn import train_vod
from retrieve.train.vod.material import Material
from retrieve.train.vod.measure import answered
from retrieve.train.vod.model import VodModel as Network
from retrieve.train.vod.trainer import VodTrainer
from retrieve.trainer import callbacks
from retrieve.trainer.checkpoints import alone_in

pytestmark = pytest.mark.filterwarnings("ignore:.*mtime may not be reliable")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("vod"))


@pytest.fixture(scope="module")
def models(case: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, VodModel]:
    """A trained model with documents of the options' own, and one with shared ones."""
    found = {}
    for documents in ("own", "shared"):
        place = tmp_path_factory.mktemp("models") / documents
        train_vod(config(case, training__periods=1, sampler__p=4, data__documents=documents), place)
        found[documents] = VodModel.load(place)
    return found


def by_enumeration(
    f: np.ndarray[Any, Any], phi: np.ndarray[Any, Any], g: np.ndarray[Any, Any], answer: int, alpha: float
) -> float:
    """The exact truncated L_α of one question, options × documents each, by all combinations in plain Python."""
    log_p = f - np.log(np.exp(f).sum(axis=1, keepdims=True))
    log_r = phi - np.log(np.exp(phi).sum(axis=1, keepdims=True))
    total, options = 0.0, range(len(f))
    for chosen in itertools.product(range(f.shape[1]), repeat=len(f)):
        scores = np.array([g[j, chosen[j]] for j in options])
        log_w = scores[answer] - math.log(np.exp(scores).sum())
        log_w += sum(log_p[j, chosen[j]] - log_r[j, chosen[j]] for j in options)
        log_q = sum(log_r[j, chosen[j]] for j in options)
        total += math.exp(log_q) * (log_w if alpha == 1 else math.exp((1 - alpha) * log_w))
    return total if alpha == 1 else math.log(total) / (1 - alpha)


@pytest.mark.parametrize(
    ("alpha", "mutated"), [(0.0, False), (0.5, False), (1.0, False), (0.5, True), (1.0, True)]
)
def test_the_logged_loss_is_the_exact_bound_of_the_cache_file(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alpha: float, *, mutated: bool
) -> None:
    """Property 14. Mutation seen to fail: f_φ computed from the current weights in place of the cached numbers (which
    at α = 0 and K = P would change nothing: there the bound is the likelihood, whatever r is).
    """
    wanted: list[float] = []
    original = VodTrainer.compute_loss

    def compute_loss(self: VodTrainer, model: Any, inputs: Any, *args: Any, **given: Any) -> Any:
        network: Any = self.model
        folder = tmp_path / "work" / "period-0" / "train"
        phi, keys = np.load(folder / "sampler.npy"), np.load(folder / "keys.npy")
        batch = self._material.batch(inputs["numbers"], step=None)
        with torch.no_grad():
            scored = network.scored(batch, fresh=False)
        bounds = []
        for b, number in enumerate(inputs["numbers"]):
            rows = slice(*self._material.firsts[number : number + 2].tolist())
            options = rows.stop - rows.start
            np.testing.assert_array_equal(batch.keys[b, :options], keys[rows])
            f = scored.scores[b, :options].numpy()
            cached = f if mutated else phi[rows].astype(float)
            answer = self._material.questions[number].answer
            assert answer is not None
            bounds.append(by_enumeration(f, cached, scored.reader[b, :options].numpy(), answer, alpha))
        wanted.append(-float(np.mean(bounds)))
        return original(self, model, inputs, *args, **given)

    monkeypatch.setattr(VodTrainer, "compute_loss", compute_loss)
    monkeypatch.setattr(Network, "train", lambda self, mode=True: torch.nn.Module.train(self, False))
    settings = config(case, sampler__p=4, sampler__k=4, objective__alpha="constant", objective__last=alpha)
    settings["training"] |= {"periods": 1, "steps": 10, "batch": 2}
    report = train_vod(settings, tmp_path / "model", work=tmp_path / "work")
    logged = [step["loss"] for step in report["steps"]]
    assert len(logged) == 10
    error = np.abs(np.array(logged) - np.array(wanted)).max()
    assert (error > 1e-3) if mutated else (error < 1e-5)


class Killed(Exception):
    """In place of a power failure."""


def killed_at(step: int) -> Any:
    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "training" and done == step:
            raise Killed

    return progress


@pytest.mark.parametrize(("settings", "lost"), [({"training__accumulation": 2}, False), ({}, True)])
def test_a_training_goes_on_bit_for_bit(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], *, lost: bool
) -> None:
    """Killed in the middle of the second period; with what it kept of that period, and without (`lost`)."""
    monkeypatch.setattr(callbacks, "CHECKPOINT", 1)
    asked = config(case, training__steps=3, **settings)
    whole = train_vod(asked, tmp_path / "whole", seed=3)
    with pytest.raises(Killed):
        train_vod(asked, tmp_path / "parts", seed=3, progress=killed_at(5))
    work = tmp_path / "parts.training"
    assert (work / "period-1" / "train").is_dir()
    if lost:
        for name in ("train", "validation"):
            for path in (work / "period-1" / name).iterdir():
                path.unlink()
            (work / "period-1" / name).rmdir()
    again = train_vod(asked, tmp_path / "parts", seed=3)
    assert again["steps"] == whole["steps"]
    assert again["periods"] == whole["periods"]
    assert not work.exists()
    for name in json.loads((tmp_path / "whole" / "vod.json").read_text())["files"]:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


PLACES: dict[str, tuple[Any, str, int, bool]] = {
    "index of the second period encoded": (Index, "reencode", 1, True),
    "last lists written": (refresh, "write_candidates", 5, True),
    "last checkpoint judged": (refresh, "answered", 3, True),
    "best weights written": (refresh, "keep_weights", 1, True),
    "index moved": (Collection, "move", 1, True),
    "state half written": (TrainerState, "save_to_json", 2, False),
}
"""Where it is killed: after (or, False, before) so many calls of a function."""


@pytest.fixture(scope="module")
def undisturbed(case: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    place = tmp_path_factory.mktemp("undisturbed") / "model"
    return place, train_vod(config(case, training__steps=3), place, seed=3)


@pytest.mark.parametrize("name", PLACES)
def test_a_training_killed_in_a_refresh_goes_on_bit_for_bit(
    case: Path, tmp_path: Path, undisturbed: tuple[Path, dict[str, Any]], name: str
) -> None:
    """The last step of three a period, of four an epoch, is not an epoch's end: one more would be taken after it."""
    owner, function, count, after = PLACES[name]
    original, calls = getattr(owner, function), itertools.count(1)

    def killed(*args: Any, **given: Any) -> Any:
        if (number := next(calls)) == count and not after:
            Path(args[1]).write_text('{"epoch": 1.5')
            raise Killed
        found = original(*args, **given)
        if number == count:
            raise Killed
        return found

    asked = config(case, training__steps=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, function, killed)
        with pytest.raises(Killed):
            train_vod(asked, tmp_path / "model", seed=3)
    again = train_vod(asked, tmp_path / "model", seed=3)
    place, whole = undisturbed
    for key in ("steps", "periods", "best"):
        assert again[key] == whole[key], key
    for file in json.loads((place / "vod.json").read_text())["files"]:
        assert (tmp_path / "model" / file).read_bytes() == (place / file).read_bytes(), file


def test_a_cache_of_another_checkpoint_is_refused(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "CHECKPOINT", 1)
    with pytest.raises(Killed):
        train_vod(config(case), tmp_path / "model", progress=killed_at(3))
    record = tmp_path / "model.training" / "period-0" / "train" / "candidates.json"
    record.write_text(record.read_text().replace('"checkpoint": "', '"checkpoint": "0'))
    with pytest.raises(TrainingError, match=r"sampler's cache of another checkpoint.*delete that folder"):
        train_vod(config(case), tmp_path / "model")


def test_another_training_does_not_go_on_in_its_folder(case: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train_vod(config(case), tmp_path / "model", progress=killed_at(3))
    with pytest.raises(TrainingError, match=r"sampler\.k is 3, this one's is 2"):
        train_vod(config(case, sampler__k=2), tmp_path / "model")


def test_two_trainings_do_not_go_on_in_one_folder(case: Path, tmp_path: Path) -> None:
    refused = pytest.raises(TrainingError, match=r"another training goes on in .*model\.training: wait")
    with alone_in(tmp_path / "model.training"), refused:
        train_vod(config(case), tmp_path / "model")


@pytest.mark.parametrize("wrong", ["data__corpus", "retriever__encoder", "index__recipe"])
def test_a_mistake_in_the_configuration_can_be_corrected(case: Path, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(RetrieveError, match="nowhere"):
        train_vod(config(case, **{wrong: "nowhere"}), tmp_path / "model")
    train_vod(config(case, training__periods=1, training__steps=1), tmp_path / "model")


def test_small_batches_accumulated_are_the_large_one(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Network, "train", lambda self, mode=True: torch.nn.Module.train(self, False))
    large = train_vod(config(case, training__batch=4), tmp_path / "large")
    small = train_vod(config(case, training__batch=2, training__accumulation=2), tmp_path / "small")
    for one, other in zip(large["steps"], small["steps"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-5)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)


def test_a_loss_that_is_no_number_ends_the_training(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Network.forward

    def forward(self: Network, batch: Any) -> Any:
        outcome = original(self, batch)
        return replace(outcome, bounds=outcome.bounds * (float("nan") if "q03" in batch.ids else 1.0))

    monkeypatch.setattr(Network, "forward", forward)
    with pytest.raises(
        TrainingError, match=r"step .* is nan, in the batch of questions .*'q03'.*training.lr"
    ):
        train_vod(config(case, data__held_out=2), tmp_path / "model")


VARIANTS: dict[str, dict[str, Any]] = {
    "cross": {"reader__kind": "cross", "reader__encoder": "encoder"},
    "cross, shared documents": {
        "reader__kind": "cross", "reader__encoder": "encoder", "data__documents": "shared",
    },
    "masked language model": {"reader__kind": "mlm", "reader__encoder": "mlm"},
    "fixed documents": {"retriever__source": "sampler"},
    "no documents": {"retriever__source": "none"},
    "cross, no documents": {"reader__kind": "cross", "reader__encoder": "encoder", "retriever__source": "none"},
    "two towers, documents trained": {"retriever__towers": "separate", "retriever__train_documents": True},
    "reader's own tower": {"reader__backbone": "separate"},
    "plain transformers model": {
        "retriever__encoder": "bare", "retriever__pooling": "cls", "retriever__towers": "separate",
        "retriever__train_documents": True, "reader__backbone": "separate",
    },
    "inner product, no BM25 period, exponential draws": {
        "retriever__similarity": "dot", "retriever__scale": 0.1,
        "sampler__bm25_period": False, "sampler__variant": "exponential",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_is_trained_and_comes_back_as_it_was(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings = dict(VARIANTS[name])
    if settings.get("reader__encoder") == "mlm":
        settings["reader__encoder"] = str(tiny_masked_lm_folder(tmp_path / "mlm"))
    elif settings.get("retriever__encoder") == "bare":
        settings["retriever__encoder"] = str(tiny_bare_folder(tmp_path / "bare"))
    elif "reader__encoder" in settings:
        settings["reader__encoder"] = str(case / "encoder")
    kept: dict[str, Any] = {}
    original = learn.write_model

    def write_model(network: Network, *args: Any, **given: Any) -> None:
        kept["network"] = network
        original(network, *args, **given)

    monkeypatch.setattr(learn, "write_model", write_model)
    report = train_vod(config(case, training__periods=1, **settings), tmp_path / "model")
    assert all(math.isfinite(value) for step in report["steps"] for value in step.values())
    loaded = VodModel.load(tmp_path / "model")
    assert loaded.answer([]) == []
    with pytest.raises(UsageError, match="have a str among them: wanted `Question`s"):
        loaded.answer(["what?"])  # type: ignore[list-item]
    found = loaded.answer(questions())
    for answer in found:
        assert sum(answer.probabilities) == pytest.approx(1.0, abs=1e-9)
        assert all(each.weight >= 0 for each in answer.support)
        assert len(answer.support) == (0 if "no documents" in name else 3)
    material: Material = loaded._material(questions())
    kept["network"].eval()
    for before, answer in zip(answered(kept["network"], material), found, strict=True):
        np.testing.assert_allclose(answer.probabilities, before.probabilities, atol=1e-6)


def test_questions_without_answers_are_answered_alike(models: dict[str, VodModel]) -> None:
    loaded, asked = models["own"], questions()
    found = loaded.answer(asked)
    blind = loaded.answer([replace(question, answer=None, facts=(), roles=()) for question in asked])
    assert [each.probabilities for each in blind] == [each.probabilities for each in found]
    assert [each.support for each in blind] == [each.support for each in found]


@pytest.mark.parametrize("documents", ["own", "shared"])
def test_the_answer_key_decides_nothing_in_an_evaluation(models: dict[str, VodModel], documents: str) -> None:
    """Property 15: with the key shuffled, documents, draws and probabilities are bit-identical; permuting the options
    permutes the probabilities.
    """
    loaded, asked = models[documents], questions()
    shuffled = [replace(each, answer=((each.answer or 0) + 1) % len(each.choices)) for each in asked]
    one, other = loaded._material(asked), loaded._material(shuffled)
    for step in (None, 0, 5):
        first, second = one.batch(range(len(asked)), step=step), other.batch(range(len(asked)), step=step)
        np.testing.assert_array_equal(first.keys, second.keys)
        assert torch.equal(first.log_weights, second.log_weights)
    for draws in (0, 4):
        assert [each.probabilities for each in loaded.answer(asked, draws=draws)] == [
            each.probabilities for each in loaded.answer(shuffled, draws=draws)
        ]
    turned = [replace(each, choices=each.choices[::-1], labels=each.labels[::-1]) for each in asked]
    for before, after in zip(loaded.answer(asked), loaded.answer(turned), strict=True):
        np.testing.assert_allclose(after.probabilities[::-1], before.probabilities, atol=1e-6)


def test_exact_weights_of_documents_are_their_posterior(models: dict[str, VodModel]) -> None:
    """By enumeration: p(d_j | a, Q) summed over all other options' documents."""
    loaded = models["own"]
    asked = [each for each in questions() if len(each.choices) == 3][:2]
    material = loaded._material(asked)
    network = loaded._opened.network
    with torch.no_grad():
        scored = network.scored(material.batch([0, 1], step=None), fresh=False)
    for b, found in enumerate(answered(network, material, weights=True)):
        f, g = scored.scores[b].numpy(), scored.reader[b].numpy()
        prior = np.exp(f - np.log(np.exp(f).sum(axis=1, keepdims=True)))
        answer = int(found.probabilities.argmax())
        weights = np.zeros_like(prior)
        for chosen in itertools.product(range(4), repeat=3):
            scores = np.array([g[j, chosen[j]] for j in range(3)])
            joint = (
                np.prod([prior[j, chosen[j]] for j in range(3)])
                * np.exp(scores[answer])
                / np.exp(scores).sum()
            )
            for j in range(3):
                weights[j, chosen[j]] += joint
        np.testing.assert_allclose(found.weights, weights / weights.sum(axis=1, keepdims=True), atol=1e-9)

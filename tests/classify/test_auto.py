"""The preset that chooses: selection by trying and by hand, averages by formula, memory that changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from tiny_models import tiny_encoder_folder
from toy_labels import TOPICS, toy_documents

from retrieve.classify.auto import learn_auto
from retrieve.classify.average import Average, Member, as_scores, mean_of
from retrieve.classify.caching_encoder import Remembering
from retrieve.classify.calibrate import Calibration
from retrieve.classify.encoders import Encoders
from retrieve.classify.families import model_from
from retrieve.classify.linear import learn_linear
from retrieve.classify.neighbours import Neighbours, learn_neighbours, mean_vectors
from retrieve.classify.passages import cut, encoder_recipe
from retrieve.classify.preset import Preset, load_preset
from retrieve.classify.records import Context, Evidence, Examples, Problem, State
from retrieve.classify.selection import select
from retrieve.classify.thresholds import choose_thresholds
from retrieve.errors import UsageError
from retrieve.types import Document, LabelledDocument, LabelSet, Task

NAMES = tuple(sorted(TOPICS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("model") / "tiny")


def preset_of(folder: Path, **values: Any) -> Preset:
    small = {
        "encoder.model": str(folder),
        "encoder.backend": "torch",
        "encoder.precision": "fp32",
        "passages.size": 24,
        "training.epochs": 4,
        "tfidf.C": [1.0],
        "tfidf.balanced": [False],
        "tfidf.words": 4,
    }
    return load_preset("auto", small | values)


def examples(count: int, seed: int = 0) -> Examples:
    documents = toy_documents(count, several=True, seed=seed)
    rows = [[name in (each.labels or ()) for name in NAMES] for each in documents]
    return Examples(documents, np.array(rows, dtype=np.float32))


def problem(task: Task = "multilabel") -> Problem:
    train, validation = examples(48), examples(24, 1)
    names = NAMES
    if task == "multiclass":
        train, validation = (part._replace(targets=_first(part.targets)) for part in (train, validation))
    if task in ("binary", "ordinal"):
        train, validation = (part._replace(targets=part.targets[:, :1]) for part in (train, validation))
        names = ("no", "yes") if task == "binary" else ("value",)
    return Problem(task, LabelSet(names), train, validation)


def _first(targets: np.ndarray) -> np.ndarray:
    return np.eye(targets.shape[1], dtype=np.float32)[targets.argmax(axis=1)]


def context() -> Context:
    return Context(Encoders())


# -- the whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["multilabel", "multiclass", "binary", "ordinal"])
def test_everything_tried_is_told_and_what_is_chosen_survives_a_round_trip(folder: Path, task: Task) -> None:
    what = problem(task)
    fitted = learn_auto(what, preset_of(folder), context())
    assert isinstance(fitted.model, Average)
    members = [each["member"] for each in fitted.tried if "member" in each]
    assert {"tfidf", "first-mean-max, first 16 passages", "mean, first 16 passages"} <= set(members)
    assert ("neighbours" in members) == ("zero-shot" in members) == (task != "ordinal")
    assert sum(each.get("chosen", False) for each in fitted.tried) == 1
    assert sum(each.weight for each in fitted.model.members) == pytest.approx(1)
    state = fitted.model.state()
    loaded = model_from("average", State(json.loads(json.dumps(state.settings)), state.arrays), context())
    documents = what.validation.documents
    np.testing.assert_allclose(loaded.scores(documents), fitted.model.scores(documents), atol=1e-12)


def test_two_trainings_are_equal_arrays(folder: Path) -> None:
    first, second = (learn_auto(problem(), preset_of(folder), context()).model.state() for _ in range(2))
    assert first.settings == second.settings
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name])


def test_without_validation_documents_words_and_network_weigh_alike(folder: Path) -> None:
    what = problem()
    none = Examples([], np.zeros((0, 3), np.float32))
    fitted = learn_auto(Problem("multilabel", what.labels, what.train, none), preset_of(folder), context())
    assert isinstance(fitted.model, Average)
    assert [(each.model.kind, each.weight) for each in fitted.model.members] == [
        ("tfidf", 0.5),
        ("network", 0.5),
    ]


def test_refitting_keeps_members_weights_and_calibrations(folder: Path) -> None:
    what, parts = problem(), context()
    preset = preset_of(folder)
    words = learn_linear(what, preset, parts).model
    near = learn_neighbours(what.train, preset, parts)
    model = Average(
        [Member(words, Calibration("sigmoid", 2.0, 1.0), 0.75), Member(near, Calibration("sigmoid"), 0.25)],
        "multilabel",
    )
    again = model.refit(what, parts)
    assert [each[1:] for each in again.members] == [each[1:] for each in model.members]
    assert isinstance(again.members[1].model, Neighbours)
    assert len(again.members[1].model.vectors) == 72
    np.testing.assert_array_equal(again.members[1].model.vectors[:48], near.vectors)


# -- averages -----------------------------------------------------------------------------------------------------


class Fixed:
    """A model of known scores and passages."""

    def __init__(
        self, kind: str, scores: list[float], spans: list[list[int]], without: list[list[float]]
    ) -> None:
        self.kind = kind
        self.own = (
            np.array([scores]),
            np.array(spans).reshape(-1, 2),
            np.array(without).reshape(-1, len(scores)),
        )

    def scores(self, documents: Any, *, progress: Any = None) -> np.ndarray:
        return np.repeat(self.own[0], len(documents), axis=0)

    def evidence(self, document: Any, spans: Any = None) -> Evidence:
        cut = self.own[1] if self.kind == "network" else spans
        return Evidence(cut, self.own[0][0], self.own[2][: len(cut)], None)

    def state(self) -> State:
        return State({}, {})


def test_an_average_is_the_logit_of_the_mean_probability() -> None:
    one, other = Fixed("network", [0.0, 2.0], [], []), Fixed("network", [3.0, -1.0], [], [])
    model = Average(
        [Member(one, Calibration("sigmoid"), 0.25), Member(other, Calibration("sigmoid", 2.0, -1.0), 0.75)],
        "multilabel",
    )

    def p(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    wanted = np.array([0.25 * p(0) + 0.75 * p(5), 0.25 * p(2) + 0.75 * p(-3)])
    found = model.scores([LabelledDocument(Document("a", "b"))])
    np.testing.assert_allclose(found[0], np.log(wanted / (1 - wanted)))


def test_scores_of_a_multiclass_average_give_the_mean_back_and_values_are_kept() -> None:
    means = np.array([[0.2, 0.3, 0.5]])
    np.testing.assert_allclose(Calibration("softmax").probabilities(as_scores(means, "multiclass")), means)
    np.testing.assert_array_equal(as_scores(means, "ordinal"), means)
    np.testing.assert_allclose(mean_of([means, means + 0.1], [0.5, 0.5]), means + 0.05)


def test_evidence_is_on_the_passages_of_the_member_that_reads_most() -> None:
    """A member that reads the first passage alone does not change without the second."""
    short = Fixed("network", [1.0], [[0, 5]], [[0.0]])
    long = Fixed("network", [1.0], [[0, 5], [5, 9]], [[0.5], [0.25]])
    words = Fixed("tfidf", [1.0], [], [[0.7], [0.9]])
    model = Average(
        [Member(each, Calibration("sigmoid"), 1 / 3) for each in (words, short, long)], "multilabel"
    )
    found = model.evidence(LabelledDocument(Document("a", "some words")))
    assert found.spans.tolist() == [[0, 5], [5, 9]]

    def wanted(*scores: float) -> float:
        mean = np.mean([1 / (1 + np.exp(-x)) for x in scores])
        return float(np.log(mean / (1 - mean)))

    np.testing.assert_allclose(found.without.ravel(), [wanted(0.7, 0.0, 0.5), wanted(0.9, 1.0, 0.25)])
    other = Fixed("network", [1.0], [[0, 4]], [[0.0]])
    mixed = Average([Member(each, Calibration("sigmoid"), 0.5) for each in (other, long)], "multilabel")
    with pytest.raises(UsageError, match="cut documents differently"):
        mixed.evidence(LabelledDocument(Document("a", "some words")))


# -- selection ----------------------------------------------------------------------------------------------------


def drawn(seed: int, count: int = 4, rows: int = 25, labels: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    random = np.random.default_rng(seed)
    targets = (random.random((rows, labels)) < 0.4).astype(np.float64)
    noise = random.uniform(0.2, 1.5, count)
    scores = [targets - 0.5 + sd * random.normal(size=targets.shape) for sd in noise]
    return [1 / (1 + np.exp(-2 * each)) for each in scores], targets


def value(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The value by scikit-learn and a loop over documents."""
    chosen = choose_thresholds(probabilities, targets, "global").apply(probabilities)
    shown = targets.any(axis=0)
    micro = f1_score(targets, chosen, average="micro", zero_division=0)
    macro = f1_score(targets[:, shown], chosen[:, shown], average="macro", zero_division=0)
    precisions = []
    for scores, wanted in zip(probabilities, targets, strict=True):
        if wanted.any():
            first = np.argsort(-scores, kind="stable")[:5]
            precisions.append(wanted[first].sum() / min(5, wanted.sum()))
    return float(micro + macro + np.mean(precisions))


@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_selection_is_greedy_by_the_value_and_never_below_the_best_single(seed: int) -> None:
    contenders, targets = drawn(seed)
    if not targets.any():
        return
    found = select(contenders, targets, "multilabel", seed=0)
    singles = [value(each, targets) for each in contenders]
    assert found.path[0].value == pytest.approx(max(singles))
    assert found.path[0].picks == (int(np.argmax(np.round(singles, 12))),)
    best = max(step.value for step in found.path)
    chosen = found.path[found.chosen]
    assert chosen.value >= best - chosen.noise
    assert all(step.value < best - step.noise for step in found.path[: found.chosen])
    assert chosen.value >= max(singles) - chosen.noise
    for step in found.path[:3]:
        mean = np.mean([contenders[pick] for pick in step.picks], axis=0)
        assert step.value == pytest.approx(value(mean, targets))
    second = [value((contenders[found.path[0].picks[0]] + each) / 2, targets) for each in contenders]
    assert found.path[1].value == pytest.approx(max(second))
    assert sum(found.weights.values()) == pytest.approx(1)


def test_a_gain_below_the_noise_is_not_taken_and_one_above_is() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((400, 4)) < 0.4).astype(np.float64)

    def read(sd: float) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-2 * (targets - 0.5 + sd * random.normal(size=targets.shape)))))

    good = read(0.5)
    same = select([good, good + 1e-9 * random.random(good.shape)], targets, "multilabel", seed=0)
    assert same.chosen == 0
    helped = select([good, read(0.5)], targets, "multilabel", seed=0)
    assert set(helped.weights) == {0, 1}


def test_of_averages_within_one_standard_error_of_the_best_the_shortest_is_taken() -> None:
    found = [select(*drawn(seed), "multilabel", seed=0) for seed in range(8)]
    best = [int(np.argmax([step.value for step in each.path])) for each in found]
    assert any(each.chosen < top for each, top in zip(found, best, strict=True))
    assert any(len(each.weights) > 1 for each in found)


@pytest.mark.parametrize("task", ["multiclass", "binary", "ordinal"])
def test_other_tasks_are_selected_by_their_own_measure(task: Task) -> None:
    random = np.random.default_rng(1)
    targets = np.eye(3)[random.integers(0, 3, 200)]
    right, wrong = targets * 0.8 + 0.1, np.full((200, 3), 1 / 3)
    if task == "binary":
        targets, right, wrong = targets[:, :1], right[:, :1], random.random((200, 1))
    if task == "ordinal":
        targets, right, wrong = targets[:, :1] * 3, targets[:, :1] * 3 + 0.1, np.zeros((200, 1))
    found = select([wrong, right], targets, task, seed=0)
    assert found.weights == {1: 1.0}


def test_without_validation_documents_all_weigh_alike() -> None:
    assert select([np.zeros((0, 2))] * 2, np.zeros((0, 2)), "multilabel", seed=0).weights == {0: 0.5, 1: 0.5}


# -- neighbours and memory ----------------------------------------------------------------------------------------


def test_neighbours_vote_by_cosine(folder: Path) -> None:
    preset, parts, train = preset_of(folder), context(), examples(30)
    model = learn_neighbours(train, preset, parts)
    test = examples(5, 2).documents
    queries = mean_vectors(test, preset, parts)
    for row, query in zip(model.scores(test), queries, strict=True):
        cosines = model.vectors.astype(np.float64) @ query.astype(np.float64)
        nearest = np.argsort(-cosines, kind="stable")[:10]
        share = np.average(train.targets[nearest], axis=0, weights=cosines[nearest])
        np.testing.assert_allclose(row, np.log((share + 0.02) / (1.02 - share)), atol=1e-6)


def test_evidence_of_neighbours_is_the_document_without_the_passage(folder: Path) -> None:
    preset, parts = preset_of(folder), context()
    model = learn_neighbours(examples(30), preset, parts)
    document = toy_documents(1, seed=7)[0]
    evidence = model.evidence(document)
    assert len(evidence.spans) > 1
    np.testing.assert_allclose(evidence.scores, model.scores([document])[0], atol=1e-6)
    text = document.document.text
    start = int(evidence.spans[-1, 0])
    rest = LabelledDocument(Document("rest", text[:start]))
    found = cut(parts.encoder(encoder_recipe(preset)), preset.passages, [rest]).spans[0]
    if np.array_equal(found, evidence.spans[:-1]):
        np.testing.assert_allclose(evidence.without[-1], model.scores([rest])[0], atol=1e-3)
    nothing = LabelledDocument(Document("empty", ""))
    np.testing.assert_allclose(model.scores([nothing])[0], np.log(0.02 / 1.02))
    assert model.evidence(nothing).without.shape == (0, 3)


def test_memory_gives_what_the_encoder_gives_and_asks_once(folder: Path) -> None:
    encoder = context().encoder(encoder_recipe(preset_of(folder)))
    memory = Remembering(encoder)
    documents = [each.document for each in toy_documents(6)] + [Document("empty", "")]
    documents.append(Document("another id", documents[0].text))
    cuts = [windows.spans for windows in encoder.split(documents)]
    for spans in ([own[1:] for own in cuts], cuts, [own[:1] for own in cuts]):
        ours, peer = memory.vectors(documents, spans), encoder.vectors(documents, spans)
        for name in ("vectors", "spans", "firsts", "cut"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(peer, name))
    before = encoder.encodings
    assert [windows.spans.tolist() for windows in memory.split(documents)] == [own.tolist() for own in cuts]
    again = memory.vectors(documents, cuts)
    assert (again.encoded, again.cached) == (0, sum(map(len, cuts)))
    assert encoder.encodings == before
    assert memory.vectors([], []).vectors.shape[0] == 0

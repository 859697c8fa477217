"""Thresholds against every cut there is, the formula of the shrinkage, and an order that must not matter."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit
from sklearn.metrics import f1_score

from retrieve.classify.thresholds import Thresholds, best_micro_f1, choose_thresholds, micro_f1
from retrieve.errors import UsageError

# Few values, so that ties are common; 0 and 1 are among them.
PROBABILITIES = arrays(
    np.float64,
    st.tuples(st.integers(1, 9), st.integers(1, 3)),
    elements=st.integers(0, 8).map(lambda n: n / 8),
)


def every_cut(scores: np.ndarray) -> list[float]:
    """One threshold for each way to part the scores, accepting none excepted; the highest first."""
    return sorted(set(scores.ravel().tolist()), reverse=True)


def best_by_trying(scores: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    found = [
        (f1_score(targets.ravel(), scores.ravel() >= cut, zero_division=0), cut) for cut in every_cut(scores)
    ]
    best = max(f1 for f1, _ in found)
    return best, next(cut for f1, cut in found if f1 == best)


@given(probabilities=PROBABILITIES, seed=st.integers(0, 1000))
def test_the_global_threshold_is_the_best_of_all_cuts(probabilities: np.ndarray, seed: int) -> None:
    targets = np.random.default_rng(seed).random(probabilities.shape) < 0.4
    found = choose_thresholds(probabilities, targets, "global", 0)
    if not targets.any():
        assert set(found.values) == {0.5}
        assert "no validation document has a label" in found.remark
        return
    best, cut = best_by_trying(probabilities, targets)
    assert micro_f1(found.apply(probabilities), targets) == pytest.approx(best)
    assert best_micro_f1(probabilities, targets) == pytest.approx(best)
    assert np.array_equal(probabilities >= found.values, probabilities >= cut)


@given(probabilities=PROBABILITIES, seed=st.integers(0, 1000))
def test_shrunk_thresholds_are_the_formula(probabilities: np.ndarray, seed: int) -> None:
    targets = np.random.default_rng(seed).random(probabilities.shape) < 0.4
    if not targets.any():
        return

    def midway(scores: np.ndarray, wanted: np.ndarray) -> float:
        _, cut = best_by_trying(scores, wanted)
        below = scores[scores < cut]
        lower = below.max() if below.size else cut
        return float(np.mean([held(lower), held(cut)]))

    def held(p: float) -> float:
        return float(logit(np.clip(p, 1e-300, 1 - 2**-53)))

    common = midway(probabilities, targets)
    found = choose_thresholds(probabilities, targets, "shrunk", 0).values
    for label, value in enumerate(found):
        n = targets[:, label].sum()
        own = midway(probabilities[:, label], targets[:, label]) if n else 0.0
        wanted = (n * own + 15 * common) / (n + 15) if n else common
        assert value == pytest.approx(expit(wanted), rel=1e-6, abs=1e-12)


def test_a_known_case_by_hand() -> None:
    probabilities = np.array([[0.9], [0.8], [0.4], [0.3], [0.1]])
    targets = np.array([[1], [1], [0], [1], [0]])
    found = choose_thresholds(probabilities, targets, "global", 0)
    # 2/2 right of 3: F1 .8; 3 of 4 right of 3: F1 6/7, so the cut is between .3 and .1.
    assert found.values == pytest.approx([expit((logit(0.3) + logit(0.1)) / 2)])


def test_candidates_in_the_order_they_come_in_would_choose_another_cut() -> None:
    """What scikit-learn's TunedThresholdClassifierCV does with unsorted candidates must not happen here."""
    random = np.random.default_rng(0)
    probabilities, targets = random.random((50, 4)), random.random((50, 4)) < 0.3
    first = choose_thresholds(probabilities, targets)
    shuffled = random.permutation(50)
    assert np.array_equal(choose_thresholds(probabilities[shuffled], targets[shuffled]).values, first.values)
    falling = np.argsort(-probabilities[:, 0])
    assert np.array_equal(choose_thresholds(probabilities[falling], targets[falling]).values, first.values)


def test_min_labels_is_chosen_where_it_helps_and_a_tie_is_none() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.1], [0.1, 0.3]])
    every, one = np.array([[1, 0], [1, 0], [0, 1]]), np.array([[1, 0], [0, 0], [0, 0]])
    assert choose_thresholds(probabilities, every, "natural").min_labels == 1
    assert choose_thresholds(probabilities, one, "natural").min_labels == 0
    sure = np.array([[0.9, 0.1], [0.9, 0.1]])
    assert choose_thresholds(sure, np.array([[1, 0], [1, 0]]), "natural").min_labels == 0
    given = choose_thresholds(probabilities, one, "natural", 1).apply(probabilities)
    assert given.tolist() == [[True, False], [True, False], [False, True]]


def test_argmax_gives_one_label_and_the_first_of_equal_ones() -> None:
    found = choose_thresholds(np.full((2, 3), 1 / 3), np.eye(3)[:2], task="multiclass")
    assert found.apply([[0.2, 0.4, 0.4], [0.6, 0.3, 0.1]]).tolist() == [
        [False, True, False],
        [True, False, False],
    ]


def test_a_binary_task_may_have_its_label_or_not() -> None:
    probabilities, targets = [[0.9], [0.4], [0.2]], [[1], [1], [0]]
    assert choose_thresholds(probabilities, targets, "natural", task="binary").min_labels == 0


def test_neighbours_that_differ_by_rounding_are_still_parted() -> None:
    upper = 0.3
    for lower in (np.nextafter(upper, 0), np.nextafter(np.nextafter(upper, 0), 0)):
        found = choose_thresholds([[upper], [lower]], [[1], [0]], "global", 0)
        assert found.apply([[upper], [lower]]).ravel().tolist() == [True, False]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_beyond_the_reach_of_the_best_cut_change_nothing(seed: int) -> None:
    """Thousands of pairs of few positives, some of them at the very end, and many ties."""
    random = np.random.default_rng(seed)
    targets = random.random((400, 10)) < 0.03
    scores = random.normal(size=targets.shape) + (2 + seed % 3) * targets * (
        random.random(targets.shape) < 0.8
    )
    probabilities = np.round(expit(scores - 2), 1 + seed % 4)
    order = np.argsort(-probabilities.ravel(), kind="stable")
    ordered, hits = probabilities.ravel()[order], np.cumsum(targets.ravel()[order])
    f1 = 2 * hits / (np.arange(1, 4001) + targets.sum())
    ends = np.append(ordered[1:] != ordered[:-1], True)
    best = int(np.argmax(np.where(ends, f1, 0)))
    assert best_micro_f1(probabilities, targets) == pytest.approx(f1[best])
    value = choose_thresholds(probabilities, targets, "global", 0).values[0]
    assert ordered[best + 1] < value <= ordered[best]
    assert value == pytest.approx(expit((logit(ordered[best]) + logit(ordered[best + 1])) / 2))


def test_many_labels_by_blocks_are_the_same_as_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    probabilities, targets = random.random((40, 7)), random.random((40, 7)) < 0.2
    whole = choose_thresholds(probabilities, targets).values
    monkeypatch.setattr("retrieve.classify.thresholds._BLOCK", 80)
    assert np.array_equal(choose_thresholds(probabilities, targets).values, whole)


def test_thresholds_are_the_same_after_json() -> None:
    random = np.random.default_rng(2)
    found = choose_thresholds(random.random((20, 3)), random.random((20, 3)) < 0.5)
    again = Thresholds.from_json(json.loads(json.dumps(found.to_json())))
    assert np.array_equal(again.values, found.values)
    assert (again.min_labels, again.how, again.remark) == (found.min_labels, found.how, found.remark)


def test_what_cannot_be_is_refused() -> None:
    good = np.full((2, 2), 0.5)
    with pytest.raises(UsageError, match="NaN or outside"):
        choose_thresholds([[np.nan, 0.1]], [[0, 1]])
    with pytest.raises(UsageError, match="one target for each"):
        choose_thresholds(good, np.zeros((2, 3)))
    with pytest.raises(UsageError, match="min_labels"):
        choose_thresholds(good, good, min_labels=2)
    with pytest.raises(UsageError, match="not 'best'"):
        choose_thresholds(good, good, "best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="another model"):
        choose_thresholds(good, good).apply(np.full((2, 3), 0.5))


def test_cuts_are_midway_between_neighbours_only() -> None:
    """Moving any other score than the two neighbours does not move the threshold."""
    scores = np.array([0.95, 0.9, 0.7, 0.4, 0.2, 0.05])
    targets = np.array([1, 1, 1, 0, 0, 0])
    value = choose_thresholds(scores[:, None], targets[:, None], "global", 0).values[0]
    assert any(lower < value < upper for upper, lower in pairwise(scores))
    moved = np.array([0.99, 0.8, 0.7, 0.4, 0.1, 0.01])
    assert choose_thresholds(moved[:, None], targets[:, None], "global", 0).values[0] == value

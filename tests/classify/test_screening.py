"""Reading depths by hand and by trying; undecided bands against every edge there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.classify.screening import Reading, recall_table, undecided_band
from retrieve.classify.thresholds import Thresholds
from retrieve.errors import UsageError


def at(value: float, labels: int = 1) -> Thresholds:
    return Thresholds(np.full(labels, value), 0, "natural")


def test_a_ranking_by_hand() -> None:
    probabilities = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])[:, None]
    targets = np.array([1, 0, 1, 1, 0, 1])[:, None]
    (found,) = recall_table(probabilities, targets, (0.5, 0.75, 0.8))
    assert found == (
        Reading(0.5, 4, 2, 3, 2 / 3),
        Reading(0.75, 4, 3, 4, 3 / 4),
        Reading(0.8, 4, 4, 6, 4 / 6),
    )


def test_ties_are_read_in_the_worst_order() -> None:
    (found,) = recall_table(np.full((5, 1), 0.5), np.array([[1], [0], [1], [0], [0]]), (0.5, 1.0))
    assert [(row.found, row.read) for row in found] == [(1, 4), (2, 5)]


def test_a_label_without_positives_has_no_row_and_seven_tenths_of_ten_is_seven() -> None:
    targets = np.zeros((20, 2))
    targets[:10, 0] = 1
    first, second = recall_table(np.linspace(1, 0, 40).reshape(20, 2), targets, (0.7,))
    assert first[0].found == 7
    assert second == ()


@given(seed=st.integers(0, 1000), level=st.sampled_from([0.6, 0.8, 0.95, 1.0]))
def test_a_band_is_the_narrowest_of_all(seed: int, level: float) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.integers(1, 12, size=(12, 2)) / 12
    probabilities = np.clip(probabilities, 0, 0.999)
    targets = random.random((12, 2)) < probabilities
    found = undecided_band(probabilities, targets, at(0.5, 2), level)
    given_, refused = probabilities >= found.upper, probabilities < found.lower
    assert not given_.any() or targets[given_].mean() >= level - 1e-9
    assert not refused.any() or (~targets[refused]).mean() >= level - 1e-9
    for edge in np.unique(probabilities):
        if edge >= 0.5 and targets[probabilities >= edge].mean() >= level - 1e-9:
            assert given_.sum() >= (probabilities >= edge).sum()
        if edge < 0.5 and (~targets[probabilities <= edge]).mean() >= level - 1e-9:
            assert refused.sum() >= (probabilities <= edge).sum()
    assert found.undecided == pytest.approx(1 - (given_.sum() + refused.sum()) / 24)


def test_a_band_follows_each_labels_threshold() -> None:
    thresholds = Thresholds(np.array([0.5, 0.1]), 0, "shrunk")
    probabilities = np.array([[0.99, 0.9], [0.6, 0.12], [0.3, 0.05], [0.01, 0.001]])
    targets = np.array([[1, 1], [0, 0], [1, 0], [0, 0]])
    found = undecided_band(probabilities, targets, thresholds, 1.0)
    assert np.all(found.lower < thresholds.values)
    assert np.all(thresholds.values < found.upper)
    assert found.upper[1] < found.upper[0]


def test_nothing_sure_leaves_everything_undecided() -> None:
    found = undecided_band([[0.9], [0.1]], [[0], [1]], at(0.5))
    assert (found.lower[0], found.undecided) == (0.0, 1.0)
    assert found.upper[0] > 1


def test_all_right_leaves_no_band() -> None:
    found = undecided_band([[0.9], [0.1]], [[1], [0]], at(0.5))
    assert (found.lower[0], found.upper[0], found.undecided) == (pytest.approx(0.5), pytest.approx(0.5), 0.0)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="recalls"):
        recall_table([[0.1]], [[1]], (0.0,))
    with pytest.raises(UsageError, match="level"):
        undecided_band([[0.1]], [[1]], at(0.5), 1.5)
    with pytest.raises(UsageError, match="not cut anywhere"):
        undecided_band([[0.1]], [[1]], Thresholds(np.full(1, 0.5), 1, "argmax"))
    with pytest.raises(UsageError, match="documents × labels"):
        recall_table([0.1], [1])

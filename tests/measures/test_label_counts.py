"""F1 and its parts beside scikit-learn, and the label set that a macro average is over."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from retrieve.measures.label_counts import Averaged, CountedMeasure, averaged, counts


def arrays(seed: int, n: int = 40, labels: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.random((n, labels)) < np.linspace(0, 0.5, labels)  # the first label never occurs
    return targets, targets ^ (rng.random((n, labels)) < 0.15)


@pytest.mark.parametrize("seed", range(5))
def test_every_average_is_scikit_learns_over_the_same_labels(seed: int) -> None:
    targets, chosen = arrays(seed)
    found = counts(targets, chosen)
    there = np.flatnonzero(targets.any(0))
    for place, kind in enumerate(("precision", "recall", "f1")):
        micro = precision_recall_fscore_support(targets, chosen, average="micro", zero_division=0)[place]
        macro = precision_recall_fscore_support(
            targets[:, there], chosen[:, there], average="macro", zero_division=0
        )[place]
        assert averaged(found, f"micro_{kind}") == pytest.approx(micro)  # type: ignore[arg-type]
        assert averaged(found, f"macro_{kind}") == pytest.approx(macro)  # type: ignore[arg-type]
    all_labels = precision_recall_fscore_support(targets, chosen, average="macro", zero_division=0)[2]
    assert averaged(found, "macro_f1_all") == pytest.approx(all_labels)


def test_the_two_macro_averages_differ_by_the_labels_that_nobody_has() -> None:
    targets = np.array([[1, 0, 0, 0], [1, 1, 0, 0]])
    chosen = np.array([[1, 0, 0, 0], [1, 1, 0, 1]])
    found = counts(targets, chosen)
    assert averaged(found, "macro_f1") == 1
    assert averaged(found, "macro_f1_all") == 0.5


def test_nothing_there_and_nothing_chosen_has_no_value() -> None:
    found = counts(np.zeros((3, 2)), np.zeros((3, 2)))
    assert np.isnan(averaged(found, "micro_f1"))
    assert np.isnan(averaged(found, "macro_f1"))
    assert averaged(found, "macro_f1_all") == 0


@given(st.integers(0, 2**32), st.sampled_from(get_args(Averaged)))
def test_weights_are_repetitions(seed: int, name: Averaged) -> None:
    """A measure of weighted documents is that of the documents written out so many times."""
    targets, chosen = arrays(seed, n=12, labels=4)
    weights = np.random.default_rng(seed).integers(0, 3, (3, 12))
    measure = CountedMeasure(targets, chosen, name)
    found = measure.value(measure.totals(weights.astype(float)))
    for row, value in zip(weights, found, strict=True):
        repeated = np.repeat(np.arange(12), row)
        expected = averaged(counts(targets[repeated], chosen[repeated]), name)
        np.testing.assert_allclose(value, expected, atol=1e-12)

"""Intervals, the permutation test and Holm's correction beside closed forms and complete enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.errors import MeasureError
from retrieve.measures.label_counts import CountedMeasure, averaged, counts
from retrieve.measures.significance import (
    MeanMeasure,
    holm,
    mean_interval,
    measure_interval,
    paired_interval,
    permutation_p,
)


def system(targets: np.ndarray, wrong: float, seed: int) -> np.ndarray:
    return targets ^ (np.random.default_rng(seed).random(targets.shape) < wrong)


@pytest.fixture
def targets() -> np.ndarray:
    return np.random.default_rng(0).random((120, 6)) < np.linspace(0.02, 0.4, 6)


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    """The quantiles of 9,999 resamples are within 4 % of the half width, with three standard errors to spare."""
    values = np.random.default_rng(1).normal(0.1, 1, 400)
    half = 1.96 * values.std() / 20
    for found in (mean_interval(values, seed=0), measure_interval(MeanMeasure(values), seed=0)):
        assert found.value == pytest.approx(values.mean())
        assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
        assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_documents_without_a_value_are_left_out() -> None:
    values = np.array([0.0, 1.0, np.nan, 1.0])
    measure = MeanMeasure(values)
    assert measure.value(measure.totals(np.ones((1, 4))))[0] == pytest.approx(2 / 3)
    with pytest.raises(MeasureError, match="finite"):
        mean_interval(values, seed=0)


def test_macro_f1_is_computed_again_in_each_resample(targets: np.ndarray) -> None:
    """Beside a plain loop over resamples of its own: both ends agree within 3 standard errors of a quantile (.012)."""
    chosen = system(targets, 0.1, 1)
    found = measure_interval(CountedMeasure(targets, chosen, "macro_f1"), seed=0, resamples=4000)
    rng = np.random.default_rng(9)
    loop = []
    for _ in range(4000):
        rows = rng.integers(0, 120, 120)
        loop.append(averaged(counts(targets[rows], chosen[rows]), "macro_f1"))
    assert found.value == averaged(counts(targets, chosen), "macro_f1")
    low, high = np.quantile(loop, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.012)
    assert found.high == pytest.approx(high, abs=0.012)


def test_pairs_are_resampled_together(targets: np.ndarray) -> None:
    """A system against itself has no spread; against a worse copy of itself, far less than either alone."""
    better = system(targets, 0.05, 1)
    worse = better.copy()
    worse[:20] = False
    same = CountedMeasure(targets, better, "micro_f1")
    assert paired_interval(same, same, seed=0, resamples=200) == (0, 0, 0)
    found = paired_interval(same, CountedMeasure(targets, worse, "micro_f1"), seed=0, resamples=2000)
    assert found.low > 0
    alone = measure_interval(CountedMeasure(targets, worse, "micro_f1"), seed=0, resamples=2000)
    assert found.high - found.low < alone.high - alone.low


def test_the_seed_decides(targets: np.ndarray) -> None:
    first = CountedMeasure(targets, system(targets, 0.1, 1), "macro_f1")
    second = CountedMeasure(targets, system(targets, 0.12, 2), "macro_f1")
    for function in (paired_interval, permutation_p):
        assert function(first, second, seed=3) == function(first, second, seed=3)
        assert function(first, second, seed=3) != function(first, second, seed=4)


def test_permutation_beside_all_exchanges() -> None:
    """10 documents have 1,024 exchanges; 9,999 random ones give their share within 3 standard errors."""
    rng = np.random.default_rng(5)
    one, other = rng.random(10), rng.random(10) - 0.15
    signs = np.array(list(itertools.product((-1, 1), repeat=10)))
    exact = (np.abs(signs @ (one - other)) >= abs((one - other).sum()) - 1e-9).mean()
    found = permutation_p(MeanMeasure(one), MeanMeasure(other), seed=0)
    assert found == pytest.approx(exact, abs=3 * math.sqrt(exact * (1 - exact) / 9999))


def test_permutation_of_a_measure_that_is_no_mean() -> None:
    rng = np.random.default_rng(6)
    targets = rng.random((9, 3)) < 0.5
    one, other = system(targets, 0.1, 1), system(targets, 0.5, 2)

    def apart(swap: np.ndarray) -> float:
        first, second = np.where(swap, other, one), np.where(swap, one, other)
        values = [averaged(counts(targets, chosen), "macro_f1") for chosen in (first, second)]
        return abs(float(values[0] - values[1]))

    swaps = np.array(list(itertools.product((False, True), repeat=9)))[:, :, None]
    exact = np.mean([apart(swap) >= apart(swaps[0]) - 1e-9 for swap in swaps])
    found = permutation_p(
        CountedMeasure(targets, one, "macro_f1"), CountedMeasure(targets, other, "macro_f1"), seed=0
    )
    assert found == pytest.approx(exact, abs=3 * math.sqrt(exact * (1 - exact) / 9999))


def test_p_is_never_zero_and_one_without_a_difference() -> None:
    zeros, ones = MeanMeasure(np.zeros(60)), MeanMeasure(np.ones(60))
    assert permutation_p(ones, zeros, seed=0, permutations=99) == 0.01
    assert permutation_p(ones, ones, seed=0, permutations=99) == 1
    assert math.isnan(permutation_p(MeanMeasure([np.nan] * 3), MeanMeasure([np.nan] * 3), seed=0))


def test_holm_by_hand() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert corrected.p == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert corrected.undefined == []


def test_comparisons_without_a_p_are_no_tests() -> None:
    """statsmodels' BH makes every p nan where one is, and its Holm counts that one."""
    without = holm({("x", "y"): 0.01, ("x", "z"): 0.04})
    found = holm({("x", "y"): 0.01, ("y", "z"): math.nan, ("x", "z"): 0.04})
    assert found.p == without.p == {("x", "y"): 0.02, ("x", "z"): 0.04}
    assert found.undefined == [("y", "z")]


@given(st.dictionaries(st.integers(), st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_helps(p: dict[int, float]) -> None:
    corrected = holm(p).p
    assert list(corrected) == list(p)
    for name, value in p.items():
        assert value <= corrected[name] <= 1
        assert all(corrected[name] <= corrected[other] for other in p if value < p[other])
    rejected = {name for name, value in corrected.items() if value <= 0.05}
    step_down = set()
    for place, name in enumerate(sorted(p, key=p.__getitem__)):
        if (len(p) - place) * p[name] > 0.05:
            break
        step_down.add(name)
    assert rejected == step_down


def test_what_cannot_be_compared() -> None:
    with pytest.raises(MeasureError, match="2 documents of one system and 3"):
        paired_interval(MeanMeasure([1, 2]), MeanMeasure([1, 2, 3]), seed=0)
    with pytest.raises(MeasureError, match="at least two"):
        measure_interval(MeanMeasure([1]), seed=0)
    with pytest.raises(MeasureError, match="not defined"):
        measure_interval(MeanMeasure([np.nan, np.nan]), seed=0)
    with pytest.raises(MeasureError, match="below 0 or above 1"):
        holm({"a": 1.2})

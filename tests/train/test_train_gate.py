"""The gate on planted differences, and its interval beside the closed form."""

from __future__ import annotations

import numpy as np
import pytest

from retrieve.errors import MeasureError
from retrieve.train.gate import paired_gain, passes

QUERIES = [f"q{n}" for n in range(400)]


def values(numbers: np.ndarray) -> dict[str, float]:
    return dict(zip(QUERIES, numbers.tolist(), strict=True))


@pytest.fixture
def base() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.2, 0.8, len(QUERIES))


def test_the_same_head_is_refused(base: np.ndarray) -> None:
    gain = paired_gain(values(base), values(base), seed=0)
    assert gain == (400, pytest.approx(base.mean()), pytest.approx(base.mean()), 0, 0, 0)
    assert not passes(gain)
    assert passes(gain, allow_not_worse=True)


@pytest.mark.parametrize(
    ("shift", "kept", "kept_by_flag"),
    [(0.03, True, True), (0.005, False, True), (0.0, False, False), (-0.03, False, False)],
)
def test_a_planted_shift(base: np.ndarray, shift: float, kept: bool, kept_by_flag: bool) -> None:
    """Noise of sd .1 over 400 queries: the bounds are .0098 to either side of the mean difference."""
    noise = np.random.default_rng(1).normal(0, 0.1, len(QUERIES))
    gain = paired_gain(values(base + shift + noise - noise.mean()), values(base), seed=0)
    assert gain.gain == pytest.approx(shift)
    half = 1.96 * noise.std() / np.sqrt(len(QUERIES))
    # The quantiles of 9,999 resamples are within 4 % of this half width, with three standard errors to spare.
    assert gain.lower == pytest.approx(shift - half, abs=0.1 * half)
    assert gain.upper == pytest.approx(shift + half, abs=0.1 * half)
    assert passes(gain) is kept
    if shift != 0:  # there the bound is within its noise of what is wanted
        assert passes(gain, allow_not_worse=True) is kept_by_flag


def test_pairs_are_by_query_and_the_seed_decides(base: np.ndarray) -> None:
    better = values(base + np.random.default_rng(2).normal(0.01, 0.1, len(QUERIES)))
    gain = paired_gain(better, values(base), seed=3)
    assert gain == paired_gain(dict(reversed(better.items())), values(base), seed=3)
    assert gain.lower != paired_gain(better, values(base), seed=4).lower


def test_other_queries_cannot_be_paired(base: np.ndarray) -> None:
    fewer = values(base)
    del fewer["q7"]
    with pytest.raises(MeasureError, match="399 queries of one head and 400"):
        paired_gain(fewer, values(base), seed=0)

"""The gate: a trained head is kept only if it beats the untrained one on queries whose documents it has never seen.

What decides is the lower end of the two-sided 95 % interval of the mean
difference: a mean that is better by chance is the usual outcome of training on a thousand queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from retrieve.errors import MeasureError
from retrieve.measures.significance import RESAMPLES, mean_interval

NOT_WORSE = -0.01
"""What the lower bound must pass where a head that is no worse will do."""


class Gain(NamedTuple):
    """A measure's means over the same queries, untrained and trained; `lower` and `upper` bound `gain` at 95 %."""

    queries: int
    untrained: float
    trained: float
    gain: float
    lower: float
    upper: float


def paired_gain(trained: Mapping[str, float], untrained: Mapping[str, float], *, seed: int) -> Gain:
    """Query id → measure of two heads → the gain of one over the other, by a percentile bootstrap of `RESAMPLES`.

    Raises `MeasureError` if the heads answered different queries or fewer than two.
    """
    if trained.keys() != untrained.keys() or len(trained) < 2:
        raise MeasureError(
            f"{len(trained)} queries of one head and {len(untrained)} of the other cannot be paired: wanted the same "
            "queries of both, at least two"
        )
    order = sorted(trained)
    better = np.array([trained[query] for query in order])
    base = np.array([untrained[query] for query in order])
    difference = mean_interval(better - base, seed=seed, resamples=RESAMPLES)
    return Gain(
        len(order),
        float(base.mean()),
        float(better.mean()),
        difference.value,
        difference.low,
        difference.high,
    )


def passes(gain: Gain, *, allow_not_worse: bool = False) -> bool:
    """Whether the head may be kept: lower bound above 0, or above `NOT_WORSE` if that is allowed."""
    return gain.lower > (NOT_WORSE if allow_not_worse else 0)

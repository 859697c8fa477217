"""The gate: a trained head is kept only if it beats the untrained one on queries whose documents it has never seen.

The paired bootstrap over queries is scipy's. What decides is the lower end of the two-sided 95 % interval of the mean
difference: a mean that is better by chance is the usual outcome of training on a thousand queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from retrieve.errors import MeasureError, MissingExtra

RESAMPLES = 9999
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

    Raises `MeasureError` if the heads answered different queries or fewer than two, `MissingExtra` without scipy.
    """
    if trained.keys() != untrained.keys() or len(trained) < 2:
        raise MeasureError(
            f"{len(trained)} queries of one head and {len(untrained)} of the other cannot be paired: wanted the same "
            "queries of both, at least two"
        )
    try:
        from scipy.stats import bootstrap
    except ImportError as error:
        raise MissingExtra("the gate of a trained head", "eval") from error
    order = sorted(trained)
    better = np.array([trained[query] for query in order])
    base = np.array([untrained[query] for query in order])
    interval = bootstrap(
        (better - base,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=500,
        method="percentile",  # BCa is undefined where all differences are equal, as for a head that did not change
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Gain(
        len(order),
        float(base.mean()),
        float(better.mean()),
        float((better - base).mean()),
        float(interval.low),
        float(interval.high),
    )


def passes(gain: Gain, *, allow_not_worse: bool = False) -> bool:
    """Whether the head may be kept: lower bound above 0, or above `NOT_WORSE` if that is allowed."""
    return gain.lower > (NOT_WORSE if allow_not_worse else 0)

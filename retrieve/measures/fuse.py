"""Several rankings made one: pure functions on score maps, for runs (keys are document ids) and for
retrievers (rows).

Scores of different views have different units, and raw sums of them lose to either parent; so a view is
brought to 0 … 1 within its own pool (`convex`), or to mean 0 and deviation 1 (`z`), or only its ranks are used
(`rrf`). Every document of every pool is in the result, unless the pool weighs 0: that one is not asked, and the
result is the one without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from retrieve.errors import InputError, UsageError
from retrieve.trec import Key, ordered

METHODS = ("convex", "z", "rrf")

FloatArray = npt.NDArray[np.float64]
Asked = TypeVar("Asked")


def convex(pools: Sequence[Mapping[Key, float]], weights: Sequence[float] | None = None) -> dict[Key, float]:
    """Weighted mean of min-max normalised scores, in 0 … 1 (Bruch et al. 2023, "An Analysis of Fusion
    Functions").

    `weights` (one for each pool, not negative, default equal) are scaled to sum 1. A document missing from
    a view gets that view's minimum, hence 0; where all of a view's scores are equal they become 1; a view
    without hits contributes 0 and keeps its weight. `InputError`: a NaN or infinite score. `UsageError`:
    weights that fit neither rule.
    """
    asked = _asked(pools, weights)
    total = sum(weight for _, weight in asked)
    fused: dict[Key, float] = {}
    for pool, weight in asked:
        if not pool:
            continue
        low, span = _range(pool)
        share = weight / total
        for key, score in pool.items():
            fused[key] = fused.get(key, 0.0) + share * ((score - low) / span if span else 1.0)
    return fused


def z(pools: Sequence[Mapping[Key, float]], weights: Sequence[float] | None = None) -> dict[Key, float]:
    """Weighted mean of standard scores: how many deviations a score is above the mean of its pool.

    A document missing from a view gets the least of that view's standard scores; where all of a view's scores are
    equal, each is 0, a missing document's too; a view without hits contributes 0 and keeps its weight. Weights and
    errors are those of `convex`.
    """
    asked = _asked(pools, weights)
    total = sum(weight for _, weight in asked)
    fused = {key: 0.0 for pool, _ in asked for key in pool}
    for pool, weight in asked:
        if not pool:
            continue
        low, span = _range(pool)
        standard = Standard.of((np.array(list(pool.values()), np.float64) - low) / (span or 1.0))
        places = dict(zip(pool, standard.values.tolist(), strict=True))
        share = weight / total
        for key in fused:
            fused[key] += share * places.get(key, standard.least)
    return fused


class Standard(NamedTuple):
    """Numbers (K,) as `values` of mean 0 and deviation 1, the `least` of them, and what made them so.

    Numbers that are all equal are 0, and their deviation is taken for 1.
    """

    values: FloatArray
    least: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, numbers: FloatArray) -> Standard:
        """Of one number or more, in whatever order: sums are exact, so the order changes no bit."""
        count = len(numbers)
        mean = math.fsum(numbers.tolist()) / count
        deviation = math.sqrt(math.fsum(np.square(numbers - mean).tolist()) / count)
        if numbers.min() == numbers.max():
            mean, deviation = float(numbers[0]), 1.0
        values = (numbers - mean) / deviation
        return cls(values, float(values.min()), mean, deviation)


def rrf(
    pools: Sequence[Mapping[Key, float]], weights: Sequence[float] | None = None, constant: float = 60
) -> dict[Key, float]:
    """Reciprocal rank fusion: the sum of weight / (constant + rank) (Cormack et al. 2009).

    Ranks count from 1 in our order; a view that misses a document adds 0. `weights` default to 1 each and
    are used as they are. `InputError`: a NaN or infinite score. `UsageError`: weights as in `convex`, a
    negative constant.
    """
    asked = _asked(pools, weights)
    if not 0 <= constant < math.inf:
        raise UsageError(f"constant is {constant}, wanted a number of at least 0 (60 is usual)")
    fused: dict[Key, float] = {}
    for pool, weight in asked:
        _check_finite(pool)
        for rank, (key, _) in enumerate(ordered(pool), start=1):
            fused[key] = fused.get(key, 0.0) + weight / (constant + rank)
    return fused


def fuse_runs(
    runs: Sequence[Mapping[str, Mapping[str, float]]],
    method: str = "convex",
    weights: Sequence[float] | None = None,
    depth: int = 1000,
) -> list[tuple[str, list[tuple[str, float]]]]:
    """Fuse runs query by query: every query of any run, in order of first appearance, each ranking in our
    order.

    Of each run only its best `depth` documents go in, ties by our order; all of them come out (at most runs
    × depth). A run of weight 0 is not asked: neither its documents nor its queries are in the result.
    """
    if not runs:
        raise UsageError("no runs to fuse: name two or more")
    if method not in METHODS:
        raise UsageError(f"fusion {method!r} does not exist: choose one of {', '.join(METHODS)}")
    if depth < 1:
        raise UsageError(f"depth is {depth}, wanted at least 1")
    fuse = {"convex": convex, "z": z, "rrf": rrf}[method]
    asked = _asked(runs, weights)
    shares = [weight for _, weight in asked]
    queries = dict.fromkeys(query_id for run, _ in asked for query_id in run)
    return [
        (query_id, ordered(fuse([_pool(run.get(query_id, {}), depth) for run, _ in asked], shares)))
        for query_id in queries
    ]


def _pool(scores: Mapping[str, float], depth: int) -> Mapping[str, float]:
    """The best `depth` documents of a run, its ties put back.

    A run of ours parts equal scores by single steps of float32, which min-max would stretch over 0 … 1 where a whole
    pool is tied.
    """
    pool: dict[str, float] = {}
    last = group = math.nan
    for document_id, score in ordered(scores)[:depth]:
        with np.errstate(over="ignore"):  # a score beyond float32 is no step of one
            step = float(np.nextafter(np.float32(last), np.float32(-np.inf)))
        if step != score:
            group = score
        pool[document_id] = group
        last = score
    return pool


def _asked(pools: Sequence[Asked], weights: Sequence[float] | None) -> list[tuple[Asked, float]]:
    """The pools that weigh something, with their weights, which are checked."""
    if weights is None:
        return [(pool, 1.0) for pool in pools]
    if len(weights) != len(pools):
        raise UsageError(f"{len(weights)} weights for {len(pools)} rankings to fuse: give one for each")
    if not all(0 <= weight < math.inf for weight in weights) or not 0 < sum(weights) < math.inf:
        raise UsageError(f"weights are {list(weights)}: wanted finite, not negative, and not all zero")
    return [(pool, weight) for pool, weight in zip(pools, weights, strict=True) if weight]


def _range(pool: Mapping[Key, float]) -> tuple[float, float]:
    _check_finite(pool)
    low, high = min(pool.values()), max(pool.values())
    if math.isinf(high - low):
        raise InputError("", f"scores from {low} to {high} are too far apart to be normalised")
    return low, high - low


def _check_finite(pool: Mapping[Key, float]) -> None:
    if not all(map(math.isfinite, pool.values())):
        key = next(key for key, score in pool.items() if not math.isfinite(score))
        raise InputError("", f"document {key!r} has score {pool[key]}; only finite scores can be fused")

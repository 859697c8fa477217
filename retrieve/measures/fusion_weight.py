"""The weight of a fusion of two runs, chosen on judged queries: a plain grid, because one number needs no
optimiser.

What was tuned on some queries must be measured on others; the result therefore says how many queries it has
seen, and keeps the whole grid, so that a flat optimum shows as one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from retrieve.errors import UsageError
from retrieve.measures.evaluate import measured
from retrieve.measures.fuse import fuse_runs
from retrieve.measures.names import parse_measures
from retrieve.trec import as_run

GRID = tuple(step / 20 for step in range(21))
"""Weights of the first run: 0, .05, … 1."""

logger = logging.getLogger("retrieve")


class Tuning(NamedTuple):
    """`weights` of the two runs; the `measure`'s mean with them, over `queries` judged queries; the `grid`,
    weight of the first run → mean."""

    weights: tuple[float, float]
    measure: str
    value: float
    queries: int
    grid: dict[float, float]


def tune_weights(
    runs: Sequence[Mapping[str, Mapping[str, float]]],
    qrels: Mapping[str, Mapping[str, int]],
    measure: str = "nDCG@10",
    grid: Sequence[float] = GRID,
    depth: int = 1000,
    *,
    method: str = "convex",
) -> Tuning:
    """The weights of two runs that give the best mean over the judged queries; of equal ones, the most even.

    `method`: how they are fused, as in `fuse_runs`; weights that add up to 1 suit "convex" and "z". `UsageError`: not
    two runs, a grid that is empty or leaves 0 … 1, a method that does not exist. `MeasureError`: as in `evaluate`.
    """
    if len(runs) != 2:
        raise UsageError(f"{len(runs)} runs to tune, wanted two: fuse two of them first")
    if not grid or not all(0 <= weight <= 1 for weight in grid):
        raise UsageError(f"the grid of weights is {list(grid)}, wanted numbers from 0 to 1")
    parsed = parse_measures([measure])
    name = str(parsed[0])
    judged = [{query_id: run[query_id] for query_id in qrels if query_id in run} for run in runs]
    means: dict[float, float] = {}
    queries = 0
    for weight in grid:
        fused = fuse_runs(judged, method, (weight, 1 - weight), depth)
        evaluation = measured(as_run(fused), qrels, parsed)
        means[weight], queries = evaluation.means[name], evaluation.queries
    best = max(means, key=lambda weight: (means[weight], -abs(weight - 0.5)))
    logger.warning(
        "the weights were tuned on these %d queries: figures on the same queries flatter them", queries
    )
    return Tuning((best, 1 - best), name, means[best], queries, means)

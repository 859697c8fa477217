"""Runs beside a baseline, query by query: intervals, three paired tests, and the queries that decide.

Two means whose intervals overlap may still differ surely, since both are of the same queries; so what is tested is the
difference of each query. The three tests are alternatives (each is corrected by itself): the t-test is of the mean, and
robust for measures like these; the randomisation test is of the mean without a distribution; Wilcoxon's is of ranks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from retrieve.errors import MeasureError, UsageError
from retrieve.measures.evaluate import Evaluation
from retrieve.measures.names import is_sum
from retrieve.measures.significance import (
    RESAMPLES,
    FloatArray,
    Interval,
    MeanMeasure,
    holm,
    mean_interval,
    paired_t_p,
    permutation_p,
    wilcoxon_p,
)

TESTS = ("t", "randomisation", "wilcoxon")
MOST = 5
"""How many queries that win, and how many that lose, are named."""


class PairedTest(NamedTuple):
    """A two-sided p, and Holm's over the `family`; both None where no query differs, or p is not defined."""

    p: float | None
    p_holm: float | None
    method: str


class QueryDifference(NamedTuple):
    """A query with both values."""

    query_id: str
    baseline: float
    value: float


class Difference(NamedTuple):
    """A run against the baseline in one measure.

    `difference`: run − baseline with its interval. `effect`: the mean difference in standard deviations of the
    differences (Cohen's d of pairs), None where they do not vary. `tests`: name → test. `won` and `lost`: the queries
    that win and lose most, worst last.
    """

    run: str
    measure: str
    difference: Interval
    effect: float | None
    tests: dict[str, PairedTest]
    wins: int
    losses: int
    ties: int
    won: list[QueryDifference]
    lost: list[QueryDifference]


class Comparison(NamedTuple):
    """`figures`: run → measure → value with its interval; the `baseline` is the first run. `family`: how many
    comparisons Holm's correction of each test goes over (runs × measures, without those that have no p).
    """

    baseline: str
    figures: dict[str, dict[str, Interval]]
    differences: list[Difference]
    queries: int
    family: dict[str, int]
    seed: int
    resamples: int


def compare(
    evaluations: Mapping[str, Evaluation], *, seed: int = 0, resamples: int = RESAMPLES
) -> Comparison:
    """Compare evaluations (name of a run → what `evaluate` gave), of the same queries in the same measures.

    The first is the baseline. Intervals are percentile bootstraps of 95 % over queries. `UsageError`: fewer than two
    runs. `MeasureError`: other queries or measures, or fewer than two queries.
    """
    if len(evaluations) < 2:
        raise UsageError(f"{len(evaluations)} run to compare: name two or more, the baseline first")
    baseline, *others = evaluations
    first = evaluations[baseline]
    _check(evaluations, baseline)
    vectors = {
        run: {measure: _vector(found, measure) for measure in first.means}
        for run, found in evaluations.items()
    }
    figures = {
        run: {
            measure: mean_interval(values, seed=seed, resamples=resamples)
            for measure, values in of_run.items()
        }
        for run, of_run in vectors.items()
    }
    tests = {
        (run, measure): _tests(vectors[run][measure], vectors[baseline][measure], seed, resamples)
        for run in others
        for measure in first.means
    }
    corrected = {
        name: holm({pair: _number(found[name].p) for pair, found in tests.items()}) for name in TESTS
    }
    differences = []
    for (run, measure), found in tests.items():
        with_holm = {
            test: each._replace(p_holm=corrected[test].p.get((run, measure))) for test, each in found.items()
        }
        change = vectors[run][measure] - vectors[baseline][measure]
        interval = mean_interval(change, seed=seed, resamples=resamples)
        differences.append(_difference(run, measure, change, interval, with_holm, evaluations[run], first))
    return Comparison(
        baseline,
        figures,
        differences,
        first.queries,
        {test: len(found.p) for test, found in corrected.items()},
        seed,
        resamples,
    )


def _check(evaluations: Mapping[str, Evaluation], baseline: str) -> None:
    first = evaluations[baseline]
    if first.queries < 2:
        raise MeasureError(f"{first.queries} query was measured: a comparison needs two at least")
    for run, found in evaluations.items():
        if found.means.keys() != first.means.keys():
            raise MeasureError(
                f"{run} was measured by {', '.join(found.means)}, {baseline} by {', '.join(first.means)}: "
                "measure all runs alike"
            )
        measure = next(iter(first.means))
        if found.per_query[measure].keys() != first.per_query[measure].keys():
            raise MeasureError(
                f"{run} has {found.queries} measured queries that are not the {first.queries} of {baseline}: "
                "measure all runs over all judged queries"
            )


def _number(p: float | None) -> float:
    return math.nan if p is None else p


def _vector(found: Evaluation, measure: str) -> FloatArray:
    """Values by query (N,), so scaled that their mean is the measure's figure."""
    values = found.per_query[measure]
    scale = len(values) if is_sum(measure) else 1
    return scale * np.array([values[query_id] for query_id in sorted(values)], dtype=np.float64)


def _tests(values: FloatArray, base: FloatArray, seed: int, resamples: int) -> dict[str, PairedTest]:
    change = values - base
    if not change.any():
        return dict.fromkeys(TESTS, PairedTest(None, None, "no query differs"))
    t = paired_t_p(change)
    by_ranks, method = wilcoxon_p(change)
    by_chance = permutation_p(MeanMeasure(values), MeanMeasure(base), seed=seed, permutations=resamples)
    return {
        "t": PairedTest(
            None if math.isnan(t) else t,
            None,
            "no variance" if math.isnan(t) else f"{len(change) - 1} degrees of freedom",
        ),
        "randomisation": PairedTest(by_chance, None, f"{resamples} exchanges, seed {seed}"),
        "wilcoxon": PairedTest(by_ranks, None, method),
    }


def _difference(
    run: str,
    measure: str,
    change: FloatArray,
    interval: Interval,
    tests: dict[str, PairedTest],
    found: Evaluation,
    first: Evaluation,
) -> Difference:
    pairs = [
        QueryDifference(query_id, base, found.per_query[measure][query_id])
        for query_id, base in sorted(first.per_query[measure].items())
    ]
    won = sorted(
        (pair for pair in pairs if pair.value > pair.baseline), key=lambda pair: pair.baseline - pair.value
    )
    lost = sorted(
        (pair for pair in pairs if pair.value < pair.baseline), key=lambda pair: pair.value - pair.baseline
    )
    spread = float(change.std(ddof=1)) if np.ptp(change) else 0.0
    return Difference(
        run,
        measure,
        interval,
        float(change.mean()) / spread if spread else None,
        tests,
        len(won),
        len(lost),
        len(pairs) - len(won) - len(lost),
        won[:MOST],
        lost[:MOST],
    )

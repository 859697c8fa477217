"""The choice of settings: each step in turn takes what is best for some queries, and others say what that is worth.

A coordinate search from the defaults, twice through the steps, as there are too many combinations to try them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.measures.evaluate import measured
from retrieve.tuning.scored_views import Scored
from retrieve.tuning.space import Config, Step
from retrieve.types import Progress

if TYPE_CHECKING:
    from ir_measures import Measure

ROUNDS = 2
_LEAST_GAIN = 1e-9  # differences below it are sums in another order

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class Measured:
    """One value of a measure for each judged query under a configuration, computed once."""

    def __init__(
        self,
        scored: Scored,
        qrels: Mapping[str, Mapping[str, int]],
        measure: Measure,
        progress: Progress | None = None,
    ) -> None:
        self.name = str(measure)
        self._measure = measure
        self._scored = scored
        self._qrels = qrels
        self._progress = progress
        self._values: dict[Config, Values] = {}
        self._most = self._measure.params.get("cutoff", 1000)

    @property
    def tried(self) -> int:
        """How many configurations were measured."""
        return len(self._values)

    def values(self, config: Config) -> Values:
        """(Q,) float64, in the order of the queries."""
        if config not in self._values:
            ids = [query.id for query in self._scored.queries]
            run = dict(zip(ids, self._scored.rankings(config, self._most), strict=True))
            found = measured(run, self._qrels, [self._measure]).per_query[self.name]
            self._values[config] = np.array([found[query_id] for query_id in ids])
            if self._progress is not None:
                self._progress("settings measured", len(self._values), None)
        return self._values[config]


def choose(values: Measured, steps: Sequence[Step], start: Config, rows: Rows) -> Config:
    """The configuration that is best in the mean of some queries; of equal ones the earlier."""
    best = start
    for _ in range(ROUNDS):
        before = best
        for step in steps:
            candidates = list(step.candidates(best))
            means = np.array([values.values(each)[rows].mean() for each in candidates])
            if means.max() > means[0] + _LEAST_GAIN:
                best = candidates[int(np.argmax(means))]
        if best == before:
            break
    return best


def in_folds(queries: int, count: int, seed: int) -> list[Rows]:
    """The queries in `count` parts of about one size, by chance. Raises `UsageError` for parts of no query."""
    if seed < 0:
        raise UsageError(f"seed is {seed}: wanted 0 or more")
    if not 2 <= count <= queries // 2:
        raise UsageError(
            f"{count} folds of {queries} judged queries: wanted 2 folds at least, and 2 queries in each"
        )
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(queries), count)]

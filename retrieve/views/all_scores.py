"""Scores of every passage, from which the best are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrieve.index.select import select_top
from retrieve.views.protocol import Array, Best, Eligible, FloatArray, IntArray


class ExactScores:
    """For each query its scores of all passages, (P,) per segment, or None where it matches nothing."""

    exact = True

    def __init__(self, scores: Sequence[Sequence[Array] | None], floor: float = -np.inf) -> None:
        self.floor = floor
        self._scores = scores

    def matches(self, query: int) -> bool:
        """Whether it has scores."""
        return self._scores[query] is not None

    def best(
        self, segment: int, queries: Sequence[int], depth: int, eligible: Eligible, floors: FloatArray
    ) -> Best:
        """Exact, query after query."""
        rows, values, bounds = [], [], [0]
        for query, floor in zip(queries, floors.tolist(), strict=True):
            found, _, scores = select_top(
                self._of(query)[segment], depth, groups=eligible.groups, live=eligible.live, floor=floor
            )
            rows.append(found)
            values.append(scores)
            bounds.append(bounds[-1] + len(found))
        return Best(np.concatenate(rows), np.concatenate(values), np.array(bounds))

    def at(self, query: int, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows, read off."""
        return np.asarray(self._of(query)[segment][rows], dtype=np.float64)

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """Nothing beside the score."""
        return {}

    def _of(self, query: int) -> Sequence[Array]:
        scores = self._scores[query]
        assert scores is not None
        return scores

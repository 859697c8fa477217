"""What every view gives a search: for one query its best documents or passages, and the score of any passage.

Exact views score every passage of a segment in one pass and choose from that; approximate ones override the choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from retrieve.index.select import select_top
from retrieve.retrievers.pool import FloatArray, Pool, Scope, merge
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot


class ViewScores(Protocol):
    """One query in one view. `exact`: its best are those of all passages, however many are asked for."""

    exact: ClassVar[bool]

    def top(self, depth: int, scope: Scope) -> Pool:
        """The `depth` best documents (by their best passage) or passages in scope."""
        ...

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores (R,) float64 of passage rows of a segment."""
        ...


class ExactScores:
    """Every passage's score, per segment; rows that score at or below `floor` did not match."""

    exact: ClassVar[bool] = True

    def __init__(self, snapshot: Snapshot, scores: Sequence[npt.NDArray[Any]], floor: float) -> None:
        self._snapshot = snapshot
        self._scores = scores
        self._floor = floor

    def top(self, depth: int, scope: Scope) -> Pool:
        """Exact, ties by document id."""
        parts = []
        for number, (segment, scores) in enumerate(zip(self._snapshot.segments, self._scores, strict=True)):
            groups = segment.document_of if scope.unit == "document" else None
            chosen, _, best = select_top(
                scores, depth, groups=groups, live=scope.passages[number], floor=self._floor
            )
            parts.append((number, chosen, best))
        return merge(self._snapshot, parts, depth, scope.unit)

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows, read off."""
        return np.asarray(self._scores[segment][rows], dtype=np.float64)


class NoScores:
    """A query that is empty in this view: it has no hits."""

    exact: ClassVar[bool] = True

    def top(self, depth: int, scope: Scope) -> Pool:
        """An empty pool."""
        return Pool(np.empty(0, np.int64), np.empty(0))

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Zeros."""
        return np.zeros(len(rows))

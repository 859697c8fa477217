"""What every view gives a search: for one query its best documents or passages, and the score of any passage.

Exact views score every passage of a segment in one pass and choose from that; approximate ones override the choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from retrieve.index.select import select_top
from retrieve.retrievers.pool import Best, FloatArray, Pool, Scope
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot


class ViewScores(Protocol):
    """One query in one view. `exact`: its best are those of all passages, however many are asked for."""

    exact: ClassVar[bool]

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """The `depth` best documents (by their best passage) or passages in scope.

        Not `ordered`: of those that score the same the right ones too, but in any order.
        """
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

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """Exact, ties by document id."""
        best = Best(1, depth, scope.unit, self._floor)
        for number, (segment, scores) in enumerate(zip(self._snapshot.segments, self._scores, strict=True)):
            groups = segment.document_of if scope.unit == "document" else None
            floor = float(best.floors[0])
            found, _, values = select_top(
                scores, depth, groups=groups, live=scope.passages[number], floor=floor
            )
            best.add(self._snapshot, number, found, values, np.array([0, len(found)]))
        return best.pools(self._snapshot, ordered=ordered)[0]

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows, read off."""
        return np.asarray(self._scores[segment][rows], dtype=np.float64)


class NoScores:
    """A query that is empty in this view: it has no hits."""

    exact: ClassVar[bool] = True

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """An empty pool."""
        return Pool(np.empty(0, np.int64), np.empty(0))

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Zeros."""
        return np.zeros(len(rows))

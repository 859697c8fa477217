"""What every view gives a search: for one query its best documents or passages, and the score of any passage.

A view scores one segment at a time and several queries together; here the segments' best become one pool.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from retrieve.search.pool import Best, FloatArray, Pool, Scope, pools_of_one
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot
from retrieve.views.parallel import in_parts
from retrieve.views.protocol import Scores


class ViewScores(Protocol):
    """One query in one view. `exact`: its best are those of all passages, however many are asked for."""

    @property
    def exact(self) -> bool:
        """Whether what is found does not depend on how much is asked for."""

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """The `depth` best documents (by their best passage) or passages in scope.

        Not `ordered`: of those that score the same the right ones too, but in any order.
        """

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores (R,) float64 of passage rows of a segment."""

    def explain(self, segment: int, row: int) -> dict[str, Any]:
        """What the score of a passage is made of, as the view says it."""


def scores_of_group(snapshot: Snapshot, scores: Scores, queries: int) -> list[ViewScores]:
    """A view's scores of a group of queries, one by one."""
    matching = [query for query in range(queries) if scores.matches(query)]
    group = _Group(snapshot, scores, matching)
    if len(matching) == queries:
        return [_OneQuery(group, query) for query in matching]
    found: list[ViewScores] = [NoScores(scores, query) for query in range(queries)]
    for query in matching:
        found[query] = _OneQuery(group, query)
    return found


class _Group:
    """Queries whose best are chosen together: the first that is asked answers for the others."""

    def __init__(self, snapshot: Snapshot, scores: Scores, queries: list[int]) -> None:
        self.scores = scores
        self._snapshot = snapshot
        self._queries = queries
        self._pools: tuple[tuple[int, Scope, bool], dict[int, Pool]] | None = None

    def top(self, query: int, depth: int, scope: Scope, *, ordered: bool) -> Pool:
        """The pool of a query, ties by document id."""
        asked = depth, scope, ordered
        if self._pools is None or self._pools[0] != asked:
            pools = in_parts(len(self._queries), lambda part: self._best(part, *asked))
            self._pools = asked, dict(zip(self._queries, pools, strict=True))
        return self._pools[1][query]

    def _best(self, part: slice, depth: int, scope: Scope, ordered: bool) -> list[Pool]:
        """Segment by segment, so that what one of them gives need not be beaten by all of the next."""
        chosen = self._queries[part]
        if len(self._snapshot.segments) == 1:
            floors = np.array([self.scores.floor] * len(chosen))
            return pools_of_one(self.scores.best(0, chosen, depth, scope.segments[0], floors), depth)
        best = Best(len(chosen), depth, scope.unit, self.scores.floor)
        for number in range(len(self._snapshot.segments)):
            found = self.scores.best(number, chosen, depth, scope.segments[number], best.floors)
            best.add(self._snapshot, number, *found)
        return best.pools(self._snapshot, ordered=ordered)


class _OneQuery:
    """One of a group."""

    def __init__(self, group: _Group, query: int) -> None:
        self._group = group
        self._query = query

    @property
    def exact(self) -> bool:
        return self._group.scores.exact

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        return self._group.top(self._query, depth, scope, ordered=ordered)

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        return self._group.scores.at(self._query, segment, rows)

    def explain(self, segment: int, row: int) -> dict[str, Any]:
        return self._group.scores.explain(self._query, segment, row)


class NoScores:
    """A query that is empty in this view: it has no hits."""

    exact = True

    def __init__(self, scores: Scores | None = None, query: int = 0) -> None:
        self._scores = scores
        self._query = query

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """An empty pool."""
        return Pool(np.empty(0, np.int64), np.empty(0))

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Zeros."""
        return np.zeros(len(rows))

    def explain(self, segment: int, row: int) -> dict[str, Any]:
        """What the view says of a query that matches nothing."""
        return {} if self._scores is None else self._scores.explain(self._query, segment, row)

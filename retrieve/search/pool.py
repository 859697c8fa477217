"""A pool is what one view offers: keys with scores, best first, in the one tie order of the engine.

Keys are snapshot-wide numbers of documents or passages. Rows of a segment are in id order, so within a segment row
order is tie order; only ties across segments need the ids themselves.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve._core import merge_ranked
from retrieve.recipe import Unit
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot
from retrieve.views.protocol import Best as Ranked
from retrieve.views.protocol import Eligible

FloatArray = npt.NDArray[np.float64]


class Pool(NamedTuple):
    """keys (K,) int64 and scores (K,) float64, ordered by (−score, document id, position)."""

    keys: IntArray
    scores: FloatArray

    def mapping(self) -> dict[int, float]:
        """Key → score, best first."""
        return dict(zip(self.keys.tolist(), self.scores.tolist(), strict=True))


class Scope(NamedTuple):
    """What a search may return: the unit, and per segment the passages that are live, selected and eligible."""

    unit: Unit
    segments: tuple[Eligible, ...]


def order(
    snapshot: Snapshot, keys: IntArray, scores: FloatArray, unit: Unit, most: int | None = None
) -> IntArray:
    """The permutation that puts keys in order (−score, document id, position); with `most`, its beginning."""
    if most is None or most >= len(keys):
        return _in_order(snapshot, keys, scores, unit)
    least = np.partition(scores, len(scores) - most)[len(scores) - most]
    chosen = np.flatnonzero(scores >= least)
    return chosen[_in_order(snapshot, keys[chosen], scores[chosen], unit)[:most]]


def _in_order(snapshot: Snapshot, keys: IntArray, scores: FloatArray, unit: Unit) -> IntArray:
    ranked = np.lexsort((keys, -scores))
    bounds = np.array([0, len(keys)])
    at, order_there = _ties(snapshot, keys[ranked], scores[ranked], bounds, unit)
    ranked[at] = ranked[order_there]
    return ranked


def _ties(
    snapshot: Snapshot,
    keys: IntArray,
    scores: FloatArray,
    bounds: IntArray,
    unit: Unit,
    across: int | None = None,
) -> tuple[IntArray, IntArray]:
    """Where equal scores of a query come from several segments, and what belongs there, in the order of ids.

    Query q's keys stand between bounds[q] and bounds[q + 1] by (−score, key). Within a segment keys are in the order
    of ids, so names decide only there. With `across`, only ties that a cut after so many keys of a query goes through.
    """
    nothing = np.empty(0, np.int64)
    if len(snapshot.segments) < 2 or len(keys) < 2:
        return nothing, nothing
    begins = np.ones(len(keys) + 1, np.bool_)
    begins[1:-1] = scores[1:] != scores[:-1]
    begins[bounds] = True
    first = np.flatnonzero(begins)
    first, end = first[:-1], first[1:]
    several = end - first > 1
    if across is not None:
        query = np.searchsorted(bounds, first, side="right") - 1
        cut = bounds[query] + across
        several &= (first < cut) & (cut < end)
    first, end = first[several], end[several]
    bases = snapshot.bases if unit == "document" else snapshot.passage_bases
    mixed = _owner(bases, keys[first]) != _owner(bases, keys[end - 1])
    if not mixed.any():
        return nothing, nothing
    first, sizes = first[mixed], (end - first)[mixed]
    group = np.repeat(np.arange(len(first)), sizes)
    at = np.arange(len(group)) + (first - np.cumsum(sizes) + sizes)[group]
    documents = keys[at] if unit == "document" else documents_of(snapshot, keys[at])
    unique, numbers = np.unique(documents, return_inverse=True)
    names = snapshot.doc_ids(unique)
    rank = np.empty(len(unique), np.int64)
    rank[sorted(range(len(unique)), key=names.__getitem__)] = np.arange(len(unique))
    return at, at[np.lexsort((keys[at], rank[numbers], group))]


def _owner(bases: IntArray, keys: IntArray) -> IntArray:
    """The segments' numbers of keys."""
    return np.searchsorted(bases, keys, side="right") - 1


def documents_of(snapshot: Snapshot, passages: IntArray) -> IntArray:
    """Snapshot-wide document numbers of snapshot-wide passage numbers."""
    result = np.empty(len(passages), dtype=np.int64)
    owner = _owner(snapshot.passage_bases, passages)
    for number in np.flatnonzero(np.bincount(owner)):
        at = owner == number
        rows = passages[at] - snapshot.passage_bases[number]
        result[at] = snapshot.segments[number].document_of[rows] + snapshot.bases[number]
    return result


def passages_of(snapshot: Snapshot, document: int) -> tuple[int, IntArray]:
    """A document's segment number and passage rows in it."""
    number = int(np.searchsorted(snapshot.bases, document, side="right") - 1)
    segment = snapshot.segments[number]
    first, last = segment.first_passage[document - snapshot.bases[number] :][:2]
    return number, np.arange(first, last, dtype=np.int64)


def pools_of_one(found: Ranked, depth: int) -> list[Pool]:
    """Each query's pool of at most `depth` where there is one segment only: its rows are the keys, in order."""
    rows, scores, bounds = found
    return [
        Pool(rows[start : min(start + depth, end)], scores[start : min(start + depth, end)])
        for start, end in pairwise(bounds.tolist())
    ]


class Best:
    """The best documents or passages of several queries, collected segment by segment in the segments' order."""

    def __init__(self, queries: int, depth: int, unit: Unit, floor: float = -np.inf) -> None:
        self._depth = depth
        self._unit: Unit = unit
        self.floors = np.full(queries, floor, np.float64)
        """(B,) float64: what scores no more than this in a later segment is not among the `depth` best."""
        self._keys, self._scores = np.empty(0, np.int64), np.empty(0)
        self._bounds = np.zeros(queries + 1, np.int64)

    def add(
        self, snapshot: Snapshot, segment: int, rows: IntArray, scores: FloatArray, bounds: IntArray
    ) -> None:
        """A segment's rows (documents' or passages') by (−score, row); query q's from bounds[q] to bounds[q + 1]."""
        bases = snapshot.bases if self._unit == "document" else snapshot.passage_bases
        found = rows + bases[segment], scores, bounds
        self._keys, self._scores, self._bounds = merge_ranked(
            self._depth, self._keys, self._scores, self._bounds, *found, self.floors
        )

    def pools(self, snapshot: Snapshot, *, ordered: bool = True) -> list[Pool]:
        """A pool of at most `depth` for each query; not `ordered`: the right ones, but ties by segment and row."""
        across = None if ordered else self._depth
        at, order_there = _ties(snapshot, self._keys, self._scores, self._bounds, self._unit, across)
        self._keys[at] = self._keys[order_there]
        starts = self._bounds[:-1]
        ends = np.minimum(starts + self._depth, self._bounds[1:])
        return [
            Pool(self._keys[start:end], self._scores[start:end])
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

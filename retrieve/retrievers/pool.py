"""A pool is what one view offers: keys with scores, best first, in the one tie order of the engine.

Keys are snapshot-wide numbers of documents or passages. Rows of a segment are in id order, so within a segment row
order is tie order; only ties across segments need the ids themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.index.counted import Live
from retrieve.recipe import Unit
from retrieve.store.segment import BoolArray, IntArray
from retrieve.store.snapshot import Snapshot

FloatArray = npt.NDArray[np.float64]


class Pool(NamedTuple):
    """keys (K,) int64 and scores (K,) float64, ordered by (−score, document id, position)."""

    keys: IntArray
    scores: FloatArray

    def mapping(self) -> dict[int, float]:
        """Key → score, best first."""
        return dict(zip(self.keys.tolist(), self.scores.tolist(), strict=True))


class Scope:
    """What a search may return: the unit, and per segment the passages that are live, selected and eligible."""

    def __init__(self, unit: Unit, passages: tuple[BoolArray | None, ...]) -> None:
        self.unit = unit
        self.passages = passages
        self._bitmaps: dict[int, Live] = {}

    def bitmap(self, number: int) -> Live | None:
        """A segment's passages as a bitmap, made when it is first asked for; None: all of them."""
        chosen = self.passages[number]
        if chosen is None:
            return None
        if number not in self._bitmaps:
            self._bitmaps[number] = Live(chosen)
        return self._bitmaps[number]

    def eligible(self, snapshot: Snapshot, number: int) -> int:
        """How many passages of a segment are in scope."""
        chosen = self.passages[number]
        return snapshot.segments[number].passage_rows if chosen is None else int(chosen.sum())


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
    if len(snapshot.segments) < 2 or len(ranked) < 2:
        return ranked
    # Within a segment keys are in the order of ids: names decide only where equal scores come from several.
    sorted_scores, sorted_keys = scores[ranked], keys[ranked]
    first = np.flatnonzero(np.concatenate([[True], sorted_scores[1:] != sorted_scores[:-1]]))
    last = np.append(first[1:], len(ranked)) - 1
    bases = snapshot.bases if unit == "document" else snapshot.passage_bases
    owner = np.searchsorted(bases, sorted_keys, side="right")
    mixed = np.flatnonzero(owner[first] != owner[last])
    if not len(mixed):
        return ranked
    at = np.concatenate([np.arange(first[group], last[group] + 1) for group in mixed])
    documents = sorted_keys[at] if unit == "document" else documents_of(snapshot, sorted_keys[at])
    unique, numbers = np.unique(documents, return_inverse=True)
    names = snapshot.doc_ids(unique)
    rank = np.empty(len(unique), np.int64)
    rank[sorted(range(len(unique)), key=names.__getitem__)] = np.arange(len(unique))
    result = ranked.copy()
    result[at] = ranked[at[np.lexsort((sorted_keys[at], rank[numbers], -sorted_scores[at]))]]
    return result


def documents_of(snapshot: Snapshot, passages: IntArray) -> IntArray:
    """Snapshot-wide document numbers of snapshot-wide passage numbers."""
    result = np.empty(len(passages), dtype=np.int64)
    owner = np.searchsorted(snapshot.passage_bases, passages, side="right") - 1
    for number in np.unique(owner):
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


def merge(
    snapshot: Snapshot, parts: Sequence[tuple[int, IntArray, npt.NDArray[Any]]], depth: int, unit: Unit
) -> Pool:
    """Per-segment tops (segment number, rows, scores), each in order → one pool of at most `depth`."""
    bases = snapshot.bases if unit == "document" else snapshot.passage_bases
    if len(parts) == 1:
        ((number, rows, values),) = parts
        return Pool(rows[:depth] + bases[number], values[:depth].astype(np.float64))
    keys = np.concatenate([rows + bases[number] for number, rows, _ in parts] or [np.empty(0, np.int64)])
    scores = np.concatenate([values for *_, values in parts] or [np.empty(0)]).astype(np.float64)
    keys = keys.astype(np.int64)
    best = order(snapshot, keys, scores, unit, depth)
    return Pool(keys[best], scores[best])

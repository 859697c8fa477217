"""From passages to documents: how a document's passage scores become one score.

`max` is what the pools hold already and `first` is max over first passages only. `sum`, `mean` and `top3` (the
weighted three best of Birch, Yilmaz et al. 2019, here with equal weights) score all passages of the pooled documents.
"""

from __future__ import annotations

import numpy as np

from retrieve.recipe import Aggregate, Unit
from retrieve.search.pool import FloatArray, Pool, Scope, order, passages_of
from retrieve.search.view_scores import ViewScores
from retrieve.store.filters import Filter
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.snapshot import Snapshot
from retrieve.views.protocol import Eligible


def in_scope(
    snapshot: Snapshot, where: Filter | None, unit: Unit, aggregate: Aggregate, without: int | None = None
) -> Scope:
    """Passages that may be found: of selected documents and, for `first`, at position 0. Kept with the snapshot.

    `without`: a document, by its snapshot-wide number, of which none may be.
    """
    first = aggregate == "first"
    key = (None if where is None else where.canonical, unit, first)
    scope = snapshot.kept(key, lambda: _make_scope(snapshot, snapshot.select(where), unit, first=first))
    return scope if without is None else _leaving_out(snapshot, scope, without)


def _leaving_out(snapshot: Snapshot, scope: Scope, document: int) -> Scope:
    number, rows = passages_of(snapshot, document)
    parts = list(scope.segments)
    before = parts[number]
    eligible = np.ones(before.rows, np.bool_) if before.live is None else before.live.copy()
    eligible[rows] = False
    parts[number] = Eligible(before.rows, eligible, before.groups)
    return Scope(scope.unit, tuple(parts))


def _make_scope(
    snapshot: Snapshot, documents: tuple[BoolArray | None, ...], unit: Unit, *, first: bool
) -> Scope:
    parts = []
    for segment, chosen in zip(snapshot.segments, documents, strict=True):
        eligible = None if chosen is None else chosen[segment.document_of]
        if first:
            at_zero = _first_passages(segment)
            eligible = at_zero if eligible is None else eligible & at_zero
        groups = segment.document_of if unit == "document" else None
        parts.append(Eligible(segment.passage_rows, eligible, groups))
    return Scope(unit, tuple(parts))


def _first_passages(segment: Segment) -> BoolArray:
    flags = np.zeros(segment.passage_rows, dtype=np.bool_)
    starts = segment.first_passage
    flags[starts[:-1][np.diff(starts) > 0]] = True
    return flags


def aggregate_pool(snapshot: Snapshot, view: ViewScores, pool: Pool, aggregate: Aggregate) -> Pool:
    """The pool's documents with their passages' scores combined by `sum`, `mean` or `top3`, in order again."""
    scores = np.empty(len(pool.keys))
    for at, key in enumerate(pool.keys):
        number, rows = passages_of(snapshot, int(key))
        scores[at] = _combine(view.at(number, rows), aggregate)
    best = order(snapshot, pool.keys, scores, "document")
    return Pool(pool.keys[best], scores[best])


def _combine(scores: FloatArray, aggregate: Aggregate) -> float:
    if aggregate == "sum":
        return float(scores.sum())
    if aggregate == "mean":
        return float(scores.mean())
    return float(np.sort(scores)[::-1][:3].sum())

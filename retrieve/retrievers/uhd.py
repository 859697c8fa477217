"""The UHD view: a query's winners, counted over the codes of every passage; the score is how many both have.

Segments may have been coded with different means (a small one before there was enough to learn from), so a query is
coded once for each mean. Source of the representation: Jang et al., arXiv 2104.07198.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from retrieve.index.codes import Codes
from retrieve.index.counted import Counted, Counts
from retrieve.passages.encoder import PassageEncoder
from retrieve.retrievers.pool import FloatArray, Pool, Scope, merge
from retrieve.retrievers.threads import in_parts
from retrieve.retrievers.views import NoScores, ViewScores
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot

Vectors = npt.NDArray[np.float32]
UInt32s = npt.NDArray[np.uint32]


class UHDView:
    """Counting over one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def scores(self, codes: Sequence[Codes]) -> list[ViewScores]:
        """Scores of queries, one object each; `codes` are those of all queries for each segment in turn."""
        per_segment = [
            _count(segment.codes, _rows(coded))
            for segment, coded in zip(self._snapshot.segments, codes, strict=True)
        ]
        return [
            CountedScores(self._snapshot, counts) if any(winners) else NoScores()
            for *counts, winners in zip(*per_segment, _winners(codes), strict=True)
        ]


def codes_by_segment(
    snapshot: Snapshot, passage_encoder: PassageEncoder, vectors: Vectors, winners: int | None
) -> list[Codes]:
    """Query vectors (B,H) as codes for each segment, by the mean that it was coded with."""
    known: dict[str | None, Codes] = {}
    for segment in snapshot.segments:
        digest = segment.entry.trained
        if digest not in known:
            mean = None if digest is None else snapshot.means[digest]
            known[digest] = passage_encoder.coder(mean).queries(vectors, winners)
    return [known[segment.entry.trained] for segment in snapshot.segments]


def _rows(codes: Codes) -> list[UInt32s]:
    return [codes.dims[start:end] for start, end in zip(codes.starts[:-1], codes.starts[1:], strict=True)]


def _count(counted: Counted, rows: Sequence[UInt32s]) -> list[Counts]:
    return in_parts(len(rows), lambda part: counted.count_many(rows[part]))


def _winners(codes: Sequence[Codes]) -> list[tuple[int, ...]]:
    """For each query, how many winners it has in each segment's code."""
    return list(zip(*(np.diff(coded.starts).tolist() for coded in codes), strict=True))


class CountedScores:
    """One query's counts in every segment."""

    exact: ClassVar[bool] = True

    def __init__(self, snapshot: Snapshot, counts: Sequence[Counts]) -> None:
        self._snapshot = snapshot
        self._counts = counts

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """Exact, ties by document id; passages that share nothing with the query are not found."""
        parts = []
        for number, (segment, counts) in enumerate(zip(self._snapshot.segments, self._counts, strict=True)):
            groups = segment.document_of if scope.unit == "document" else None
            chosen, _, best = counts.top(depth, groups=groups, live=scope.bitmap(number))
            parts.append((number, chosen, best))
        return merge(self._snapshot, parts, depth, scope.unit, ordered=ordered)

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Counts of rows."""
        return self._counts[segment].at(rows).astype(np.float64)

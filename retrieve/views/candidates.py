"""Dense search by candidates: rows that a FAISS index or sign bits propose, scored from the stored vectors.

So a score does not depend on what found it. Where candidates would leave a search short (few rows selected, empty
slots), all selected rows are scored instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieve.index.select import select_top
from retrieve.index.sign_bits import nearest_rows, sign_bits, sign_distances
from retrieve.views.protocol import Best, BoolArray, Eligible, FloatArray, IntArray, UInt32s, Vectors

if TYPE_CHECKING:
    from retrieve.views.dense import DenseSegment

_FEW = 0.05


class CandidateScores:
    """Queries (B,D) against segments of which some have a FAISS index or sign bits."""

    exact = False
    floor = -np.inf

    def __init__(
        self,
        segments: Sequence[DenseSegment],
        vectors: Vectors,
        parameters: Mapping[str, int],
        oversample: int,
    ) -> None:
        self._segments = segments
        self._vectors = vectors
        self._parameters = dict(parameters)
        self._oversample = oversample

    def matches(self, query: int) -> bool:
        """Always."""
        return True

    def best(
        self, segment: int, queries: Sequence[int], depth: int, eligible: Eligible, floors: FloatArray
    ) -> Best:
        """Approximate where candidates are proposed."""
        rows, values, bounds = [np.empty(0, np.int64)], [np.empty(0)], [0]
        for vector in self._vectors[np.array(queries)]:
            if eligible.count:
                found, scores = self._best(self._segments[segment], vector, depth, eligible)
                rows.append(found.astype(np.int64))
                values.append(scores.astype(np.float64))
            bounds.append(bounds[-1] + (len(rows[-1]) if eligible.count else 0))
        return Best(np.concatenate(rows), np.concatenate(values), np.array(bounds))

    def at(self, query: int, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows."""
        return self._segments[segment].scores_of(self._vectors[query], rows)

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """Nothing beside the score."""
        return {}

    def _best(
        self, segment: DenseSegment, vector: Vectors, depth: int, eligible: Eligible
    ) -> tuple[IntArray, FloatArray]:
        live, groups = eligible.live, eligible.groups
        restricted = live is not None and eligible.count < max(10 * depth, _FEW * segment.rows)
        rows = None if restricted else self._candidates(segment, vector, depth, eligible)
        if rows is None:
            rows = np.arange(segment.rows) if live is None else np.flatnonzero(live)
        scores = segment.scores_of(vector, rows)
        chosen, _, best = select_top(scores, depth, groups=None if groups is None else groups[rows])
        return (rows[chosen] if groups is None else chosen), best

    def _candidates(
        self, segment: DenseSegment, vector: Vectors, depth: int, eligible: Eligible
    ) -> IntArray | None:
        """Rows to score, rising: more of them until they hold `depth` documents. None: all that are eligible."""
        wanted, groups = depth, eligible.groups
        proposals: FaissProposals | SignProposals
        if segment.has_faiss:
            proposals = FaissProposals(segment, vector, self._parameters)
        elif segment.has_signs:
            proposals = SignProposals(segment, vector)
            wanted *= self._oversample
        else:
            return None
        while True:
            wanted = min(wanted, eligible.count)
            rows = proposals.rows(wanted, eligible.live)
            if len(rows) < wanted:
                return None
            distinct = len(rows) if groups is None else len(np.unique(groups[rows]))
            if distinct >= depth or wanted == eligible.count:
                return rows
            wanted *= 2


class FaissProposals:
    """Candidates of a segment's FAISS index for one query."""

    def __init__(self, segment: DenseSegment, vector: Vectors, parameters: dict[str, int]) -> None:
        self._segment = segment
        self._vector = vector
        self._parameters = parameters

    def rows(self, wanted: int, live: BoolArray | None) -> IntArray:
        """At most so many rows, rising."""
        from retrieve.index.faiss_index import search

        found, _ = search(
            self._segment.faiss, self._vector[None], wanted, live=live, parameters=self._parameters
        )
        return np.sort(found[0][found[0] >= 0])


class SignProposals:
    """The rows whose signs are most like the query's. Its distances are computed once, however often it is asked."""

    def __init__(self, segment: DenseSegment, vector: Vectors) -> None:
        self._segment = segment
        self._vector = vector

    @cached_property
    def _distances(self) -> UInt32s:
        bits = self._segment.vectors.bits
        assert bits is not None
        return sign_distances(bits, sign_bits(self._vector[None]))

    def rows(self, wanted: int, live: BoolArray | None) -> IntArray:
        """So many rows of those there are, rising."""
        return nearest_rows(self._distances, wanted, live)

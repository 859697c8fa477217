"""The dense view: inner products with stored vectors, all of them or candidates that something cheaper proposes.

Candidates come from a FAISS index or from sign bits and are scored from the stored vectors, so that a score does not
depend on what found it. Where candidates would leave a search short (few rows selected, empty slots), all selected
rows are scored instead.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from retrieve.index.select import select_top
from retrieve.index.signs import nearest_rows, sign_bits, sign_distances
from retrieve.retrievers.pool import FloatArray, Pool, Scope, merge
from retrieve.retrievers.threads import over_free_cores
from retrieve.retrievers.views import ExactScores, ViewScores
from retrieve.store.segment import BoolArray, IntArray, Segment
from retrieve.store.snapshot import Snapshot

Vector = npt.NDArray[np.float32]

_BATCH = 16
_FEW = 0.05
_LEAST = 1 << 22
"""Products of two numbers that are worth a thread: some milliseconds of them."""


class DenseView:
    """Dense search over one snapshot."""

    def __init__(self, snapshot: Snapshot, *, ef_search: int, nprobe: int, oversample: int) -> None:
        self._snapshot = snapshot
        self._parameters = {"ef_search": ef_search, "nprobe": nprobe}
        self._oversample = oversample
        self._exact = not any(segment.has_faiss or segment.has_signs for segment in snapshot.segments)

    def scores(self, vectors: Vector) -> list[ViewScores]:
        """Scores of queries (B,D) float32, one object each."""
        if not self._exact:
            return [self._proposed(vector) for vector in vectors]
        result: list[ViewScores] = []
        for start in range(0, len(vectors), _BATCH):
            batch = vectors[start : start + _BATCH]
            per_segment = [_all_scores(segment, batch) for segment in self._snapshot.segments]
            result += [
                ExactScores(self._snapshot, [scores[at] for scores in per_segment], floor=-np.inf)
                for at in range(len(batch))
            ]
        return result

    def _proposed(self, vector: Vector) -> CandidateScores:
        return CandidateScores(self._snapshot, vector, self._parameters, self._oversample)


def _all_scores(segment: Segment, vectors: Vector) -> npt.NDArray[np.float32]:
    if segment.passage_rows == 0:
        return np.empty((len(vectors), 0), dtype=np.float32)
    least = _LEAST // vectors.size + 1
    return segment.vectors.scores(vectors, spread=partial(over_free_cores, least=least))


class FaissProposals:
    """Candidates of a segment's FAISS index for one query."""

    def __init__(self, segment: Segment, vector: Vector, parameters: dict[str, int]) -> None:
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

    def __init__(self, segment: Segment, vector: Vector) -> None:
        self._segment = segment
        self._vector = vector

    @cached_property
    def _distances(self) -> npt.NDArray[np.uint32]:
        bits = self._segment.vectors.bits
        assert bits is not None
        return sign_distances(bits, sign_bits(self._vector[None]))

    def rows(self, wanted: int, live: BoolArray | None) -> IntArray:
        """So many rows of those there are, rising."""
        return nearest_rows(self._distances, wanted, live)


class CandidateScores:
    """One query against segments of which some have a FAISS index or sign bits."""

    exact: ClassVar[bool] = False

    def __init__(
        self, snapshot: Snapshot, vector: Vector, parameters: dict[str, int], oversample: int
    ) -> None:
        self._snapshot = snapshot
        self._vector = vector
        self._parameters = parameters
        self._oversample = oversample

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """Best documents or passages; approximate where candidates are proposed."""
        parts = []
        for number, segment in enumerate(self._snapshot.segments):
            eligible = scope.eligible(self._snapshot, number)
            if eligible:
                rows, scores = self._segment_top(segment, depth, scope, number, eligible)
                parts.append((number, rows, scores))
        return merge(self._snapshot, parts, depth, scope.unit, ordered=ordered)

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows: exact from kept vectors, else as the FAISS index reconstructs them."""
        return _score(self._snapshot.segments[segment], self._vector, rows)

    def _segment_top(
        self, segment: Segment, depth: int, scope: Scope, number: int, eligible: int
    ) -> tuple[IntArray, FloatArray]:
        live = scope.passages[number]
        groups = segment.document_of if scope.unit == "document" else None
        restricted = live is not None and eligible < max(10 * depth, _FEW * segment.passage_rows)
        rows = None if restricted else self._candidates(segment, depth, live, eligible, groups)
        if rows is None:
            rows = np.arange(segment.passage_rows) if live is None else np.flatnonzero(live)
        scores = _score(segment, self._vector, rows)
        chosen, _, best = select_top(scores, depth, groups=None if groups is None else groups[rows])
        return (rows[chosen] if groups is None else chosen), best

    def _candidates(
        self,
        segment: Segment,
        depth: int,
        live: BoolArray | None,
        eligible: int,
        groups: npt.NDArray[np.uint32] | None,
    ) -> IntArray | None:
        """Rows to score, rising: more of them until they hold `depth` documents. None: all that are eligible."""
        wanted = depth
        proposals: FaissProposals | SignProposals
        if segment.has_faiss:
            proposals = FaissProposals(segment, self._vector, self._parameters)
        elif segment.has_signs:
            proposals = SignProposals(segment, self._vector)
            wanted *= self._oversample
        else:
            return None
        while True:
            wanted = min(wanted, eligible)
            rows = proposals.rows(wanted, live)
            if len(rows) < wanted:
                return None
            distinct = len(rows) if groups is None else len(np.unique(groups[rows]))
            if distinct >= depth or wanted == eligible:
                return rows
            wanted *= 2


def _score(segment: Segment, vector: Vector, rows: IntArray) -> FloatArray:
    if segment.has_vectors:
        return segment.vectors.score_rows(vector, rows).astype(np.float64)
    from retrieve.index.faiss_index import reconstruct

    return (reconstruct(segment.faiss, rows) @ vector).astype(np.float64)

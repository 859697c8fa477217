"""The dense view: inner products of unit vectors, exact over kept vectors, or a FAISS index that proposes candidates.

Candidates are rescored from the kept vectors, so that a score does not depend on the index that found it. Where an
index would leave a search short (few rows selected, empty slots), the rows are scored exactly instead.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrieve.index.select import select_top
from retrieve.index.vectors import flat_scores, flat_scores_many, score_rows
from retrieve.retrievers.pool import FloatArray, Pool, Scope, merge
from retrieve.retrievers.views import ExactScores, ViewScores
from retrieve.store.segment import BoolArray, IntArray, Segment
from retrieve.store.snapshot import Snapshot

Vector = npt.NDArray[np.float32]

_BATCH = 16
_FEW = 0.05


class DenseView:
    """Dense search over one snapshot."""

    def __init__(self, snapshot: Snapshot, *, ef_search: int, nprobe: int) -> None:
        self._snapshot = snapshot
        self._parameters = {"ef_search": ef_search, "nprobe": nprobe}
        self._exact = not any(segment.has_faiss for segment in snapshot.segments)

    def scores(self, vectors: Vector) -> list[ViewScores]:
        """Scores of queries (B,D) float32, one object each."""
        if not self._exact:
            return [CandidateScores(self._snapshot, vector, self._parameters) for vector in vectors]
        result: list[ViewScores] = []
        for start in range(0, len(vectors), _BATCH):
            batch = vectors[start : start + _BATCH]
            per_segment = [_all_scores(segment, batch) for segment in self._snapshot.segments]
            result += [
                ExactScores(self._snapshot, [scores[at] for scores in per_segment], floor=-np.inf)
                for at in range(len(batch))
            ]
        return result


def _all_scores(segment: Segment, vectors: Vector) -> npt.NDArray[np.float32]:
    if segment.passage_rows == 0:
        return np.empty((len(vectors), 0), dtype=np.float32)
    if len(vectors) == 1:
        return flat_scores(segment.vectors, vectors[0])[None]
    return flat_scores_many(segment.vectors, vectors)


class CandidateScores:
    """One query against segments of which some have a FAISS index."""

    def __init__(self, snapshot: Snapshot, vector: Vector, parameters: dict[str, int]) -> None:
        self._snapshot = snapshot
        self._vector = vector
        self._parameters = parameters

    def top(self, depth: int, scope: Scope) -> Pool:
        """Best documents or passages; approximate where a FAISS index proposes them."""
        parts = []
        for number, segment in enumerate(self._snapshot.segments):
            eligible = scope.eligible(self._snapshot, number)
            if eligible:
                rows, scores = self._segment_top(segment, depth, scope, number, eligible)
                parts.append((number, rows, scores))
        return merge(self._snapshot, parts, depth, scope.unit)

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows: exact from kept vectors, else as the FAISS index reconstructs them."""
        return _score(self._snapshot.segments[segment], self._vector, rows)

    def _segment_top(
        self, segment: Segment, depth: int, scope: Scope, number: int, eligible: int
    ) -> tuple[IntArray, FloatArray]:
        live = scope.passages[number]
        groups = segment.document_of if scope.unit == "document" else None
        restricted = live is not None and eligible < max(10 * depth, _FEW * segment.passage_rows)
        if segment.has_faiss and not restricted:
            found = self._proposed(segment, depth, live, eligible, groups)
            if found is not None:
                return found
        rows = np.arange(segment.passage_rows) if live is None else np.flatnonzero(live)
        scores = _score(segment, self._vector, rows)
        chosen, _, best = select_top(scores, depth, groups=None if groups is None else groups[rows])
        return (rows[chosen] if groups is None else chosen), best

    def _proposed(
        self,
        segment: Segment,
        depth: int,
        live: BoolArray | None,
        eligible: int,
        groups: npt.NDArray[np.uint32] | None,
    ) -> tuple[IntArray, FloatArray] | None:
        """Candidates of the FAISS index, more of them until they hold `depth` documents; None: score exactly."""
        from retrieve.index.faiss_index import search

        wanted = depth
        while True:
            wanted = min(wanted, eligible)
            found, _ = search(
                segment.faiss, self._vector[None], wanted, live=live, parameters=self._parameters
            )
            rows = np.sort(found[0][found[0] >= 0])
            if len(rows) < wanted:
                return None
            distinct = len(rows) if groups is None else len(np.unique(groups[rows]))
            if distinct >= depth or wanted == eligible:
                break
            wanted *= 2
        scores = _score(segment, self._vector, rows)
        chosen, _, best = select_top(scores, depth, groups=None if groups is None else groups[rows])
        return (rows[chosen] if groups is None else chosen), best


def _score(segment: Segment, vector: Vector, rows: IntArray) -> FloatArray:
    if segment.has_vectors:
        return score_rows(segment.vectors, vector, rows).astype(np.float64)
    from retrieve.index.faiss_index import reconstruct

    return (reconstruct(segment.faiss, rows) @ vector).astype(np.float64)

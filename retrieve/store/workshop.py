"""Makes the views of a segment: postings by the analyzer, vectors by the encoder (or copied), a FAISS index if asked.

Batches are formed inside a segment from its passages alone, so a segment's vectors do not depend on what was built
before it or on how many segments there are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from retrieve.index.stored import Form, StoredVectors, encode_vectors
from retrieve.store.build import IntArray, Row, Views, build_postings, create_vectors, write_segment
from retrieve.store.learning import FIRST_SAMPLE, Candidate, choose_sample, learn, read_trained
from retrieve.store.manifest import SegmentEntry, Trained
from retrieve.store.pipeline import Pipeline
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.vectors import kept
from retrieve.types import Progress

_ENCODE_CHUNK = 8_192

_log = logging.getLogger("retrieve")


class Workshop:
    """Builds segments for a writer or a merge, with the recipe's parts."""

    def __init__(self, folder: Path, pipeline: Pipeline, progress: Progress | None) -> None:
        self._folder = folder
        self._pipeline = pipeline
        self._progress = progress
        self._tokens = 0

    def build(
        self,
        name: str,
        rows: Sequence[Row],
        segments: Sequence[Segment],
        live: Sequence[BoolArray],
        trained: Sequence[Trained],
    ) -> tuple[SegmentEntry, Trained | None]:
        """Build and seal one segment from rows in id order; also returns what was learned on the way, if anything."""
        learned: list[Trained] = []

        def make(building: Path) -> Views:
            postings = None
            if self._pipeline.recipe.bm25 is not None:
                postings = build_postings(self._terms(rows))
            if self._pipeline.recipe.dense is None:
                return Views(postings, None, None)
            vectors, cut = self._encode(rows, building)
            current = trained[-1] if trained else None
            if current is None:
                current = self._learn(rows, vectors, segments, live)
                if current is not None:
                    learned.append(current)
            faiss = self.faiss_index(current, vectors)
            return Views(
                postings, vectors, faiss, cut, None if faiss is None or not current else current.digest
            )

        entry = write_segment(self._folder, name, rows, make, recipe=self._pipeline.recipe)
        return entry, learned[0] if learned else None

    def faiss_index(self, trained: Trained | None, vectors: StoredVectors) -> bytes | None:
        """A clone of the trained index with these vectors added, or None where search is exact."""
        if trained is None or not len(vectors):
            return None
        from retrieve.index.faiss_index import build

        return build(read_trained(self._folder, trained), vectors)

    def _terms(self, rows: Sequence[Row]) -> Iterator[list[str]]:
        for row in rows:
            yield from self._pipeline.terms(row.document, row.spans)

    def _encode(self, rows: Sequence[Row], building: Path) -> tuple[StoredVectors, IntArray]:
        """Fill the vectors of the folder being built; returns them, and the tokens cut off each document."""
        total = sum(len(row.spans) for row in rows)
        cut = np.zeros(len(rows), dtype=np.int64)
        vectors = create_vectors(building, self._pipeline.dense, total, self._pipeline.kept_dimensions)
        waiting: list[Row] = []
        places: list[int] = []
        owners: list[int] = []
        done = 0
        for number, row in enumerate(rows):
            count = len(row.spans)
            if row.vectors is not None:
                vectors.write(slice(done, done + count), row.vectors)
            else:
                waiting.append(row)
                places += range(done, done + count)
                owners += [number] * count
            done += count
            if len(places) >= _ENCODE_CHUNK:
                np.add.at(cut, owners, self._flush(waiting, places, vectors, total))
                waiting, places, owners = [], [], []
        np.add.at(cut, owners, self._flush(waiting, places, vectors, total))
        vectors.flush()
        if cut.any():
            _log.warning(
                "the encoder cut off %d tokens of passages that were longer than its limit", cut.sum()
            )
        return vectors, cut

    def _flush(self, rows: Sequence[Row], places: list[int], vectors: StoredVectors, total: int) -> IntArray:
        """Vectors of these documents' passages to their places; returns the tokens cut off each passage."""
        if not places:
            return np.empty(0, dtype=np.int64)
        before = places[0]

        def tell(done: int, tokens: int) -> None:
            if self._progress is not None:
                self._progress("passages encoded", before + done, total)
                self._progress("tokens encoded", self._tokens + tokens, None)

        dense = self._pipeline.dense
        encoded = self._pipeline.encode([(row.document, row.spans) for row in rows], tell)
        self._tokens += encoded.tokens
        wanted = kept(encoded.vectors, dense.dimensions, normalize=dense.normalize)
        vectors.write(places, encode_vectors(Form.of(dense.storage, dense.rescore), wanted))
        return encoded.cut

    def _learn(
        self,
        rows: Sequence[Row],
        vectors: StoredVectors,
        segments: Sequence[Segment],
        live: Sequence[BoolArray],
    ) -> Trained | None:
        dense = self._pipeline.dense
        if dense.flat:
            return None
        present = len(vectors) + sum(
            int(alive[segment.document_of].sum()) for segment, alive in zip(segments, live, strict=True)
        )
        if present < FIRST_SAMPLE:
            _log.info("dense search is exact until there are %d passages (now %d)", FIRST_SAMPLE, present)
            return None

        def passages() -> Iterator[Candidate]:
            at = 0
            for row in rows:
                for position in range(len(row.spans)):
                    yield Candidate(row.document.id, position, vectors, at)
                    at += 1
            yield from stored_passages(segments, live)

        return learn(self._folder, dense, choose_sample(passages()))


def stored_passages(segments: Sequence[Segment], live: Sequence[BoolArray]) -> Iterator[Candidate]:
    """Every live passage whose vector was kept."""
    for segment, alive in zip(segments, live, strict=True):
        if not segment.has_vectors:
            continue
        for row in np.flatnonzero(alive):
            first, last = segment.first_passage[row : row + 2]
            doc_id = segment.ids[int(row)]
            for position in range(last - first):
                yield Candidate(doc_id, position, segment.vectors, int(first) + position)

"""Makes the views of a segment: postings by the analyzer, vectors by the encoder (or copied), a FAISS index if asked.

Batches are formed inside a segment from its passages alone, so a segment's vectors do not depend on what was built
before it or on how many segments there are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieve.index.stored import Form, StoredVectors, encode_vectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import kept
from retrieve.store.build import IntArray, Row, Views, build_postings, create_vectors, write_segment
from retrieve.store.learning import (
    FAISS,
    FIRST_SAMPLE,
    MEAN,
    Candidate,
    Wanted,
    borrow_mean,
    choose_sample,
    learn,
    read_mean,
    read_trained,
    wanted,
)
from retrieve.store.manifest import SegmentEntry, Trained
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.sparse import CodeTaker, ImpactTaker, code_builder
from retrieve.types import Progress

_ENCODE_CHUNK = 8_192

_log = logging.getLogger("retrieve")


class Workshop:
    """Builds segments for a writer or a merge, with the recipe's parts."""

    def __init__(self, folder: Path, passage_encoder: PassageEncoder, progress: Progress | None) -> None:
        self._folder = folder
        self._passage_encoder = passage_encoder
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
        recipe = self._passage_encoder.recipe

        def make(building: Path) -> Views:
            views = Views()
            if recipe.bm25 is not None:
                views = views._replace(postings=build_postings(self._terms(rows)))
            size = len(rows), sum(len(row.spans) for row in rows)
            if recipe.vectors is None:
                if recipe.encoding is None:
                    return views
                return self.encode_sparse(rows, *size, building)._replace(postings=views.postings)
            vectors, cut = self.encode(rows, *size, building)
            current = trained[-1] if trained else None
            fresh = self._learn(rows, vectors, segments, live, current)
            if fresh is not None:
                learned.append(fresh)
            return self.vector_views(building, views._replace(cut=cut), vectors, fresh or current)

        entry = write_segment(self._folder, name, rows, make, recipe=recipe)
        return entry, learned[0] if learned else None

    def vector_views(
        self, building: Path, views: Views, vectors: StoredVectors, trained: Trained | None
    ) -> Views:
        """The views that are made of vectors, by what was learned; codes are written into the folder."""
        coded = self._passage_encoder.recipe.uhd is not None
        if coded:
            coder = self._passage_encoder.coder(read_mean(self._folder, trained))
            builder = code_builder(building, self._passage_encoder.uhd, coder.projection.dimensions)
            for codes in coder.documents(vectors):
                builder.add(codes)
            builder.finish()
        faiss = self.faiss_index(trained, vectors)
        used = trained is not None and (faiss is not None or (coded and MEAN in trained.files))
        return views._replace(
            vectors=vectors, faiss=faiss, trained=trained.digest if used and trained else None
        )

    def unlearned(self, trained: Sequence[Trained]) -> bool:
        """Whether something is still to be learned, so that segments must follow one another."""
        return bool(self._wanted(trained[-1] if trained else None))

    def _wanted(self, known: Trained | None) -> Wanted:
        return wanted(self._passage_encoder.recipe, known, learns_mean=self._passage_encoder.learns_mean)

    def faiss_index(self, trained: Trained | None, vectors: StoredVectors) -> bytes | None:
        """A clone of the trained index with these vectors added, or None where search is exact."""
        if trained is None or FAISS not in trained.files or not len(vectors):
            return None
        from retrieve.index.faiss_index import build

        return build(read_trained(self._folder, trained), vectors)

    def _terms(self, rows: Sequence[Row]) -> Iterator[list[str]]:
        for row in rows:
            yield from self._passage_encoder.terms(row.document, row.spans)

    def encode(
        self, rows: Iterable[Row], documents: int, total: int, building: Path
    ) -> tuple[StoredVectors, IntArray]:
        """Fill the vectors of the folder being built, of so many documents and `total` passages; returns them, and the
        tokens cut off each document.
        """
        cut = np.zeros(documents, dtype=np.int64)
        form = self._passage_encoder.recipe.vectors
        assert form is not None
        vectors = create_vectors(building, form, total, self._passage_encoder.kept_dimensions)
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
        _tell_cut(cut)
        return vectors, cut

    def _flush(self, rows: Sequence[Row], places: list[int], vectors: StoredVectors, total: int) -> IntArray:
        """Vectors of these documents' passages to their places; returns the tokens cut off each passage."""
        if not places:
            return np.empty(0, dtype=np.int64)
        form = self._passage_encoder.recipe.vectors
        assert form is not None
        encoded = self._passage_encoder.encode(
            [(row.document, row.spans) for row in rows], self._teller(places[0], total)
        )
        self._tokens += encoded.tokens
        ours = kept(encoded.vectors, form.dimensions, normalize=form.normalize)
        vectors.write(places, encode_vectors(Form.of(form.storage, form.rescore), ours))
        return encoded.cut

    def _teller(self, before: int, total: int) -> Callable[[int, int], None]:
        """Tells how far a call of the encoder is, `before` passages of `total` having been done."""

        def tell(done: int, tokens: int) -> None:
            if self._progress is not None:
                self._progress("passages encoded", before + done, total)
                self._progress("tokens encoded", self._tokens + tokens, None)

        return tell

    def _learn(
        self,
        rows: Sequence[Row],
        vectors: StoredVectors,
        segments: Sequence[Segment],
        live: Sequence[BoolArray],
        known: Trained | None,
    ) -> Trained | None:
        # Only passages whose vectors are at hand can be learned from.
        present = len(vectors) + sum(
            int(alive[segment.document_of].sum())
            for segment, alive in zip(segments, live, strict=True)
            if segment.has_vectors
        )

        def passages() -> Iterator[Candidate]:
            at = 0
            for row in rows:
                for position in range(len(row.spans)):
                    yield Candidate(row.document.id, position, vectors, at)
                    at += 1
            yield from stored_passages(segments, live)

        return self.learn(present, passages, vectors.dimensions, known)

    def learn(
        self,
        present: int,
        passages: Callable[[], Iterator[Candidate]],
        dimensions: int,
        known: Trained | None,
    ) -> Trained | None:
        """What is still to be learned beside `known`, of `present` passages; None where that is nothing, or too few."""
        todo = self._wanted(known)
        if not todo:
            return None
        recipe = self._passage_encoder.recipe
        if present < FIRST_SAMPLE:
            if todo.faiss:
                _log.info("dense search is exact until there are %d passages (now %d)", FIRST_SAMPLE, present)
            if todo.mean:
                _log.info(
                    "UHD codes have a general mean until there are vectors of %d passages (now %d); "
                    "`retrieve index merge --retrain` makes them anew where vectors are kept",
                    *(FIRST_SAMPLE, present),
                )
            if todo.mean and known is None:
                return borrow_mean(self._folder, recipe, self._foreign_mean(dimensions))
            return None
        return learn(self._folder, recipe, todo, choose_sample(passages()), known)

    def _foreign_mean(self, dimensions: int) -> npt.NDArray[np.float32]:
        """A mean for an index of few passages: of the encoder's calibration texts; none, zeros, without an encoder."""
        if not self._passage_encoder.models.exist:
            return np.zeros(dimensions, np.float32)
        from retrieve.encoders.graphs import calibration_texts

        form = self._passage_encoder.recipe.vectors
        assert form is not None
        general = self._passage_encoder.models.documents.encode_apart(calibration_texts())
        vectors = kept(general, form.dimensions, normalize=form.normalize)
        return np.asarray(vectors.mean(axis=0, dtype=np.float64), np.float32)

    def encode_sparse(self, rows: Iterable[Row], documents: int, total: int, building: Path) -> Views:
        """The view of a sparse encoder, of so many documents and `total` passages: token-level codes are written into
        the folder, impacts are returned.
        """
        recipe, encoder = self._passage_encoder.recipe, self._passage_encoder.models.sparse_documents
        if recipe.uhd is not None:
            taker: CodeTaker | ImpactTaker = CodeTaker(code_builder(building, recipe.uhd, encoder.dimensions))
        else:
            assert recipe.splade is not None
            taker = ImpactTaker(encoder.vocabulary(), recipe.splade.scale)
        cut = np.zeros(documents, dtype=np.int64)
        done = 0
        for known, group in groupby(enumerate(rows), key=lambda item: item[1].codes is not None):
            if known:
                assert isinstance(taker, CodeTaker)
                copied = [row.codes for _, row in group if row.codes is not None]
                taker.copy(copied)
                done += sum(codes.rows for codes in copied)
                continue
            for owners, texts in self._chunks(group):
                found = encoder.encode_documents(texts, progress=self._teller(done, total))
                np.add.at(cut, owners, found.cut)
                self._tokens += found.tokens
                done += len(texts)
                taker.take(found.starts, found.dims, found.weights)
        _tell_cut(cut)
        return Views(impacts=taker.finish(), cut=cut)

    def _chunks(self, rows: Iterable[tuple[int, Row]]) -> Iterator[tuple[list[int], list[str]]]:
        """The fed texts of some thousand passages at a time, each with the number of its row."""
        owners: list[int] = []
        texts: list[str] = []
        for number, row in rows:
            fed = self._passage_encoder.fed(row.document, row.spans)
            owners += [number] * len(fed)
            texts += fed
            if len(texts) >= _ENCODE_CHUNK:
                yield owners, texts
                owners, texts = [], []
        if texts:
            yield owners, texts


def _tell_cut(cut: IntArray) -> None:
    if cut.any():
        _log.warning("the encoder cut off %d tokens of passages that were longer than its limit", cut.sum())


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

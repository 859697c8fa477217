"""What the views of a segment in the making are made of, each part made when a view first asks for it.

Batches are formed inside a segment from its passages alone, so a segment's vectors do not depend on what was built
before it or on how many segments there are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, groupby

import numpy as np

from retrieve.index.codes import Codes
from retrieve.index.stored_vectors import Form, StoredVectors, encode_vectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import truncated_vectors
from retrieve.recipe import VectorForm
from retrieve.store.document_rows import IntArray, Row
from retrieve.store.segment_folder import SegmentFolder
from retrieve.text.term_rows import NumberedRows, numbered_rows
from retrieve.types import Progress
from retrieve.views.protocol import Learned, Take

_ENCODE_CHUNK = 8_192

_log = logging.getLogger("retrieve")


class EncodingProgress:
    """Shows how far the encoding of a segment is, and how many tokens a build has had in all."""

    def __init__(self, progress: Progress | None) -> None:
        self.tokens = 0
        self._progress = progress

    def of_call(self, before: int, total: int) -> Callable[[int, int], None]:
        """For one call of the encoder, `before` passages of `total` having been done."""

        def shown(done: int, tokens: int) -> None:
            if self._progress is not None:
                self._progress("passages encoded", before + done, total)
                self._progress("tokens encoded", self.tokens + tokens, None)

        return shown


class NewMaterial:
    """Of rows in id order, `documents` of them with `passages` together; vectors are written into the segment.

    `learn` gives what is learned when there are vectors. `cut` (N,) int64: tokens of each document that the encoder
    left out just now, beside what its row says.
    """

    def __init__(
        self,
        rows: Callable[[], Iterable[Row]],
        size: tuple[int, int],
        building: SegmentFolder,
        encoder: PassageEncoder,
        shown: EncodingProgress,
        learn: Callable[[StoredVectors], Learned | None],
    ) -> None:
        self.encoder = encoder
        self.cut: IntArray = np.zeros(size[0], dtype=np.int64)
        self._rows = rows
        self._passages = size[1]
        self._building = building
        self._shown = shown
        self._learn = learn

    def terms(self) -> NumberedRows:
        """The terms of each passage."""
        texts = (self.encoder.term_texts(row.document, row.spans) for row in self._rows())
        return numbered_rows(chain.from_iterable(texts), self.encoder.analyzer)

    def texts(self) -> Iterator[str]:
        """What is analysed of each passage."""
        for row in self._rows():
            yield from self.encoder.analysed(row.document, row.spans)

    @cached_property
    def learned(self) -> Learned | None:
        """What was learned of the index's data, with these passages among them."""
        return None if self.vectors is None else self._learn(self.vectors)

    @cached_property
    def vectors(self) -> StoredVectors | None:
        """The vectors of all passages: encoded, or as their rows have them."""
        form = self.encoder.recipe.vectors
        if form is None:
            return None
        vectors = self._building.new_vectors(form, self._passages, self.encoder.kept_dimensions)
        waiting: list[Row] = []
        places: list[int] = []
        owners: list[int] = []
        done = 0
        for number, row in enumerate(self._rows()):
            count = len(row.spans)
            if row.vectors is not None:
                vectors.write(slice(done, done + count), row.vectors)
            else:
                waiting.append(row)
                places += range(done, done + count)
                owners += [number] * count
            done += count
            if len(places) >= _ENCODE_CHUNK:
                np.add.at(self.cut, owners, self._encode(waiting, places, vectors, form))
                waiting, places, owners = [], [], []
        np.add.at(self.cut, owners, self._encode(waiting, places, vectors, form))
        vectors.flush()
        _warn_truncated(self.cut)
        return vectors

    def _encode(
        self, rows: Sequence[Row], places: list[int], vectors: StoredVectors, form: VectorForm
    ) -> IntArray:
        """Vectors of these documents' passages to their places; returns the tokens cut off each passage."""
        if not places:
            return np.empty(0, dtype=np.int64)
        progress = self._shown.of_call(places[0], self._passages)
        encoded = self.encoder.encode([(row.document, row.spans) for row in rows], progress)
        self._shown.tokens += encoded.tokens
        ours = truncated_vectors(encoded.vectors, form.dimensions, normalize=form.normalize)
        vectors.write(places, encode_vectors(Form.of(form.storage, form.rescore), ours))
        return encoded.cut

    def encode(self, take: Take, copy: Callable[[Codes], None] | None = None) -> None:
        """Hand over what the sparse encoder makes of all passages; codes that rows have go to `copy`."""
        encoder = self.encoder.models.sparse_documents
        done = 0
        for known, group in groupby(enumerate(self._rows()), key=lambda item: item[1].codes is not None):
            if known:
                assert copy is not None, "codes are kept for a view that takes them again"
                for _, row in group:
                    if row.codes is not None:
                        copy(row.codes)
                        done += row.codes.rows
                continue
            for owners, texts in self._chunks(group):
                found = encoder.encode_documents(texts, progress=self._shown.of_call(done, self._passages))
                np.add.at(self.cut, owners, found.cut)
                self._shown.tokens += found.tokens
                done += len(texts)
                take(found.starts, found.dims, found.weights)
        _warn_truncated(self.cut)

    def _chunks(self, rows: Iterable[tuple[int, Row]]) -> Iterator[tuple[list[int], list[str]]]:
        """The fed texts of some thousand passages at a time, each with the number of its row."""
        owners: list[int] = []
        texts: list[str] = []
        for number, row in rows:
            fed = self.encoder.fed(row.document, row.spans)
            owners += [number] * len(fed)
            texts += fed
            if len(texts) >= _ENCODE_CHUNK:
                yield owners, texts
                owners, texts = [], []
        if texts:
            yield owners, texts


class CopiedMaterial:
    """Of segments that are merged: nothing is encoded. `copy` gives the vectors, None where they are not to be had."""

    def __init__(
        self,
        encoder: PassageEncoder,
        copy: Callable[[], StoredVectors | None],
        learned: Learned | None,
    ) -> None:
        self.encoder = encoder
        self.learned = learned
        self._copy = copy

    @cached_property
    def vectors(self) -> StoredVectors | None:
        """The vectors of all passages, copied."""
        return self._copy()


def _warn_truncated(cut: IntArray) -> None:
    if cut.any():
        _log.warning("the encoder cut off %d tokens of passages that were longer than its limit", cut.sum())

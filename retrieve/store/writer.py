"""The one writer of an index: adds, updates and deletes in order, seals segments as they fill, commits all or nothing.

Documents are staged until a segment is full; a sealed segment is on disk and in the pending list before the next one
begins, so a build that is killed finds its finished segments again. Nothing is visible to readers before the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.files import remove_folder, writer_lock
from retrieve.recipe import Recipe
from retrieve.store.build import Row, row_key, segment_id
from retrieve.store.commit import commit
from retrieve.store.documents import Fingerprints, fingerprints
from retrieve.store.filters import Filter, matches
from retrieve.store.manifest import Trained
from retrieve.store.pending import Pending, Sealed, intact, read_pending, remove_pending, write_pending
from retrieve.store.pipeline import Pipeline
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.snapshot import Place, Snapshot, locate, select_rows
from retrieve.store.sweep import sweep
from retrieve.store.vectors import own_vectors
from retrieve.store.workshop import Workshop
from retrieve.types import Document, Progress

_CHUNK_DOCUMENTS = 256
_CHUNK_BYTES = 4 << 20

_log = logging.getLogger("retrieve")


class Added(NamedTuple):
    """What `add` did with the documents it was given."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class _Staged:
    document: Document
    hashes: Fingerprints
    operation: int
    vectors: npt.NDArray[Any] | None
    same_text: Place | None  # an older version with the same passages, whose vectors are copied


class Writer:
    """Use it as a context: leaving commits, an exception leaves the old generation as it is."""

    def __init__(
        self, folder: Path, pipeline: Pipeline, lock: AbstractContextManager[None], progress: Progress | None
    ) -> None:
        self._folder = folder
        self._pipeline = pipeline
        self._lock = lock
        self._progress = progress
        self._recipe: Recipe = pipeline.recipe
        self._base = Snapshot.open(folder)
        self._segments: list[Segment] = list(self._base.segments)
        self._live: list[BoolArray] = _live_copies(self._base)
        self._trained: list[Trained] = list(self._base.manifest.trained)
        self._batch: dict[str, Row] = {}  # split, waiting for the segment to fill
        self._sizes = _Sizes()
        self._unsplit: dict[str, _Staged] = {}
        self._unsplit_bytes = 0
        self._operations = 0
        self._documents = 0
        record = self._base.manifest.encoder
        self._encoder = record.fingerprint if record is not None else "none"
        self._pending = Pending(
            base=self._base.manifest.generation,
            recipe_digest=self._base.manifest.recipe_digest,
            encoder=self._encoder,
        )
        found = read_pending(folder)
        self._adoptable = list(found.sealed) if found is not None and found.matches(self._pending) else []
        sweep(folder, found if self._adoptable else None)
        self._workshop = Workshop(folder, pipeline, progress)

    @classmethod
    def open(cls, folder: Path, pipeline: Pipeline, progress: Progress | None = None) -> Writer:
        """Take the writer's lock (`IndexLocked` if another has it) and what an interrupted writer left."""
        lock = writer_lock(folder / "lock")
        lock.__enter__()
        try:
            return cls(folder, pipeline, lock, progress)
        except BaseException:
            lock.__exit__(None, None, None)
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    def close(self) -> None:
        """Give the lock back. What was not committed stays pending for a writer that repeats it."""
        self._base.close()
        sweep(self._folder, read_pending(self._folder))
        self._lock.__exit__(None, None, None)

    # -- operations -------------------------------------------------------------------------------------------

    def add(self, documents: Iterable[Document], vectors: Iterable[npt.ArrayLike] | None = None) -> Added:
        """Add or update in order. `vectors`: per document (D,) or (S,D) for its S passages.

        The same id with the same content is left alone; with other content the old version is replaced in the same
        commit. Returns how many documents were added, updated and left unchanged.
        """
        counts = np.zeros(3, dtype=np.int64)
        chunk: list[Document] = []
        given: list[npt.NDArray[Any] | None] = []
        size = 0
        source = iter(vectors) if vectors is not None else None
        for document in documents:
            chunk.append(document)
            given.append(None if source is None else own_vectors(source, document.id, self._recipe))
            size += len(document.text)
            if len(chunk) >= _CHUNK_DOCUMENTS or size >= _CHUNK_BYTES:
                counts += self._stage(chunk, given)
                chunk, given, size = [], [], 0
        counts += self._stage(chunk, given)
        return Added(*(int(count) for count in counts))

    def delete(self, ids: Sequence[str] = (), where: Filter | None = None) -> int:
        """Delete by id, by filter, or both (each selects on its own); returns how many documents went."""
        self._settle()
        self._operations += 1
        deleted = 0
        doomed = [doc_id for doc_id in dict.fromkeys(ids) if doc_id in self._batch]
        if where is not None:
            doomed += [
                row.document.id
                for row in self._batch.values()
                if row.document.id not in set(doomed) and matches(where, row.document.metadata)
            ]
            for number, segment in enumerate(self._segments):
                rows = select_rows(segment, where) & self._live[number]
                deleted += int(rows.sum())
                self._live[number] &= ~rows
        for doc_id in doomed:
            self._unbatch(doc_id)
        for place in self._locate(list(dict.fromkeys(ids))):
            if place is not None:
                self._live[place.segment][place.row] = False
                deleted += 1
        return deleted + len(doomed)

    def commit(self) -> int:
        """Make everything since the last commit visible at once; returns the generation that is current now."""
        self._settle()
        if self._batch:
            self._seal(self._operations)
        generation = commit(self._folder, self._base, self._segments, self._live, self._trained)
        remove_pending(self._folder)
        self._base.close()
        self._base = Snapshot.open(self._folder, reuse=self._base)
        self._segments = list(self._base.segments)
        self._live = _live_copies(self._base)
        self._trained = list(self._base.manifest.trained)
        self._adoptable = []
        self._operations = 0
        self._pending = Pending(
            base=generation, recipe_digest=self._pending.recipe_digest, encoder=self._encoder
        )
        return generation

    # -- staging ----------------------------------------------------------------------------------------------

    def _locate(self, ids: Sequence[str]) -> list[Place | None]:
        return locate(self._segments, self._live, ids)

    def _stage(
        self, documents: Sequence[Document], vectors: Sequence[npt.NDArray[Any] | None]
    ) -> npt.NDArray[np.int64]:
        counts = np.zeros(3, dtype=np.int64)
        places = self._locate([document.id for document in documents])
        stored = self._stored(places)
        for document, own, place in zip(documents, vectors, places, strict=True):
            self._operations += 1
            counts[self._stage_one(document, own, place, stored)] += 1
        self._documents += len(documents)
        if self._progress is not None and documents:
            self._progress("documents", self._documents, None)
        self._settle_or_adopt()
        return counts

    def _stored(self, places: Sequence[Place | None]) -> dict[Place, Fingerprints]:
        found: dict[Place, Fingerprints] = {}
        for number, segment in enumerate(self._segments):
            rows = sorted({place.row for place in places if place is not None and place.segment == number})
            if rows:
                for row, hashes in zip(rows, segment.documents.fingerprints(rows), strict=True):
                    found[Place(number, row)] = hashes
        return found

    def _stage_one(
        self,
        document: Document,
        own: npt.NDArray[Any] | None,
        place: Place | None,
        stored: dict[Place, Fingerprints],
    ) -> int:
        """Stage one document; returns 0 for added, 1 for updated, 2 for unchanged."""
        hashes = fingerprints(document)
        if document.id in self._unsplit or document.id in self._batch:
            self._settle()  # what came between may have filled the segment that holds the older version
            place = self._locate([document.id])[0]
            if place is not None and place not in stored:
                stored |= self._stored([place])
        updated = 0
        same_text = None
        if (row := self._batch.get(document.id)) is not None:
            if row.hashes == hashes and _same(own, row.vectors):
                return 2
            self._unbatch(document.id)
            updated = 1
        elif place is not None and self._live[place.segment][place.row]:
            old = stored[place]
            if old.content == hashes.content and self._same_vectors(own, place):
                return 2
            self._live[place.segment][place.row] = False
            updated = 1
            if old.body == hashes.body and own is None:
                same_text = place
        self._unsplit[document.id] = _Staged(document, hashes, self._operations, own, same_text)
        self._unsplit_bytes += len(document.text)
        return updated

    def _same_vectors(self, own: npt.NDArray[Any] | None, place: Place) -> bool:
        if own is None:
            return True
        segment = self._segments[place.segment]
        first, last = segment.first_passage[place.row : place.row + 2]
        return segment.has_vectors and _same(own, segment.vectors[first:last])

    def _unbatch(self, doc_id: str) -> None:
        row = self._batch.pop(doc_id)
        self._sizes = self._sizes.minus(row)

    # -- filling segments -------------------------------------------------------------------------------------

    def _settle_or_adopt(self) -> None:
        """Split what is staged, unless a segment of the interrupted build is about to be repeated whole."""
        if self._adoptable and self._unsplit_bytes <= self._recipe.segments.text_bytes:
            target = self._adoptable[0].position
            if self._operations < target:
                return
        self._settle()

    def _settle(self) -> None:
        staged = list(self._unsplit.values())
        self._unsplit, self._unsplit_bytes = {}, 0
        if self._adoptable and not self._batch:
            staged = self._adopt_whole(staged)
        for start in range(0, len(staged), _CHUNK_DOCUMENTS):
            part = staged[start : start + _CHUNK_DOCUMENTS]
            for item, windows in zip(
                part, self._pipeline.split([item.document for item in part]), strict=True
            ):
                row = Row(item.document, item.hashes, windows.spans, windows.units, windows.indexed)
                known = self._workshop.known_vectors(row, item.vectors, item.same_text, self._segments)
                self._put(row._replace(vectors=known, own=item.vectors is not None), item.operation)

    def _adopt_whole(self, staged: list[_Staged]) -> list[_Staged]:
        """Adopt pending segments whose documents are exactly the next ones, without cutting those again."""
        while self._adoptable and staged:
            position = self._adoptable[0].position
            head = [item for item in staged if item.operation <= position]
            keys = sorted(row_key(item.document.id, item.hashes, item.vectors) for item in head)
            if not head or self._name(keys) != self._adoptable[0].entry.id or not self._adopt(position):
                break
            staged = staged[len(head) :]
        return staged

    def _put(self, row: Row, operation: int) -> None:
        grown = self._sizes.plus(row)
        limits = self._recipe.segments
        if self._batch and (grown.passages > limits.passages or grown.text > limits.text_bytes):
            self._seal(operation - 1)
            grown = self._sizes.plus(row)
        self._batch[row.document.id] = row
        self._sizes = grown

    def _name(self, keys: Sequence[tuple[str, bytes]]) -> str:
        trained = self._trained[-1].digest if self._trained else ""
        names = {segment.id for segment in self._segments}
        adoptable = {sealed.entry.id for sealed in self._adoptable}
        for salt in range(len(self._segments) + 2):
            name = segment_id(
                keys,
                recipe_digest=self._pending.recipe_digest,
                encoder=self._encoder,
                trained=f"{trained}{'+' * salt}",
            )
            taken = name in names or (name not in adoptable and (self._folder / "segments" / name).exists())
            if not taken:
                return name
        raise AssertionError("more segments of one content than there are segments")

    def _seal(self, position: int) -> None:
        rows = sorted(self._batch.values(), key=lambda row: row.document.id)
        self._batch, self._sizes = {}, _Sizes()
        name = self._name(
            [row_key(row.document.id, row.hashes, row.vectors if row.own else None) for row in rows]
        )
        if self._adoptable and self._adoptable[0].entry.id == name and self._adopt(position):
            return
        self._discard_adoptable()
        entry, learned = self._workshop.build(name, rows, self._segments, self._live, self._trained)
        self._include(Sealed(position=position, entry=entry, trained=learned))

    def _adopt(self, position: int) -> bool:
        sealed = self._adoptable.pop(0)
        if not intact(self._folder / "segments" / sealed.entry.id, sealed.entry.files) or (
            sealed.trained is not None
            and not intact(self._folder / "trained" / sealed.trained.digest, sealed.trained.files)
        ):
            _log.warning("segment %s of the interrupted build is damaged and is built again", sealed.entry.id)
            self._adoptable.insert(0, sealed)
            self._discard_adoptable()
            return False
        _log.info("segment %s of the interrupted build is used as it is", sealed.entry.id)
        self._include(sealed.model_copy(update={"position": position}))
        return True

    def _discard_adoptable(self) -> None:
        """The source went another way than the interrupted build: what is left of that is of no use."""
        discarded, self._adoptable = self._adoptable, []
        if discarded:
            write_pending(self._folder, self._pending)
        for sealed in discarded:
            remove_folder(self._folder / "segments" / sealed.entry.id)

    def _include(self, sealed: Sealed) -> None:
        segment = Segment.open(self._folder, sealed.entry, self._recipe.filters.fields)
        self._segments.append(segment)
        self._live.append(np.ones(segment.rows, dtype=np.bool_))
        if sealed.trained is not None:
            self._trained.append(sealed.trained)
        self._pending = self._pending.model_copy(update={"sealed": (*self._pending.sealed, sealed)})
        kept = self._pending.model_copy(update={"sealed": (*self._pending.sealed, *self._adoptable)})
        write_pending(self._folder, kept)


@dataclass(frozen=True, slots=True)
class _Sizes:
    passages: int = 0
    text: int = 0

    def plus(self, row: Row) -> _Sizes:
        return replace(self, passages=self.passages + len(row.spans), text=self.text + len(row.document.text))

    def minus(self, row: Row) -> _Sizes:
        return replace(self, passages=self.passages - len(row.spans), text=self.text - len(row.document.text))


def _live_copies(snapshot: Snapshot) -> list[BoolArray]:
    return [
        np.ones(segment.rows, dtype=np.bool_) if live is None else live.copy()
        for segment, live in zip(snapshot.segments, snapshot.live, strict=True)
    ]


def _same(own: npt.NDArray[Any] | None, other: npt.NDArray[Any] | None) -> bool:
    if own is None:
        return True
    return other is not None and own.shape == other.shape and bool(np.array_equal(own, other))

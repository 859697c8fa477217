"""The one writer of an index: adds, updates and deletes in order, seals segments as they fill, commits all or nothing.

Documents are staged, cut into passages and collected until a segment is full. Nothing is visible to readers before
the commit, and an operation that failed half-way makes the commit impossible.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import BadVectors, UsageError
from retrieve.files import writer_lock
from retrieve.index.stored_vectors import StoredVectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.batch import Batch, Staged, text_bytes
from retrieve.store.build_workers import BuildWorkers, wait_for_orphans
from retrieve.store.document_rows import Row
from retrieve.store.documents import fingerprints
from retrieve.store.fields import FieldWatch
from retrieve.store.filters import Filter, matches
from retrieve.store.older_versions import Encoded, OlderVersion, OlderVersions
from retrieve.store.segment import Segment
from retrieve.store.snapshot import Place, select_rows
from retrieve.store.uncommitted import Uncommitted
from retrieve.store.vectors import fitting_vectors, own_vectors, without_surplus
from retrieve.types import Document, Progress

_CHUNK_DOCUMENTS = 256
_CHUNK_BYTES = 1 << 20
_ADDED, _UPDATED, _UNCHANGED = range(3)

_log = logging.getLogger("retrieve")


class Added(NamedTuple):
    """What `add` did with the documents it was given."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0


class _Incoming(NamedTuple):
    document: Document
    size: int
    vectors: StoredVectors | None


class Writer:
    """Use it as a context: leaving commits, an exception leaves the old generation as it is."""

    def __init__(
        self,
        folder: Path,
        passage_encoder: PassageEncoder,
        lock: AbstractContextManager[None],
        progress: Progress | None,
        building: BuildWorkers,
        reuse: Iterable[Segment] = (),
    ) -> None:
        self._passage_encoder = passage_encoder
        self._lock = lock
        self._progress = progress
        self._limits = passage_encoder.recipe.segments
        self._workers = building
        self._uncommitted = Uncommitted(folder, passage_encoder, progress, building, reuse)
        self._batch = Batch(self._limits)
        self._unsplit: dict[str, Staged] = {}
        self._older = OlderVersions(self._uncommitted, passage_encoder.recipe)
        self._unsplit_text = 0
        self._operations = 0
        self._documents = 0
        self._torn = False
        self._closed = False
        self._stepping = threading.RLock()
        self._steps = 0
        self._warned: set[str] = set()
        self._bared = 0

    @classmethod
    def open(
        cls,
        folder: Path,
        passage_encoder: PassageEncoder,
        progress: Progress | None = None,
        *,
        workers: int = 1,
        reuse: Iterable[Segment] = (),
    ) -> Writer:
        """Take the writer's lock (`IndexLocked` if another has it) and what an interrupted writer left.

        More than one of `workers`: so many processes build segments, each with a copy of the passage encoder. Raises
        `UsageError` for less than one. `reuse`: segments that are open already.
        """
        if workers < 1:
            raise UsageError(f"workers is {workers}: wanted at least 1")
        lock = writer_lock(folder / "lock")
        lock.__enter__()
        try:
            wait_for_orphans(folder)
            building = BuildWorkers(folder, passage_encoder, workers)
            return cls(folder, passage_encoder, lock, progress, building, reuse)
        except BaseException:
            lock.__exit__(None, None, None)
            raise

    def __enter__(self) -> Writer:
        self._refuse_closed()
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
        """Give the lock back. What was not committed stays in the journal for a writer that repeats it.

        Nothing is written after this: what another thread has begun is waited for, and its next step refused. Closing
        twice is harmless, any other use of a closed writer is `UsageError`.
        """
        with self._stepping:
            if self._closed:
                return
            self._closed = True
            if not self._steps:
                self._let_go()

    def _let_go(self) -> None:
        try:
            self._uncommitted.close()
        finally:
            self._lock.__exit__(None, None, None)

    @property
    def segments(self) -> Sequence[Segment]:
        """Those of the generation that the next commit makes, open."""
        return self._uncommitted.segments

    @property
    def encodings(self) -> tuple[int, int]:
        """Passages that processes of this writer encoded, and took from the cache, beside those of this process."""
        return self._workers.encodings

    # -- operations -------------------------------------------------------------------------------------------

    def add(self, documents: Iterable[Document], vectors: Iterable[npt.ArrayLike] | None = None) -> Added:
        """Add or update in order. `vectors`: per document (D,) or (S,D) for its S passages.

        The same id with the same content is left alone; with other content the old version is replaced in the same
        commit. Returns how many documents were added, updated and left unchanged. It is done whole or not at all: an
        error after the first documents were taken in, the caller's own included, makes a commit impossible.
        """
        self._refuse_closed()
        counts = np.zeros(3, dtype=np.int64)
        chunks = self._chunks(documents, vectors)
        # What fails in here has left nothing behind, so that a caller may skip a document that is rejected alone.
        first = next(chunks)
        with self._operation():
            # The caller's iterator runs between the steps, not in them: whatever it waits for may need the writer.
            for chunk in itertools.chain([first], chunks):
                with self._step():
                    counts += self._stage(chunk)
        return Added(*(int(count) for count in counts))

    def _chunks(
        self, documents: Iterable[Document], vectors: Iterable[npt.ArrayLike] | None
    ) -> Iterator[dict[str, _Incoming]]:
        """Documents to stage together, by id: one chunk at least, and the last when all was found to be in order."""
        chunk: dict[str, _Incoming] = {}
        size = 0
        source = None if vectors is None else iter(vectors)
        for document in documents:
            own = None
            if source is not None:
                own = own_vectors(
                    source, document.id, self._passage_encoder.recipe, self._uncommitted.dimensions
                )
            # Ids of a chunk are distinct: the version that a document replaces is looked up once for all of them.
            if document.id in chunk or len(chunk) >= _CHUNK_DOCUMENTS or size >= _CHUNK_BYTES:
                yield chunk
                chunk, size = {}, 0
            chunk[document.id] = _Incoming(document, text_bytes(document), own)
            size += chunk[document.id].size
        if source is not None and any(True for _ in source):
            raise BadVectors("there are more vectors than documents: give one entry for each document")
        yield chunk

    def delete(self, ids: Sequence[str] = (), where: Filter | None = None) -> int:
        """Delete by id, by filter, or both (each selects on its own); returns how many documents went.

        A field of the filter that no document has is warned of.
        """
        with self._operation(), self._step():
            self._settle()
            self._operations += 1
            selected = 0 if where is None else self._delete_selected(where)
            return selected + self._delete_named(dict.fromkeys(ids))

    def _delete_selected(self, where: Filter) -> int:
        watch = FieldWatch(where)
        waiting = []
        for row in self._batch.rows():
            watch.look(row.document.metadata)
            if matches(where, row.document.metadata):
                waiting.append(row.document.id)
        for doc_id in waiting:
            self._batch.remove(doc_id)
        deleted = len(waiting)
        self._uncommitted.drain()
        for segment, live in zip(self._uncommitted.segments, self._uncommitted.live, strict=True):
            rows = select_rows(segment, where, watch) & live
            deleted += int(rows.sum())
            live[rows] = False
        if watch.absent and where.canonical not in self._warned:
            self._warned.add(where.canonical)
            watch.warn()
        return deleted

    def _delete_named(self, ids: Collection[str]) -> int:
        waiting = [doc_id for doc_id in ids if self._batch.get(doc_id) is not None]
        for doc_id in waiting:
            self._batch.remove(doc_id)
        places = [place for place in self._uncommitted.locate(list(ids)) if place is not None]
        for place in places:
            self._uncommitted.live[place.segment][place.row] = False
        return len(waiting) + len(places)

    def commit(self) -> int:
        """Make everything since the last commit visible at once; returns the generation that is current now."""
        with self._operation(), self._step():
            self._settle()
            if len(self._batch):
                self._seal(self._operations, last=True)
            self._uncommitted.drain()
            self._refuse_closed()  # the last to be told of progress has been
            generation = self._uncommitted.commit()
            self._operations = 0
            if self._bared:
                _log.warning(
                    "%d documents lost their expansions, as they were added again without: add them with theirs",
                    self._bared,
                )
                self._bared = 0
        return generation

    @contextmanager
    def _operation(self) -> Iterator[None]:
        """Half of an operation must not be committed, so nothing is after one that raised or has not ended."""
        with self._step():
            if self._torn:
                raise UsageError(
                    "an earlier operation of this writer failed half-way, or is still at work, so it cannot go on: "
                    "nothing was committed; open a new writer and repeat the work"
                )
            self._torn = True
        yield
        self._torn = False

    @contextmanager
    def _step(self) -> Iterator[None]:
        """What may touch the disk: one thread at a time, and none once the lock was given back.

        Whoever is told of progress may close the writer in the middle of a step, which then keeps the lock to its end
        and is refused there.
        """
        with self._stepping:
            self._refuse_closed()
            self._steps += 1
            try:
                yield
                self._refuse_closed()
            finally:
                self._steps -= 1
                if self._closed and not self._steps:
                    self._let_go()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise UsageError(
                "this writer is closed, so nothing was taken in: its block has ended; "
                "open another (with index.writer() as writer) and do the work inside its block"
            )

    # -- staging ----------------------------------------------------------------------------------------------

    def _stage(self, chunk: dict[str, _Incoming]) -> npt.NDArray[np.int64]:
        counts = np.zeros(3, dtype=np.int64)
        if not self._unsplit.keys().isdisjoint(chunk):
            self._settle()
        older = self._older.find(list(chunk), self._batch)
        for incoming in chunk.values():
            self._operations += 1
            counts[self._stage_one(incoming, older.get(incoming.document.id))] += 1
        for doc_id, codes in self._older.codes():
            self._unsplit[doc_id] = self._unsplit[doc_id]._replace(codes=codes)
        self._documents += len(chunk)
        if self._progress is not None and chunk:
            self._progress("documents", self._documents, None)
        self._settle_or_wait()
        return counts

    def _stage_one(self, incoming: _Incoming, older: OlderVersion | None) -> int:
        document, size, own = incoming
        hashes = fingerprints(document)
        kept: Encoded | None = None
        if older is not None:
            same = older.hashes.content == hashes.content
            if same and own is None:
                return _UNCHANGED
            if older.hashes.body == hashes.body:
                kept = self._older.encoded(document.id, older.place, self._batch)
            if (
                same
                and own is not None
                and kept is not None
                and kept.vectors is not None
                and kept.vectors.same(without_surplus(own, len(kept.spans)))
            ):
                return _UNCHANGED
            self._bared += not document.expansion and self._is_expanded(document.id, older.place)
            if older.place is None:
                self._batch.remove(document.id)
            else:
                self._uncommitted.live[older.place.segment][older.place.row] = False
        staged = Staged(document, hashes, self._operations, size, own)
        if own is None and kept is not None:
            staged = staged._replace(vectors=kept.vectors, spans=kept.spans, cut=kept.cut, codes=kept.codes)
        self._unsplit[document.id] = staged
        self._unsplit_text += size
        return _ADDED if older is None else _UPDATED

    def _is_expanded(self, doc_id: str, place: Place | None) -> bool:
        """Whether the version of a document that is there has an expansion."""
        if place is None:
            row = self._batch.get(doc_id)
            return row is not None and bool(row.document.expansion)
        segment = self._uncommitted.segments[place.segment]
        return segment.entry.totals.expanded > 0 and bool(segment.documents.expansions_of([place.row]))

    # -- filling segments -------------------------------------------------------------------------------------

    def _settle_or_wait(self) -> None:
        """Cut what is staged, unless a segment of an interrupted build is about to be repeated whole."""
        awaited = self._uncommitted.awaited
        full = self._unsplit_text > self._limits.text_bytes or len(self._unsplit) > self._limits.passages
        if awaited is None or self._operations >= awaited or full:
            self._settle()

    def _settle(self) -> None:
        staged = list(self._unsplit.values())
        self._unsplit, self._unsplit_text = {}, 0
        if not len(self._batch):
            staged = self._uncommitted.adopt(staged)
        for start in range(0, len(staged), _CHUNK_DOCUMENTS):
            part = staged[start : start + _CHUNK_DOCUMENTS]
            windows = self._passage_encoder.split([item.document for item in part])
            for item, cut in zip(part, windows, strict=True):
                vectors = fitting_vectors(item, cut.spans, self._passage_encoder)
                row = Row(item.document, item.hashes, cut.spans, cut.units, cut.indexed, item.size, vectors)
                if item.spans is not None and np.array_equal(item.spans, cut.spans):
                    row = row._replace(codes=item.codes)
                if row.encoded:
                    row = row._replace(cut=item.cut)
                if not self._batch.has_room(row):
                    self._seal(item.operation - 1)
                self._batch.add(row)

    def _seal(self, position: int, *, last: bool = False) -> None:
        rows, self._batch = self._batch.rows(), Batch(self._limits)
        self._uncommitted.seal(rows, position, last=last)

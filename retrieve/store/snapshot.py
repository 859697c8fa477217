"""One generation of an index, held open: what every search works on.

A reader takes a shared lock on its generation before it believes the manifest, so that no writer removes a file
under it; it keeps answering from that generation until somebody asks for a newer one.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from retrieve.files import ReaderLock, checksum_bytes
from retrieve.fork_safety import ForkSafeLock
from retrieve.store.deletions import deleted_statistics, deletions_checksum, live_rows
from retrieve.store.fields import FieldWatch
from retrieve.store.filter_columns import select
from retrieve.store.filter_scan import scan
from retrieve.store.filters import Filter
from retrieve.store.manifest import MANIFEST, Manifest, manifest_bytes, parse_manifest
from retrieve.store.sealed import check_sizes
from retrieve.store.segment import BoolArray, IntArray, Segment
from retrieve.store.trained import LearnedFiles
from retrieve.views.protocol import LiveSegment, View
from retrieve.views.registry import views_of

_CACHED_FILTERS = 16
_WARNED_FILTERS = 1_000

_log = logging.getLogger("retrieve")

T = TypeVar("T")


class Place(NamedTuple):
    """Where a live document is: the segment's number and the row in it."""

    segment: int
    row: int


class Snapshot:
    """Open segments of one generation with their live rows. Immutable, so safe in many threads."""

    def __init__(
        self, folder: Path, manifest: Manifest, segments: Sequence[Segment], lock: ReaderLock
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.segments = tuple(segments)
        self._lock = lock
        self.live = tuple(live_rows(folder, segment) for segment in segments)
        self.bases = np.concatenate([[0], np.cumsum([segment.rows for segment in segments])]).astype(np.int64)
        self.passage_bases = np.concatenate(
            [[0], np.cumsum([segment.passage_rows for segment in segments])]
        ).astype(np.int64)
        self._filters: OrderedDict[str, tuple[BoolArray, ...]] = OrderedDict()
        self._warned: dict[str, None] = {}
        self._warned_of_columns = False
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._filters_lock = ForkSafeLock()
        self._views_lock = ForkSafeLock()
        self._live_segments: dict[str, tuple[LiveSegment, ...]] = {}

    @classmethod
    def open(cls, folder: Path, reuse: Iterable[Segment] = ()) -> Snapshot:
        """Open the current generation; those segments that are open already are not opened again."""
        manifest, lock = hold_current(folder)
        known = {segment.id: segment for segment in reuse}
        recipe = manifest.resolved_recipe()
        for learned in manifest.trained:
            check_sizes(folder / "trained" / learned.digest, learned.files)
        segments = []
        for entry in manifest.segments:
            segment = known.get(entry.id)
            if segment is None or segment.entry.files != entry.files:
                segment = Segment.open(folder, entry, recipe)
            elif segment.entry != entry:
                segment = segment.with_entry(entry)
            segments.append(segment)
        return cls(folder, manifest, segments, lock)

    def close(self) -> None:
        """Let the generation go; a writer may then remove files that only it names."""
        self._lock.release()

    @cached_property
    def layout(self) -> str:
        """Which live passages stand in which order: numbers of passages say the same in every generation of the same.

        Of vectors it says nothing, so encoding anew keeps it; adding, deleting and merging do not.
        """
        parts = [(segment.layout, deletions_checksum(self.folder, segment)) for segment in self.segments]
        return checksum_bytes(repr(parts).encode())

    def alive(self) -> list[BoolArray]:
        """Per segment, which rows are live, also where all are; arrays of the caller's own."""
        return [
            np.ones(segment.rows, dtype=np.bool_) if live is None else live.copy()
            for segment, live in zip(self.segments, self.live, strict=True)
        ]

    @cached_property
    def views(self) -> dict[str, View]:
        """The views of the recipe, by name, in its order."""
        return views_of(self.manifest.resolved_recipe())

    @cached_property
    def learned(self) -> dict[str, LearnedFiles]:
        """What was learned, by its digest."""
        return {item.digest: LearnedFiles(self.folder, item) for item in self.manifest.trained}

    def live_segments(self, view: str) -> tuple[LiveSegment, ...]:
        """What a view has of each segment."""
        with self._views_lock:
            if view not in self._live_segments:
                self._live_segments[view] = tuple(
                    self._live_segment(segment, self.views[view], live)
                    for segment, live in zip(self.segments, self.live, strict=True)
                )
            return self._live_segments[view]

    def _live_segment(self, segment: Segment, view: View, live: BoolArray | None) -> LiveSegment:
        entry, opened = segment.entry, segment.view(view)
        termed = entry.live.termed
        if termed is None:  # an older version did not count them
            termed = view.termed(opened, None if live is None else live[segment.document_of])
        return LiveSegment(
            opened,
            termed,
            entry.live.length,
            deleted_statistics(self.folder, segment),
            None if entry.trained is None else self.learned[entry.trained],
        )

    def locate(self, ids: Sequence[str]) -> list[Place | None]:
        """Where each id is live, or None."""
        return locate(self.segments, self.live, ids)

    def doc_ids(self, documents: IntArray) -> list[str]:
        """Ids of snapshot-wide document numbers (base of the segment + row)."""
        if len(self.segments) == 1:
            return self.segments[0].ids.get_many(documents)
        result = [""] * len(documents)
        owner = np.searchsorted(self.bases, documents, side="right") - 1
        for number, segment in enumerate(self.segments):
            at = np.flatnonzero(owner == number)
            names = segment.ids.get_many(documents[at] - self.bases[number]) if len(at) else []
            for position, name in zip(at.tolist(), names, strict=True):
                result[position] = name
        return result

    def select(self, where: Filter | None) -> tuple[BoolArray | None, ...]:
        """Per segment, the live documents that a filter selects; None: every row. Cached by filter.

        A field that no document has, live or deleted, is warned of, once for a filter.
        """
        if where is None:
            return self.live
        with self._filters_lock:
            if (found := self._filters.get(where.canonical)) is not None:
                self._filters.move_to_end(where.canonical)
                return found
        watch = FieldWatch(where)
        chosen = tuple(
            select_rows(segment, where, watch) & (True if live is None else live)
            for segment, live in zip(self.segments, self.live, strict=True)
        )
        self._warn(where, watch)
        with self._filters_lock:
            self._filters[where.canonical] = chosen
            while len(self._filters) > _CACHED_FILTERS:
                self._filters.popitem(last=False)
        return chosen

    def _warn(self, where: Filter, watch: FieldWatch) -> None:
        """Warn of unknown fields, once for each filter, and of columns that are out of date, once for all."""
        outdated = where.fields & frozenset().union(*(segment.outdated_columns for segment in self.segments))
        with self._filters_lock:
            unwarned = bool(watch.absent) and where.canonical not in self._warned
            if unwarned:
                self._warned[where.canonical] = None
                while len(self._warned) > _WARNED_FILTERS:
                    del self._warned[next(iter(self._warned))]
            slow = bool(outdated) and not self._warned_of_columns
            self._warned_of_columns |= slow
        if unwarned:
            watch.warn()
        if slow:
            _log.warning(
                "%s: columns of %s are an older version's, so documents are read in their place, which is slow: "
                "run `retrieve index upgrade`",
                self.folder,
                ", ".join(map(repr, sorted(outdated))),
            )

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes of this snapshot and a filter, remembered under `key`, as the filters are."""
        with self._filters_lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: T = self._kept[key]
                return found
        made = make()
        with self._filters_lock:
            self._kept[key] = made
            while len(self._kept) > _CACHED_FILTERS:
                self._kept.popitem(last=False)
        return made


def hold_current(folder: Path) -> tuple[Manifest, ReaderLock]:
    """The current manifest, and the lock that keeps every file it names until it is released."""
    while True:
        data = manifest_bytes(folder)
        manifest = parse_manifest(folder / MANIFEST, data)
        lock = ReaderLock.take(folder / "readers" / str(manifest.generation))
        if manifest_bytes(folder) == data:
            return manifest, lock
        lock.release()  # a commit came between


def select_rows(segment: Segment, where: Filter, watch: FieldWatch) -> BoolArray:
    """Rows of a segment whose metadata a filter accepts, deleted rows included; `watch` sees them."""
    with watch.over(segment):
        return select(
            where,
            rows=segment.rows,
            columns=segment.columns,
            scan=lambda part: scan(segment.documents, segment.rows, part, watch),
        )


def locate(
    segments: Sequence[Segment], live: Sequence[BoolArray | None], ids: Sequence[str]
) -> list[Place | None]:
    """Where each id is live. An id is live in at most one segment."""
    places: list[Place | None] = [None] * len(ids)
    names = list(ids)
    for number, (segment, alive) in enumerate(zip(segments, live, strict=True)):
        rows = segment.ids.find_many(names)
        for at in np.flatnonzero(rows >= 0):
            row = int(rows[at])
            if alive is None or alive[row]:
                places[at] = Place(number, row)
    return places

"""The generation in the making: the segments it will have, which of their rows are live, and what was learned.

A sealed segment is on disk and in the build's journal before the next one begins. A build that is killed finds its
finished segments again, and takes one over where it would build the very same: same name, every checksum right.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from retrieve.files import remove_folder
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.batch import Staged
from retrieve.store.build_journal import (
    BuildJournal,
    Sealed,
    read_journal,
    remove_journal,
    write_journal,
)
from retrieve.store.build_workers import BuildWorkers
from retrieve.store.commit import commit
from retrieve.store.document_rows import Row, row_key, segment_id
from retrieve.store.garbage import remove_garbage
from retrieve.store.manifest import FORMAT, Trained, check_current, read_manifest
from retrieve.store.merge import can_merge, merge_run, merged_with
from retrieve.store.sealed import intact
from retrieve.store.segment import BoolArray, Segment
from retrieve.store.segment_builder import SegmentBuilder
from retrieve.store.snapshot import Place, Snapshot, locate
from retrieve.store.stemmer import check_stemmer, stemmer_record
from retrieve.store.tiers import Size, plan
from retrieve.types import Progress

_log = logging.getLogger("retrieve")


class Uncommitted:
    """What a commit will make current. Only the holder of the writer's lock may have one.

    `segments` and `live` lack what workers have under way: `locate` waits for the documents it is asked for, and
    whoever reads more than that calls `drain` first.
    """

    def __init__(
        self,
        folder: Path,
        passage_encoder: PassageEncoder,
        progress: Progress | None,
        workers: BuildWorkers,
        reuse: Iterable[Segment] = (),
    ) -> None:
        self._folder = folder
        self._passage_encoder = passage_encoder
        self._recipe = passage_encoder.recipe
        self._workers = workers
        self._progress = progress
        self._encoded = 0
        self._builder = SegmentBuilder(folder, passage_encoder, progress)
        current = read_manifest(folder)
        check_current(folder, current)
        check_stemmer(folder, current, passage_encoder)  # before a file is touched
        self._stemmer = stemmer_record(passage_encoder)
        self._begin(Snapshot.open(folder, reuse=reuse))
        found = read_journal(folder)
        self._adoptable = list(found.sealed) if found is not None and found.matches(self._journal) else []
        if not self._adoptable:
            remove_journal(folder)
        remove_garbage(folder, found if self._adoptable else None)

    def _begin(self, base: Snapshot) -> None:
        manifest = base.manifest
        self._base = base
        self.segments: list[Segment] = list(base.segments)
        self.live: list[BoolArray] = base.alive()
        self._trained: list[Trained] = list(manifest.trained)
        self._encoder = manifest.encoder.fingerprint if manifest.encoder is not None else "none"
        self._journal = BuildJournal(
            base=manifest.generation if manifest.filled else 0,
            format=FORMAT,
            recipe_digest=manifest.recipe_digest,
            encoder=self._encoder,
            stemmer="" if self._stemmer is None else self._stemmer.stems,
        )

    @property
    def dimensions(self) -> int | None:
        """D of the vectors of this index; None where it has none."""
        record = self._base.manifest.encoder
        return None if record is None else record.dimensions

    @property
    def awaited(self) -> int | None:
        """Position in the source at which the next segment of an interrupted build is complete, if there is one."""
        return self._adoptable[0].position if self._adoptable else None

    def locate(self, ids: Sequence[str]) -> list[Place | None]:
        """Where each id is live in a sealed segment, or None."""
        while self._workers.holds(ids):
            self._include_next()
        return locate(self.segments, self.live, ids)

    def drain(self) -> None:
        """Wait until every batch that was sealed is a segment here."""
        while self._workers.busy:
            self._include_next()

    def adopt(self, staged: list[Staged]) -> list[Staged]:
        """Take over segments of an interrupted build that hold exactly the next documents; returns the others."""
        while self._adoptable and staged:
            position = self._adoptable[0].position
            head = [item for item in staged if item.operation <= position]
            keys = sorted(row_key(item.document.id, item.hashes, item.vectors) for item in head)
            if not head or self._name(keys) != self._adoptable[0].entry.id or not self._take_over(position):
                break
            staged = staged[len(head) :]
        return staged

    def seal(self, rows: Iterable[Row], position: int, *, last: bool = False) -> None:
        """Make a segment of these rows, or take over the one an interrupted build made of them.

        `last`: a commit follows, which waits for it: if nothing else is under way then it is made here.
        """
        ordered = sorted(rows, key=lambda row: row.document.id)
        name = self._name([row_key(row.document.id, row.hashes, row.vectors) for row in ordered])
        if self._adoptable and self._adoptable[0].entry.id == name and self._take_over(position):
            return
        self._discard_adoptable()
        if self._beside and not (last and not self._workers.busy):
            while self._workers.full:
                self._include_next()
            self._workers.begin(name, ordered, self._trained, position)
            return
        entry, learned = self._builder.build(name, ordered, self.segments, self.live, self._trained)
        self._include(Sealed(position=position, entry=entry, trained=learned))

    def commit(self) -> int:
        """Make what was written the current generation, which the next commit goes on from; returns its number."""
        self.drain()
        self._merge_tiers()
        generation = commit(
            self._folder, self._base, self.segments, self.live, self._trained, stemmer=self._stemmer
        )
        remove_journal(self._folder)
        old = self._base
        self._begin(Snapshot.open(self._folder, reuse=(*self.segments, *old.segments)))
        self._adoptable = []
        old.close()
        return generation

    def _merge_tiers(self) -> None:
        """Make one segment of neighbours where there are as many of a size as the recipe says.

        What is sealed here is in no list: a writer that is killed before its commit leaves it to be swept.
        """
        if not self._changed or not can_merge(self._passage_encoder):
            return
        alive = [number for number, live in enumerate(self.live) if live.any()]
        self.segments = [self.segments[number] for number in alive]
        self.live = [self.live[number] for number in alive]
        sizes = [
            _size(segment, live, merged_with(segment, self._passage_encoder))
            for segment, live in zip(self.segments, self.live, strict=True)
        ]
        for run in reversed(plan(sizes, self._recipe.segments)):
            merged = merge_run(
                self._folder,
                self._base,
                self.segments[run],
                self.live[run],
                self._trained,
                self._passage_encoder,
                self._builder,
            )
            self.segments[run] = [merged]
            self.live[run] = [np.ones(merged.rows, dtype=np.bool_)]

    @property
    def _changed(self) -> bool:
        """Whether a commit makes another generation, of other documents."""
        before = self._base.live
        return len(self.segments) != len(before) or any(
            not live.all() if known is None else not np.array_equal(live, known)
            for live, known in zip(self.live, before, strict=True)
        )

    def close(self) -> None:
        """Let the generation go. What was sealed and not committed stays for a writer that repeats the work."""
        self._workers.close()
        self._base.close()
        remove_garbage(self._folder, read_journal(self._folder))

    @property
    def _beside(self) -> bool:
        """Whether a segment can be built beside others: not while one may have to learn from those before it."""
        return self._workers.workers > 1 and not self._builder.unlearned(self._trained)

    def _name(self, keys: Sequence[tuple[str, bytes]]) -> str:
        """The segment's id; another one where a segment with the same content is in use (deleted and added again)."""
        learned = self._trained[-1].digest if self._trained else ""
        used = {segment.id for segment in self.segments} | self._workers.names
        adoptable = {sealed.entry.id for sealed in self._adoptable}
        for salt in itertools.count():
            name = segment_id(
                keys,
                recipe_digest=self._journal.recipe_digest,
                encoder=self._encoder,
                trained=f"{learned}{'+' * salt}",
            )
            held = name not in adoptable and (self._folder / "segments" / name).exists()
            if name not in used and not held:
                break
        return name

    def _take_over(self, position: int) -> bool:
        sealed = self._adoptable[0]
        learned = sealed.trained
        if not intact(self._folder / "segments" / sealed.entry.id, sealed.entry.files) or (
            learned is not None and not intact(self._folder / "trained" / learned.digest, learned.files)
        ):
            _log.warning("segment %s of the interrupted build is damaged and is built again", sealed.entry.id)
            self._discard_adoptable()
            return False
        _log.info("segment %s of the interrupted build is used as it is", sealed.entry.id)
        del self._adoptable[0]
        self._include(sealed.model_copy(update={"position": position}))
        return True

    def _discard_adoptable(self) -> None:
        """The source went another way than the interrupted build: what is left of that is of no use."""
        discarded, self._adoptable = self._adoptable, []
        if discarded:
            write_journal(self._folder, self._journal)
        for sealed in discarded:
            remove_folder(self._folder / "segments" / sealed.entry.id)
            if sealed.trained is not None:
                remove_folder(self._folder / "trained" / sealed.trained.digest)

    def _include_next(self) -> None:
        finished = self._workers.next()
        self._include(Sealed(position=finished.position, entry=finished.entry))
        self._encoded += finished.encoded
        if self._progress is not None and self._recipe.encoding is not None:
            self._progress("passages encoded", self._encoded, None)

    def _include(self, sealed: Sealed) -> None:
        segment = Segment.open(self._folder, sealed.entry, self._recipe)
        self.segments.append(segment)
        self.live.append(np.ones(segment.rows, dtype=np.bool_))
        if sealed.trained is not None:
            self._trained.append(sealed.trained)
        self._journal = self._journal.model_copy(update={"sealed": (*self._journal.sealed, sealed)})
        listed = self._journal.model_copy(update={"sealed": (*self._journal.sealed, *self._adoptable)})
        write_journal(self._folder, listed)


def _size(segment: Segment, live: BoolArray, kind: str) -> Size:
    """Of what is live; of texts there is at most what the whole table takes."""
    totals = segment.entry.totals
    documents, passages = totals.documents, totals.passages
    if not live.all():
        documents, passages = int(live.sum()), int(live[segment.document_of].sum())
    return Size(documents, passages, segment.entry.files["documents.sqlite"].size, kind)

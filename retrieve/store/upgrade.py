"""Upgrading writes the segments of an older index as this version writes them; nothing is encoded.

Arrays that are files of their own (format 1) are packed, and columns of declared fields with a dot in their name are
built by today's rule. Everything else is copied byte for byte, rows keep their numbers, and the new segments take the
place of the old ones in one commit.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from retrieve.files import writer_lock
from retrieve.store.build_journal import read_journal, remove_journal
from retrieve.store.build_workers import wait_for_orphans
from retrieve.store.commit import commit
from retrieve.store.document_rows import segment_id
from retrieve.store.garbage import remove_garbage
from retrieve.store.manifest import FORMAT, Manifest
from retrieve.store.segment import Segment
from retrieve.store.segment_folder import SegmentFolder
from retrieve.store.snapshot import Snapshot
from retrieve.store.write_segment import write_columns


def upgrade_index(folder: Path) -> int | None:
    """Rewrite segments of an older kind; returns how many there were, None where the index is of today's kind, which
    is not touched.

    An interrupted upgrade leaves the index as it was. What an interrupted build has not committed is let go. Raises
    `IndexLocked` while a writer is at work, and `IndexCorrupt` for a file that fails its checksum.
    """
    with closing(Snapshot.open(folder)) as found:
        if not _is_older(found):  # which needs no lock, nor a folder that can be written
            return None
    with writer_lock(folder / "lock"):
        wait_for_orphans(folder)
        with closing(Snapshot.open(folder)) as base:
            rewritten = None
            if _is_older(base):
                remove_journal(folder)
                remove_garbage(folder, None)
                rewritten = _commit_rewritten(folder, base)
        remove_garbage(folder, read_journal(folder))
    return rewritten


def _is_older(snapshot: Snapshot) -> bool:
    return snapshot.manifest.format < FORMAT or any(map(_is_outdated, snapshot.segments))


def _is_outdated(segment: Segment) -> bool:
    return not segment.packed or bool(segment.outdated_columns)


def _commit_rewritten(folder: Path, base: Snapshot) -> int:
    outdated = [_is_outdated(segment) for segment in base.segments]
    segments = [
        _rewrite(folder, segment, base.manifest) if rewrite else segment
        for segment, rewrite in zip(base.segments, outdated, strict=True)
    ]
    commit(folder, base, segments, base.alive(), base.manifest.trained, {"format": FORMAT})
    return sum(outdated)


def _rewrite(folder: Path, segment: Segment, manifest: Manifest) -> Segment:
    """The segment under another name."""
    name = segment_id([], recipe_digest=segment.id, encoder="", trained=None)
    while (folder / "segments" / name).exists():
        name = segment_id([], recipe_digest=name, encoder="", trained=None)
    recipe = manifest.resolved_recipe()
    segment.check()
    building = SegmentFolder(folder, name)
    building.copy(segment, (name for name in segment.names if not name.startswith("columns/")))
    write_columns(building, recipe.filters.fields, segment.documents.metadata(segment.rows))
    entry = segment.entry.model_copy(update={"id": name, "files": building.seal(name), "deletions": None})
    return Segment.open(folder, entry, recipe)

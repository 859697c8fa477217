"""Upgrading builds anew, in an index of an older version, what this version builds by another rule.

That is the columns of declared fields with a dot in their name, so far. Everything else of a segment is copied byte for
byte, rows keep their numbers, and the new segments take the place of the old ones in one commit.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from retrieve.errors import IndexCorrupt
from retrieve.files import checksum_file, remove_folder, seal_folder, writer_lock
from retrieve.recipe import Recipe
from retrieve.store.build import write_columns
from retrieve.store.build_journal import read_journal, remove_journal
from retrieve.store.build_workers import wait_for_orphans
from retrieve.store.commit import commit
from retrieve.store.garbage import remove_garbage
from retrieve.store.manifest import FileEntry
from retrieve.store.rows import segment_id
from retrieve.store.segment import Segment
from retrieve.store.snapshot import Snapshot


def upgrade_index(folder: Path) -> int:
    """Rewrite the segments with outdated columns; returns how many there were. An index without any is not touched.

    An interrupted upgrade leaves the index as it was. What an interrupted build has not committed is let go. Raises
    `IndexLocked` while a writer is at work, and `IndexCorrupt` for a file that fails its checksum.
    """
    with closing(Snapshot.open(folder)) as found:
        if not _outdated(found):  # which needs no lock, nor a folder that can be written
            return 0
    with writer_lock(folder / "lock"):
        wait_for_orphans(folder)
        with closing(Snapshot.open(folder)) as base:
            outdated = _outdated(base)
            if outdated:
                remove_journal(folder)
                remove_garbage(folder, None)
                _commit_rewritten(folder, base)
        remove_garbage(folder, read_journal(folder))
    return outdated


def _outdated(snapshot: Snapshot) -> int:
    return sum(bool(segment.outdated_columns) for segment in snapshot.segments)


def _commit_rewritten(folder: Path, base: Snapshot) -> None:
    recipe = base.manifest.resolved_recipe()
    segments = [
        _rewrite(folder, segment, recipe) if segment.outdated_columns else segment
        for segment in base.segments
    ]
    commit(folder, base, segments, base.alive(), base.manifest.trained)


def _rewrite(folder: Path, segment: Segment, recipe: Recipe) -> Segment:
    """The segment under another name, its columns built from its documents."""
    name = segment_id([], recipe_digest=segment.id, encoder="", trained=None)
    while (folder / "segments" / name).exists():
        name = segment_id([], recipe_digest=name, encoder="", trained=None)
    building = folder / "segments" / f".building-{name}"
    remove_folder(building)
    for file, expected in segment.entry.files.items():
        if file.startswith("columns/"):
            continue
        (building / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(segment.folder / file, building / file)
        if checksum_file(building / file) != expected.checksum:  # a new checksum would hide the damage
            raise IndexCorrupt(f"{segment.folder / file} fails its checksum: rebuild, or restore from a copy")
    write_columns(building, recipe.filters.fields, segment.documents.metadata(segment.rows))
    files = seal_folder(building, folder / "segments" / name)
    entry = segment.entry.model_copy(
        update={
            "id": name,
            "files": {key: FileEntry(size=size, checksum=digest) for key, (size, digest) in files.items()},
            "deletions": None,
        }
    )
    return Segment.open(folder, entry, recipe)

"""Removes what no generation needs any more, and never what a reader may still be reading.

Only a process that holds the writer's lock may remove it. A folder stays while the current manifest, the build's
journal, an older generation with a live reader, or the index whose place an empty one took names it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from retrieve.errors import IndexLocked
from retrieve.files import has_readers, remove_folder, writer_lock
from retrieve.store.build_journal import BuildJournal, read_journal
from retrieve.store.manifest import Manifest, older_generations, read_manifest

_KEPT_MANIFESTS = 2

_log = logging.getLogger("retrieve")


def remove_garbage(folder: Path, journal: BuildJournal | None) -> None:
    """Delete segments, trained indexes and deletions that nothing names, and manifests beyond the last two."""
    current = read_manifest(folder)
    named = [current]
    for age, generation in enumerate(older_generations(folder, current.generation)):
        if has_readers(folder / "readers" / str(generation)) or generation == current.replaced:
            named.append(read_manifest(folder, f"manifest.{generation}.json"))
        elif age >= _KEPT_MANIFESTS:
            (folder / f"manifest.{generation}.json").unlink()
    segments = {entry.id for manifest in named for entry in manifest.segments}
    trained = {item.digest for manifest in named for item in manifest.trained}
    if journal is not None:
        segments |= {sealed.entry.id for sealed in journal.sealed}
        trained |= {sealed.trained.digest for sealed in journal.sealed if sealed.trained is not None}
    _keep_only(folder / "segments", segments)
    _keep_only(folder / "trained", trained)
    _keep_only(folder / "deletions", {str(number) for manifest in named for number in _deletions(manifest)})
    for leftover in folder.glob(".*.new"):  # of a file that was being replaced when its writer was killed
        leftover.unlink()


def tidy(folder: Path) -> None:
    """Sweep after a generation was let go. Where a writer is at work there is nothing to do: it sweeps at its end."""
    try:
        with writer_lock(folder / "lock"):
            remove_garbage(folder, read_journal(folder))
    except IndexLocked:
        _log.info("%s is being written: files that are not needed any more go when that is done", folder)


def _deletions(manifest: Manifest) -> set[int]:
    return {entry.deletions.generation for entry in manifest.segments if entry.deletions is not None}


def _keep_only(folder: Path, names: set[str]) -> None:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name not in names and path.is_dir():
            remove_folder(path)

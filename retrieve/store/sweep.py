"""Removes what no generation needs any more, and never what a reader may still be reading.

Only a process that holds the writer's lock may sweep. A folder stays while the current manifest, the pending list,
or an older generation with a live reader names it.
"""

from __future__ import annotations

from pathlib import Path

from retrieve.files import has_readers, remove_folder
from retrieve.store.manifest import Manifest, read_manifest
from retrieve.store.pending import Pending

_KEPT_MANIFESTS = 2


def sweep(folder: Path, pending: Pending | None) -> None:
    """Delete segments, trained indexes and deletions that nothing names, and manifests beyond the last two."""
    current = read_manifest(folder)
    named = [current]
    older = sorted((int(path.name.split(".")[1]) for path in folder.glob("manifest.*.json")), reverse=True)
    for age, generation in enumerate(older):
        if has_readers(folder / "readers" / str(generation)):
            named.append(read_manifest(folder, f"manifest.{generation}.json"))
        elif age >= _KEPT_MANIFESTS:
            (folder / f"manifest.{generation}.json").unlink()
    segments = {entry.id for manifest in named for entry in manifest.segments}
    trained = {item.digest for manifest in named for item in manifest.trained}
    if pending is not None:
        segments |= {sealed.entry.id for sealed in pending.sealed}
        trained |= {sealed.trained.digest for sealed in pending.sealed if sealed.trained is not None}
    _keep_only(folder / "segments", segments)
    _keep_only(folder / "trained", trained)
    _keep_only(folder / "deletions", {str(number) for manifest in named for number in _deletions(manifest)})


def _deletions(manifest: Manifest) -> set[int]:
    return {entry.deletions.generation for entry in manifest.segments if entry.deletions is not None}


def _keep_only(folder: Path, names: set[str]) -> None:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name not in names:
            remove_folder(path)

"""Reads every byte that an index names and says what does not hold; an empty answer means that all of it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from retrieve.errors import IndexCorrupt
from retrieve.files import checksum_file
from retrieve.store.manifest import FileEntry, read_manifest
from retrieve.store.snapshot import Snapshot
from retrieve.types import Progress


def verify(folder: Path, progress: Progress | None = None) -> list[str]:
    """Problems found, one sentence each: manifest, sizes, checksums, and whether the tables agree with each other."""
    try:
        manifest = read_manifest(folder)
    except IndexCorrupt as error:
        return [str(error)]
    problems: list[str] = []
    folders: list[tuple[Path, Mapping[str, FileEntry]]] = []
    for entry in manifest.segments:
        folders.append((folder / "segments" / entry.id, entry.files))
        if entry.deletions is not None:
            folders.append((folder / "deletions" / str(entry.deletions.generation), entry.deletions.files))
    folders += [(folder / "trained" / item.digest, item.files) for item in manifest.trained]
    for number, (place, files) in enumerate(folders):
        problems += _check_files(place, files)
        if progress is not None:
            progress("folders checked", number + 1, len(folders))
    return problems or _check_tables(folder)


def _check_files(place: Path, files: Mapping[str, FileEntry]) -> Iterator[str]:
    for name, entry in files.items():
        path = place / name
        if not path.is_file():
            yield f"{path} is missing"
        elif path.stat().st_size != entry.size:
            yield f"{path} has {path.stat().st_size} bytes, the manifest says {entry.size}"
        elif checksum_file(path) != entry.checksum:
            yield f"{path} fails its checksum"


def _check_tables(folder: Path) -> list[str]:
    """Checksums hold, so a contradiction between tables is a fault of the writer: worth a check all the same."""
    try:
        snapshot = Snapshot.open(folder)
    except IndexCorrupt as error:
        return [str(error)]
    problems = []
    live = 0
    seen: set[str] = set()
    for segment, alive in zip(snapshot.segments, snapshot.live, strict=True):
        entry = segment.entry
        if (len(segment.ids), len(segment.passages)) != (entry.totals.documents, entry.totals.passages):
            problems.append(f"segment {entry.id}: tables and manifest disagree on the number of rows")
        if segment.has_vectors and len(segment.vectors) != entry.totals.passages:
            problems.append(
                f"segment {entry.id}: {len(segment.vectors)} vectors, {entry.totals.passages} passages"
            )
        rows = segment.rows if alive is None else int(alive.sum())
        live += rows
        if rows != entry.live.documents:
            problems.append(f"segment {entry.id}: deletions and manifest disagree")
        names = [name for row, name in enumerate(segment.ids) if alive is None or alive[row]]
        problems += [f"document {name!r} is live in two segments" for name in names if name in seen]
        seen.update(names)
    if live != snapshot.manifest.totals.documents:
        problems.append("live documents and the manifest's total disagree")
    snapshot.close()
    return problems

"""Reads every byte that an index names and says what does not hold; an empty answer means that all of it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from retrieve.errors import FormatTooNew, IndexCorrupt, IndexNotFound
from retrieve.store.manifest import Manifest, older_generations, read_manifest
from retrieve.store.sealed import Files, damage
from retrieve.store.segment import Segment
from retrieve.store.snapshot import Snapshot, hold_current
from retrieve.types import Progress

_CHUNK = 65_536


def verify(folder: Path, progress: Progress | None = None) -> list[str]:
    """Problems found, one sentence each: manifest, sizes, checksums, and whether the tables agree with each other."""
    try:
        manifest, lock = hold_current(folder)
    except IndexCorrupt as error:
        return [str(error)]
    try:
        problems = list(_check_older(folder, manifest.generation))
        folders = named_folders(folder, manifest)
        for number, (place, files) in enumerate(folders):
            problems += damage(place, files)
            if progress is not None:
                progress("folders checked", number + 1, len(folders))
        return problems or _check_tables(folder)
    finally:
        lock.release()


def named_folders(folder: Path, manifest: Manifest) -> list[tuple[Path, Files]]:
    """Every sealed folder that a generation names, with what it says of its files."""
    folders: list[tuple[Path, Files]] = []
    for entry in manifest.segments:
        folders.append((folder / "segments" / entry.id, entry.files))
        if entry.deletions is not None:
            folders.append((folder / "deletions" / str(entry.deletions.generation), entry.deletions.files))
    return folders + [(folder / "trained" / item.digest, item.files) for item in manifest.trained]


def _check_older(folder: Path, current: int) -> Iterator[str]:
    """Manifests of older generations, which say what their readers still need."""
    for generation in older_generations(folder, current):
        try:
            read_manifest(folder, f"manifest.{generation}.json")
        except (IndexCorrupt, FormatTooNew) as error:
            yield str(error)
        except IndexNotFound:  # swept meanwhile
            continue


def _check_tables(folder: Path) -> list[str]:
    """Checksums hold, so a contradiction between tables is a fault of the writer: worth a check all the same."""
    try:
        snapshot = Snapshot.open(folder)
    except IndexCorrupt as error:
        return [str(error)]
    problems: list[str] = []
    for number, segment in enumerate(snapshot.segments):
        problems += _check_segment(snapshot, number, segment)
        problems += _check_ids(snapshot, number, segment)
    snapshot.close()
    return problems


def _check_segment(snapshot: Snapshot, number: int, segment: Segment) -> Iterator[str]:
    totals = segment.entry.totals
    if (len(segment.ids), len(segment.passages)) != (totals.documents, totals.passages):
        yield f"segment {segment.id}: tables and manifest disagree on the number of rows"
    if len(segment.documents.expanded()) != totals.expanded:
        yield f"segment {segment.id}: documents and manifest disagree on how many are expanded"
    if segment.has_vectors and len(segment.vectors) != totals.passages:
        yield f"segment {segment.id}: {len(segment.vectors)} vectors, {totals.passages} passages"
    yield from _check_views(snapshot, segment)
    alive = snapshot.live[number]
    if (segment.rows if alive is None else int(alive.sum())) != segment.entry.live.documents:
        yield f"segment {segment.id}: deletions and manifest disagree"


def _check_views(snapshot: Snapshot, segment: Segment) -> Iterator[str]:
    """Every view of the recipe is there, with as many rows as there are passages, and what it was made by is known."""
    passages = segment.entry.totals.passages
    for view in segment.views:
        if not segment.holds(view.name):
            yield f"segment {segment.id} has no view {view.name}"
            continue
        try:
            for problem in view.verify(segment.view(view), passages):
                yield f"segment {segment.id}: the view {view.name} has {problem}"
        except IndexCorrupt as error:
            yield f"segment {segment.id}: {error}"
    if segment.entry.trained not in {None, *(item.digest for item in snapshot.manifest.trained)}:
        yield f"segment {segment.id} was made by {segment.entry.trained}, which the manifest does not name"


def _check_ids(snapshot: Snapshot, number: int, segment: Segment) -> Iterator[str]:
    """Live documents that are live in a later segment too, where `locate` finds them: a chunk in memory at a time."""
    alive = snapshot.live[number]
    rows = np.arange(segment.rows) if alive is None else np.flatnonzero(alive)
    for start in range(0, len(rows), _CHUNK):
        names = segment.ids.get_many(rows[start : start + _CHUNK])
        for name, place in zip(names, snapshot.locate(names), strict=True):
            if place is None or place.segment != number:
                yield f"document {name!r} is live in two segments"

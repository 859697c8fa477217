"""Deleted rows of segments, by generation: which they are, and what views keep of them.

`deletions/<generation>/<segment>.arrays` holds a bitmap of a segment's deleted documents, and arrays of its views.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieve.errors import IndexCorrupt
from retrieve.files import remove_folder, seal_folder
from retrieve.packed import PackedArrays, PackedWriter
from retrieve.store.manifest import Deletions, Totals
from retrieve.store.sealed import ARRAYS, LooseArrays, check_sizes, file_entries, open_arrays
from retrieve.store.segment import BoolArray, Segment
from retrieve.views.protocol import Array

_ROWS = "rows"  # the bitmap; the others are views'


def write_deletions(
    index: Path, generation: int, deleted: Sequence[tuple[Segment, BoolArray]]
) -> dict[str, Deletions]:
    """Write deleted rows into one sealed folder; returns what the manifest says of each segment, by its id."""
    place = index / "deletions" / str(generation)
    building = place.with_name(f".building-{generation}")
    remove_folder(building)
    building.mkdir(parents=True)
    totals, files = {}, {}
    for segment, rows in deleted:
        writer = PackedWriter(building / _file(segment))
        totals[segment.id] = _write(writer, segment, rows)
        files[_file(segment)] = writer.finish()
    sealed = file_entries(seal_folder(building, place, files))
    return {
        segment.id: Deletions(
            generation=generation, totals=totals[segment.id], files={_file(segment): sealed[_file(segment)]}
        )
        for segment, _ in deleted
    }


def live_rows(index: Path, segment: Segment) -> BoolArray | None:
    """Which documents of a segment are not deleted; None: all. Raises `IndexCorrupt`."""
    deletions = segment.entry.deletions
    if deletions is None:
        return None
    check_sizes(index / "deletions" / str(deletions.generation), deletions.files)
    packed = _arrays(index, segment, deletions).array(_ROWS)
    if len(packed) * 8 < segment.rows:
        raise IndexCorrupt(
            f"the deletions of segment {segment.id} do not go with it: restore the index from a copy"
        )
    return ~np.unpackbits(packed, count=segment.rows, bitorder="little").astype(np.bool_)


def deleted_statistics(index: Path, segment: Segment) -> dict[str, Array]:
    """What views keep of a segment's deleted rows, by name."""
    deletions = segment.entry.deletions
    if deletions is None:
        return {}
    arrays = _arrays(index, segment, deletions)
    return {name: arrays.array(name) for name in arrays.names if name != _ROWS}


def deletions_checksum(index: Path, segment: Segment) -> str:
    """Of the bitmap; empty where nothing is deleted."""
    deletions = segment.entry.deletions
    return "" if deletions is None else _arrays(index, segment, deletions).checksum(_ROWS)


def _file(segment: Segment) -> str:
    return f"{segment.id}.{ARRAYS}"


def _arrays(index: Path, segment: Segment, deletions: Deletions) -> PackedArrays | LooseArrays:
    return open_arrays(index / "deletions" / str(deletions.generation), deletions.files, segment.id)


def _write(writer: PackedWriter, segment: Segment, deleted: BoolArray) -> Totals:
    writer.add(_ROWS, np.packbits(deleted, bitorder="little"))
    passages = deleted[segment.document_of]
    termed = length = 0
    for view in segment.views:
        taken = view.deleted(segment.view(view), passages)
        termed += taken.termed
        length += taken.terms
        for name, values in taken.arrays.items():
            writer.add(name, values)
    per_document = np.diff(segment.first_passage)[deleted]
    units = segment.units[deleted].sum(axis=0, dtype=np.int64)
    return Totals(
        documents=int(deleted.sum()),
        empty=int((per_document == 0).sum()),
        passages=int(passages.sum()),
        termed=termed,
        length=length,
        units=int(units[0]),
        indexed=int(units[1]),
        truncated=int(units[2]),
        expanded=int(deleted[segment.documents.expanded()].sum()) if segment.entry.totals.expanded else 0,
    )

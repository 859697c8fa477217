"""Writes one segment: documents and passages in id order, then each view, then the seal.

A new batch and a merge end in the same function; they differ in where postings and vectors come from. A segment's
id is a hash of what goes in (recipe, encoder, what was learned, documents), so a repeated build finds its own work.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.index.strings import SortedStrings
from retrieve.store.document_rows import IntArray, Row
from retrieve.store.documents import write_documents
from retrieve.store.filter_columns import build_columns
from retrieve.store.manifest import SegmentEntry, Totals
from retrieve.store.segment_folder import SegmentFolder
from retrieve.views.protocol import Built, Learned


class Made(NamedTuple):
    """What the views of a segment have become, one by one, what they were made by, and the tokens of each document
    (N,) that the encoder left out on the way.
    """

    built: Sequence[Built]
    learned: Learned | None = None
    cut: IntArray | None = None


def write_segment(
    index: Path,
    name: str,
    rows: Sequence[Row] | Callable[[], Iterator[Row]],
    make_views: Callable[[SegmentFolder], Made],
    fields: Sequence[str],
) -> SegmentEntry:
    """Write and seal `segments/<name>`; rows come in id order, as a list or as a function that streams them again.

    `make_views` writes the views into what is being built; `fields` are the declared ones of metadata.
    """
    stream = rows if callable(rows) else lambda: iter(rows)
    building = SegmentFolder(index, name)
    totals, units = _write_tables(building, stream, fields)
    made = make_views(building)
    counted = {
        "termed": sum(built.termed for built in made.built),
        "length": sum(built.terms for built in made.built),
    }
    return seal_segment(building, name, totals.model_copy(update=counted), units, made)


def seal_segment(
    building: SegmentFolder, name: str, totals: Totals, units: npt.NDArray[np.uint32], made: Made
) -> SegmentEntry:
    """Write `units` (N,4) with what the encoder cut now, and seal tables and views under `name`.

    `totals` are those of the tables and of the views.
    """
    if made.cut is not None:
        units[:, 2] += made.cut.astype(np.uint32)
    building.write("units", units)
    if any(built.vectors for built in made.built):
        building.keep_vectors()
    files = building.seal(name)
    used = made.learned is not None and any(built.learned for built in made.built)
    return SegmentEntry(
        id=name,
        totals=totals.model_copy(update={"truncated": int(units[:, 2].sum())}),
        trained=made.learned.digest if used and made.learned else None,
        files=files,
    )


def write_columns(
    building: SegmentFolder, fields: Sequence[str], metadatas: Iterable[Mapping[str, Any]]
) -> None:
    """The declared fields of a segment, from the metadata of its documents in row order."""
    columns = build_columns(fields, metadatas)
    for number, field in enumerate(fields):
        for key, values in columns[field].items():
            building.write(f"columns/{number}.{key}", values)


def _write_tables(
    building: SegmentFolder, stream: Callable[[], Iterator[Row]], fields: Sequence[str]
) -> tuple[Totals, npt.NDArray[np.uint32]]:
    """All but the views; returns also `units` (N,4), which is written when the views are there."""
    for key, values in SortedStrings.build(row.document.id for row in stream()).arrays().items():
        building.write(f"ids/{key}", values)
    spans: list[IntArray] = []
    counts = array("q")
    units = array("I")
    expanded = 0
    for row in stream():
        expanded += bool(row.document.expansion)
        spans.append(row.spans)
        counts.append(len(row.spans))
        units.extend((row.units, row.indexed, row.cut, row.size))
    per_document = np.frombuffer(counts, dtype=np.int64)
    table = np.empty((int(per_document.sum()), 3), dtype=np.uint32)
    table[:, 0] = np.repeat(np.arange(len(per_document)), per_document)
    if len(table):
        table[:, 1:] = np.concatenate(spans)
    building.write("passages", table)
    counted = np.array(units, dtype=np.uint32).reshape(-1, 4)
    write_documents(building.folder / "documents.sqlite", ((row.document, row.hashes) for row in stream()))
    write_columns(building, fields, (row.document.metadata for row in stream()))
    totals = Totals(
        documents=len(per_document),
        empty=int((per_document == 0).sum()),
        passages=len(table),
        units=int(counted[:, 0].sum()),
        indexed=int(counted[:, 1].sum()),
        expanded=expanded,
    )
    return totals, counted

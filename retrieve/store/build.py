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

from retrieve.files import remove_folder, seal_folder, write_array
from retrieve.index.strings import SortedStrings
from retrieve.recipe import Recipe
from retrieve.store.columns import build_columns
from retrieve.store.documents import write_documents
from retrieve.store.manifest import FileEntry, SegmentEntry, Totals
from retrieve.store.rows import IntArray, Row
from retrieve.views.protocol import Array, Built, Learned


class Made(NamedTuple):
    """What the views of a segment have become, one by one, what they were made by, and the tokens of each document
    (N,) that the encoder left out on the way.
    """

    built: Sequence[Built]
    learned: Learned | None = None
    cut: IntArray | None = None


class ViewOutput:
    """The folder of a view in the folder of a segment that is being built."""

    def __init__(self, building: Path, view: str) -> None:
        self._folder = building / view

    def write(self, name: str, values: Array) -> None:
        """An array."""
        write_array(self._folder / f"{name}.npy", values)

    def write_file(self, name: str, data: bytes) -> None:
        """A file."""
        self._folder.mkdir(exist_ok=True)
        (self._folder / name).write_bytes(data)


def write_segment(
    index: Path,
    name: str,
    rows: Sequence[Row] | Callable[[], Iterator[Row]],
    make_views: Callable[[Path], Made],
    *,
    recipe: Recipe,
) -> SegmentEntry:
    """Write and seal `segments/<name>`; rows come in id order, as a list or as a function that streams them again.

    `make_views` gets the folder being built and writes the views into it.
    """
    stream = rows if callable(rows) else lambda: iter(rows)
    segments = index / "segments"
    segments.mkdir(exist_ok=True)
    building = segments / f".building-{name}"
    remove_folder(building)
    building.mkdir()
    totals, units = _write_tables(building, stream, recipe)
    made = make_views(building)
    counted = {
        "termed": sum(built.termed for built in made.built),
        "length": sum(built.terms for built in made.built),
    }
    return seal_segment(building, name, totals.model_copy(update=counted), units, made, recipe=recipe)


def seal_segment(
    building: Path,
    name: str,
    totals: Totals,
    units: npt.NDArray[np.uint32],
    made: Made,
    *,
    recipe: Recipe,
) -> SegmentEntry:
    """Write `units` (N,4) with what the encoder cut now, and seal tables and views under `name`.

    `totals` are those of the tables and of the views.
    """
    if made.cut is not None:
        units[:, 2] += made.cut.astype(np.uint32)
    write_array(building / "units.npy", units)
    form = recipe.vectors
    if form is not None and not form.keep and not any(built.vectors for built in made.built):
        _remove_vectors(building / form.folder)
    files = seal_folder(building, building.with_name(name))
    used = made.learned is not None and any(built.learned for built in made.built)
    return SegmentEntry(
        id=name,
        totals=totals.model_copy(update={"truncated": int(units[:, 2].sum())}),
        trained=made.learned.digest if used and made.learned else None,
        files={key: FileEntry(size=size, checksum=digest) for key, (size, digest) in files.items()},
    )


def write_columns(building: Path, fields: Sequence[str], metadatas: Iterable[Mapping[str, Any]]) -> None:
    """The declared fields of a segment, from the metadata of its documents in row order."""
    columns = build_columns(fields, metadatas)
    for number, field in enumerate(fields):
        for key, values in columns[field].items():
            write_array(building / f"columns/{number}.{key}.npy", values)


def _write_tables(
    building: Path, stream: Callable[[], Iterator[Row]], recipe: Recipe
) -> tuple[Totals, npt.NDArray[np.uint32]]:
    """All but the views; returns also `units` (N,4), which is written when the views are there."""
    for key, values in SortedStrings.build(row.document.id for row in stream()).arrays().items():
        write_array(building / f"ids/{key}.npy", values)
    spans: list[IntArray] = []
    counts = array("q")
    units = array("I")
    for row in stream():
        spans.append(row.spans)
        counts.append(len(row.spans))
        units.extend((row.units, row.indexed, row.cut, row.size))
    per_document = np.frombuffer(counts, dtype=np.int64)
    table = np.empty((int(per_document.sum()), 3), dtype=np.uint32)
    table[:, 0] = np.repeat(np.arange(len(per_document)), per_document)
    if len(table):
        table[:, 1:] = np.concatenate(spans)
    write_array(building / "passages.npy", table)
    counted = np.array(units, dtype=np.uint32).reshape(-1, 4)
    write_documents(building / "documents.sqlite", ((row.document, row.hashes) for row in stream()))
    write_columns(building, recipe.filters.fields, (row.document.metadata for row in stream()))
    totals = Totals(
        documents=len(per_document),
        empty=int((per_document == 0).sum()),
        passages=len(table),
        units=int(counted[:, 0].sum()),
        indexed=int(counted[:, 1].sum()),
    )
    return totals, counted


def _remove_vectors(folder: Path) -> None:
    """Take away vectors that views were made of, and that are not to be kept, if they are there."""
    if not folder.is_dir():
        return
    for path in folder.glob("*.npy"):
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()

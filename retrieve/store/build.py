"""Writes one segment: documents and passages in id order, then each view, then the seal.

A new batch and a merge end in the same function; they differ in where postings and vectors come from. A segment's
id is a hash of what goes in (recipe, encoder, what was learned, documents), so a repeated build finds its own work.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from retrieve.files import new_array, remove_folder, seal_folder, write_array
from retrieve.index.codes import Codes
from retrieve.index.compiled_strings import CompiledStrings
from retrieve.index.postings import Postings
from retrieve.index.stored import Form, StoredVectors
from retrieve.index.strings import SortedStrings
from retrieve.recipe import Recipe, VectorForm
from retrieve.store.columns import build_columns
from retrieve.store.documents import Fingerprints, write_documents
from retrieve.store.manifest import FileEntry, SegmentEntry, Totals
from retrieve.types import Document

IntArray = npt.NDArray[np.int64]


class Row(NamedTuple):
    """A document on its way into a segment. `spans` (S,2) int64; `vectors` or token-level `codes`, S of them, if they
    are known already.

    `size`: bytes of title, text and metadata. `cut`: tokens that the encoder left out when it made those.
    """

    document: Document
    hashes: Fingerprints
    spans: IntArray
    units: int
    indexed: int
    size: int
    vectors: StoredVectors | None = None
    cut: int = 0
    codes: Codes | None = None

    @property
    def encoded(self) -> bool:
        """Whether there is nothing left to encode."""
        return self.vectors is not None or self.codes is not None


class Views(NamedTuple):
    """What each view of a segment is made of; None where the recipe has no such view, or it is on disk already.

    `impacts` are the postings of the SPLADE view. `cut` (N,) int64: tokens of each document that the encoder left out
    just now, beside what its row says.
    """

    postings: Postings | None = None
    vectors: StoredVectors | None = None
    faiss: bytes | None = None
    impacts: Postings | None = None
    cut: IntArray | None = None
    trained: str | None = None


def segment_id(
    keys: Iterable[tuple[str, bytes]], *, recipe_digest: str, encoder: str, trained: str | None
) -> str:
    """32 hexadecimal digits from everything a segment's bytes depend on; `keys` are sorted (id, content hash)."""
    digest = xxhash.xxh3_128(f"{recipe_digest}\0{encoder}\0{trained or ''}\0".encode())
    for doc_id, content in keys:
        digest.update(doc_id.encode())
        digest.update(b"\0")
        digest.update(content)
    return digest.hexdigest()


def row_key(doc_id: str, hashes: Fingerprints, vectors: StoredVectors | None) -> tuple[str, bytes]:
    """What a document contributes to its segment's id: vectors that do not come from the encoder are content too."""
    if vectors is None:
        return doc_id, hashes.content
    return doc_id, hashes.content + xxhash.xxh3_128_digest(vectors.tobytes())


def build_postings(rows: Iterable[Sequence[str]]) -> Postings:
    """The terms of passages in row order → an inverted index. Term ids are by sorted term, not by first sight."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    stream = array("I")
    starts = array("q", [0])
    for terms in rows:
        stream.extend(map(numbers.__getitem__, terms))
        starts.append(len(stream))
    vocabulary = sorted(numbers)
    renumber = np.empty(len(vocabulary), dtype=np.uint32)
    renumber[np.fromiter(map(numbers.__getitem__, vocabulary), np.int64, len(vocabulary))] = np.arange(
        len(vocabulary), dtype=np.uint32
    )
    occurrences = np.frombuffer(stream, dtype=np.uint32) if stream else np.empty(0, dtype=np.uint32)
    np.take(renumber, occurrences, out=occurrences, mode="clip")  # in place: "raise" would go through a copy
    table = CompiledStrings.build(vocabulary)
    del numbers, vocabulary  # inverting is the peak of a build's memory
    return Postings.build(table, occurrences, np.frombuffer(starts, dtype=np.int64))


def create_vectors(building: Path, form: VectorForm, rows: int, dimensions: int) -> StoredVectors:
    """Room for a segment's vectors, in the recipe's form and in the very files that will be sealed."""
    folder = building / form.folder
    folder.mkdir()

    def new(name: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        return new_array(folder / f"{name}.npy", shape, dtype)

    return StoredVectors.make(Form.of(form.storage, form.rescore), rows, dimensions, new)


def write_segment(
    index: Path,
    name: str,
    rows: Sequence[Row] | Callable[[], Iterator[Row]],
    make_views: Callable[[Path], Views],
    *,
    recipe: Recipe,
) -> SegmentEntry:
    """Write and seal `segments/<name>`; rows come in id order, as a list or as a function that streams them again.

    `make_views` gets the folder being built (large arrays may be written straight into it) and returns the views.
    """
    stream = rows if callable(rows) else lambda: iter(rows)
    segments = index / "segments"
    segments.mkdir(exist_ok=True)
    building = segments / f".building-{name}"
    remove_folder(building)
    building.mkdir()
    totals, units = _write_tables(building, stream, recipe)
    views = make_views(building)
    lengths = np.empty(0, np.uint32) if views.postings is None else views.postings.lengths
    counted = {"termed": int(np.count_nonzero(lengths)), "length": int(lengths.sum(dtype=np.int64))}
    return seal_segment(building, name, totals.model_copy(update=counted), units, views, recipe=recipe)


def seal_segment(
    building: Path,
    name: str,
    totals: Totals,
    units: npt.NDArray[np.uint32],
    views: Views,
    *,
    recipe: Recipe,
) -> SegmentEntry:
    """Write the views beside the tables, and `units` (N,4) with what the encoder cut now; seal the folder under `name`.

    `totals` are those of the tables and of the postings.
    """
    if views.cut is not None:
        units[:, 2] += views.cut.astype(np.uint32)
    write_array(building / "units.npy", units)
    for view, postings in (("bm25", views.postings), ("splade", views.impacts)):
        for key, values in ({} if postings is None else postings.arrays()).items():
            write_array(building / f"{view}/{key}.npy", values)
    if recipe.vectors is not None:
        _write_vectors(building, views, recipe.vectors)
    files = seal_folder(building, building.with_name(name))
    return SegmentEntry(
        id=name,
        totals=totals.model_copy(update={"truncated": int(units[:, 2].sum())}),
        trained=views.trained,
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


def _write_vectors(building: Path, views: Views, form: VectorForm) -> None:
    folder = building / form.folder
    folder.mkdir(exist_ok=True)
    if views.faiss is not None:
        (folder / "index.faiss").write_bytes(views.faiss)
    # A dense view has to have one or the other.
    if views.vectors is not None and (form.keep or (form.folder == "dense" and views.faiss is None)):
        for name, values in views.vectors.arrays().items():
            path = folder / f"{name}.npy"
            if not path.exists():
                write_array(path, values)
    else:
        for path in folder.glob("*.npy"):
            path.unlink()
        if views.faiss is None:
            folder.rmdir()

"""One immutable segment, opened: ids, passages and views as memory-mapped arrays, rows in document-id order.

Opening checks the size of every file. A file of up to 64 MiB is compared with its checksum when it is first used, a
larger one by `retrieve index verify`, except a FAISS file, which is checked before it is deserialised.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.errors import IndexCorrupt
from retrieve.files import LARGEST_CHECKED, check_small, checksum_file, read_array, read_checked, reading
from retrieve.index.compiled_strings import CompiledStrings
from retrieve.index.counted import Counted
from retrieve.index.postings import Postings
from retrieve.index.stored import StoredVectors
from retrieve.index.strings import SortedStrings
from retrieve.process import ForkSafeLock
from retrieve.store.columns import Column
from retrieve.store.documents import DocumentTable
from retrieve.store.manifest import FileEntry, SegmentEntry

_VECTOR_FOLDERS = ("dense", "vectors")
"""Where vectors are: of the dense view, or kept for a view that was made of them."""

_COMPILED_VIEWS = ("bm25", "uhd", "splade")
"""The views that compiled kernels build."""

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class Segment:
    """A segment's parts. Passage rows of one document are neighbours, in the order of their positions."""

    def __init__(self, folder: Path, entry: SegmentEntry, columns: Sequence[str]) -> None:
        self.folder = folder
        self.entry = entry
        self.id = entry.id
        self._column_names = tuple(columns)
        self._faiss_lock = ForkSafeLock()
        self._faiss: Any = None

    @classmethod
    def open(cls, index: Path, entry: SegmentEntry, columns: Sequence[str]) -> Segment:
        """Open and check sizes; everything is read, or mapped, when it is first used."""
        folder = index / "segments" / entry.id
        check_sizes(folder, entry.files)
        return cls(folder, entry, columns)

    def close(self) -> None:
        """Close the document table if it was opened; maps go with the last array that refers to them."""
        if "documents" in self.__dict__:
            self.documents.close()

    def with_entry(self, entry: SegmentEntry) -> Segment:
        """The same open files under an entry with other deletions."""
        clone = Segment(self.folder, entry, self._column_names)
        shared = {name: value for name, value in self.__dict__.items() if name not in clone.__dict__}
        clone.__dict__.update(shared)
        clone._faiss = self._faiss
        return clone

    @property
    def rows(self) -> int:
        """Documents, deleted ones included."""
        return self.entry.totals.documents

    @property
    def passage_rows(self) -> int:
        """Passages, those of deleted documents included."""
        return self.entry.totals.passages

    def _array(self, name: str) -> npt.NDArray[Any]:
        if name not in self.entry.files:
            raise IndexCorrupt(f"{self.folder / name} is not named by the manifest: rebuild the index")
        return read_array(self.folder / name, self.entry.files[name].checksum)

    def _arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        length = len(prefix)
        return {
            name[length : -len(".npy")]: self._array(name)
            for name in self.entry.files
            if name.startswith(prefix) and name.endswith(".npy")
        }

    @cached_property
    def ids(self) -> SortedStrings:
        """Document ids in row order, found by kernels where the segment has a view that needs those anyway."""
        compiled = any(self.nbytes(f"{view}/") for view in _COMPILED_VIEWS)
        return (CompiledStrings if compiled else SortedStrings).from_arrays(self._arrays("ids/"))

    @cached_property
    def passages(self) -> npt.NDArray[np.uint32]:
        """(P,3) uint32: document row, start, end."""
        return self._array("passages.npy")

    @cached_property
    def document_of(self) -> npt.NDArray[np.uint32]:
        """(P,) uint32, contiguous: the document row of each passage."""
        return np.ascontiguousarray(self.passages[:, 0])

    @cached_property
    def first_passage(self) -> IntArray:
        """(N+1,) int64: a document's passages are rows first[row] to first[row + 1]."""
        return np.searchsorted(self.document_of, np.arange(self.rows + 1)).astype(np.int64)

    @cached_property
    def units(self) -> npt.NDArray[np.uint32]:
        """(N,4) uint32, for each document: its tokens (or words), how many of them a passage holds, tokens that the
        encoder cut off its passages, and bytes of title, text and metadata.
        """
        return self._array("units.npy")

    @cached_property
    def documents(self) -> DocumentTable:
        """Titles, texts and metadata."""
        path, entry = self.folder / "documents.sqlite", self.entry.files["documents.sqlite"]
        checked = check_small(path, entry.size, entry.checksum)
        return DocumentTable.open(path, compare=not checked)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Declared filter fields, without those of `outdated_columns`."""
        return {
            name: Column.from_arrays(self._arrays(f"columns/{number}."))
            for number, name in enumerate(self._column_names)
            if name not in self.outdated_columns
        }

    @cached_property
    def outdated_columns(self) -> frozenset[str]:
        """Declared fields whose columns hold what an older version found under a name with a dot.

        It did not look for the whole name as a key, nor did it count holders, which is how its columns are known. Until
        `upgrade_index` or a merge builds them anew, documents are read in their place.
        """
        return frozenset(
            name
            for number, name in enumerate(self._column_names)
            if "." in name and f"columns/{number}.holders.npy" not in self.entry.files
        )

    @cached_property
    def postings(self) -> Postings:
        """The BM25 view."""
        return Postings.from_arrays(self._arrays("bm25/"))

    @cached_property
    def codes(self) -> Counted:
        """The UHD view."""
        return Counted.from_arrays(self._arrays("uhd/"))

    @cached_property
    def impacts(self) -> Postings:
        """The SPLADE view: an impact stands where BM25 has a term frequency."""
        return Postings.from_arrays(self._arrays("splade/"))

    @property
    def has_vectors(self) -> bool:
        """Whether the vectors themselves were kept."""
        return any(f"{folder}/vectors.npy" in self.entry.files for folder in _VECTOR_FOLDERS)

    @property
    def has_signs(self) -> bool:
        """Whether sign bits of the vectors were kept, for a first look at all of them."""
        return "dense/bits.npy" in self.entry.files

    @cached_property
    def vectors(self) -> StoredVectors:
        """P vectors of D dimensions, memory-mapped."""
        arrays = (self._arrays(f"{folder}/") for folder in _VECTOR_FOLDERS)
        return StoredVectors.from_arrays(next((found for found in arrays if found), {}))

    @property
    def has_faiss(self) -> bool:
        """Whether this segment has a FAISS index (a segment sealed before training has not)."""
        return "dense/index.faiss" in self.entry.files

    @property
    def faiss(self) -> Any:
        """The FAISS index, read into memory, checked, and deserialised from those bytes."""
        with self._faiss_lock:
            if self._faiss is None:
                from retrieve.index.faiss_index import load, to_device

                name = "dense/index.faiss"
                index = load(read_checked(self.folder / name, self.entry.files[name].checksum))
                # Without kept vectors the index has to give its own back, which FAISS does on the CPU alone.
                self._faiss = to_device(index) if self.has_vectors else index
            return self._faiss

    def check_large(self) -> None:
        """Compare the files that no reader does: whoever copies them would give what is damaged a right checksum."""
        for name, entry in self.entry.files.items():
            path = self.folder / name
            if entry.size > LARGEST_CHECKED and checksum_file(path) != entry.checksum:
                raise IndexCorrupt(f"{path} fails its checksum: restore it from a copy, or rebuild the index")

    def nbytes(self, prefix: str = "") -> int:
        """Bytes on disk of the files under a prefix (`bm25/`, `dense/`, …)."""
        return sum(entry.size for name, entry in self.entry.files.items() if name.startswith(prefix))


def check_sizes(folder: Path, files: dict[str, FileEntry]) -> None:
    """Every file of a sealed folder is there and as long as it was written."""
    for name, entry in files.items():
        path = folder / name
        with reading(path):
            size = path.stat().st_size
        if size != entry.size:
            raise IndexCorrupt(
                f"{path} has {size} bytes, the manifest says {entry.size}: restore it, or rebuild"
            )

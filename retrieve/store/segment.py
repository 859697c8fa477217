"""One immutable segment, opened: ids, passages and views as memory-mapped arrays, rows in document-id order.

Opening checks the size of every file and the directory of the arrays. An array of up to 64 MiB is compared with its
checksum when it is first used, a larger one by `retrieve index verify`; a FAISS file before it is deserialised.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieve.errors import IndexCorrupt
from retrieve.files import LARGEST_CHECKED, check_small, checksum_file, read_checked
from retrieve.fork_safety import ForkSafeLock
from retrieve.index.stored_vectors import StoredVectors
from retrieve.index.strings import SortedStrings
from retrieve.packed import PackedArrays
from retrieve.recipe import VECTOR_FOLDERS, Recipe
from retrieve.store.documents import DocumentTable
from retrieve.store.filter_columns import Column
from retrieve.store.manifest import SegmentEntry
from retrieve.store.sealed import ARRAYS, LooseArrays, check_sizes, holds_arrays, open_arrays
from retrieve.views.protocol import Array, Opened, View
from retrieve.views.registry import views_of

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class Segment:
    """A segment's parts. Passage rows of one document are neighbours, in the order of their positions."""

    def __init__(
        self, folder: Path, entry: SegmentEntry, recipe: Recipe, arrays: PackedArrays | LooseArrays
    ) -> None:
        self.folder = folder
        self.entry = entry
        self.id = entry.id
        self._recipe = recipe
        self._file = arrays
        self._column_names = recipe.filters.fields
        self._views_lock = ForkSafeLock()
        self._views: dict[str, Opened] = {}

    @classmethod
    def open(cls, index: Path, entry: SegmentEntry, recipe: Recipe) -> Segment:
        """Open, and check sizes and the directory of the arrays; everything else when it is first used."""
        folder = index / "segments" / entry.id
        check_sizes(folder, entry.files)
        return cls(folder, entry, recipe, open_arrays(folder, entry.files))

    def close(self) -> None:
        """Close the document table if it was opened; maps go with the last array that refers to them."""
        if "documents" in self.__dict__:
            self.documents.close()

    def with_entry(self, entry: SegmentEntry) -> Segment:
        """The same open files under an entry with other deletions."""
        clone = Segment(self.folder, entry, self._recipe, self._file)
        shared = {name: value for name, value in self.__dict__.items() if name not in clone.__dict__}
        clone.__dict__.update(shared)
        clone._views, clone._views_lock = self._views, self._views_lock
        return clone

    @property
    def rows(self) -> int:
        """Documents, deleted ones included."""
        return self.entry.totals.documents

    @property
    def passage_rows(self) -> int:
        """Passages, those of deleted documents included."""
        return self.entry.totals.passages

    def holds(self, folder: str) -> bool:
        """Whether there is any array or file in a folder (`bm25`, `dense`, …)."""
        return any(name.startswith(f"{folder}/") for name in self.names)

    @property
    def packed(self) -> bool:
        """Whether its arrays are in one file, which those of format 1 are not."""
        return ARRAYS in self.entry.files

    def arrays(self, folder: str) -> dict[str, Array]:
        """The arrays of a folder, mapped if they are large, by their names in it. Raises `IndexCorrupt`."""
        return self._arrays(f"{folder}/")

    @property
    def names(self) -> list[str]:
        """Of all arrays, and of the files beside them."""
        return [*self._file.names, *(name for name in self.entry.files if not holds_arrays(name))]

    def array(self, name: str) -> Array | None:
        """An array; None where a file has that name. Raises `IndexCorrupt`."""
        return None if name in self.entry.files else self._file.array(name)

    def _arrays(self, prefix: str) -> dict[str, Array]:
        return {
            name.removeprefix(prefix): self._file.array(name)
            for name in self._file.names
            if name.startswith(prefix)
        }

    @cached_property
    def layout(self) -> list[str]:
        """Checksums of what its passages are and how they are ordered."""
        names = [name for name in self._file.names if name == "passages" or name.startswith("ids/")]
        documents = self.entry.files["documents.sqlite"].checksum
        return [documents, *(f"{name} {self._file.checksum(name)}" for name in sorted(names))]

    @cached_property
    def ids(self) -> SortedStrings:
        """Document ids in row order."""
        return SortedStrings.from_arrays(self._arrays("ids/"))

    @cached_property
    def passages(self) -> npt.NDArray[np.uint32]:
        """(P,3) uint32: document row, start, end."""
        return self._file.array("passages")

    @cached_property
    def document_of(self) -> npt.NDArray[np.uint32]:
        """(P,) uint32, contiguous: the document row of each passage."""
        return np.ascontiguousarray(self.passages[:, 0])

    @cached_property
    def first_passage(self) -> IntArray:
        """(N+1,) int64: a document's passages are rows first[row] to first[row + 1]."""
        return np.searchsorted(self.document_of, np.arange(self.rows + 1)).astype(np.int64)

    @cached_property
    def places(self) -> tuple[memoryview, memoryview]:
        """`first_passage` and `passages`, of which Python reads single numbers sooner than off arrays."""
        return self.first_passage.data, self.passages.data

    @cached_property
    def units(self) -> npt.NDArray[np.uint32]:
        """(N,4) uint32, for each document: its tokens (or words), how many of them a passage holds, tokens that the
        encoder cut off its passages, and bytes of title, text and metadata.
        """
        return self._file.array("units")

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
            if "." in name and f"columns/{number}.holders" not in self._file.names
        )

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The views of the recipe."""
        return tuple(views_of(self._recipe).values())

    def view(self, view: View) -> Opened:
        """A view's part of this segment, opened when it is first asked for."""
        with self._views_lock:
            if view.name not in self._views:
                self._views[view.name] = view.open(self)
            return self._views[view.name]

    @property
    def has_vectors(self) -> bool:
        """Whether the vectors themselves were kept."""
        return any(f"{folder}/vectors" in self._file.names for folder in VECTOR_FOLDERS)

    @cached_property
    def vectors(self) -> StoredVectors:
        """P vectors of D dimensions, memory-mapped."""
        arrays = (self._arrays(f"{folder}/") for folder in VECTOR_FOLDERS)
        return StoredVectors.from_arrays(next((found for found in arrays if found), {}))

    def has(self, name: str) -> bool:
        """Whether there is an array or a file of that name."""
        return name in self._file.names or name in self.entry.files

    def read(self, name: str) -> bytes:
        """A file, whole and checked. Raises `IndexCorrupt`."""
        return read_checked(self.folder / name, self.entry.files[name].checksum)

    def folder_of(self, name: str) -> Path:
        """Where the files of a folder are, those of up to 64 MiB compared. Raises `IndexCorrupt`."""
        for file, entry in self.entry.files.items():
            if file.startswith(f"{name}/"):
                check_small(self.folder / file, entry.size, entry.checksum)
        return self.folder / name

    def check(self) -> None:
        """Compare what no reader does: whoever copies it would give what is damaged a right checksum."""
        self._file.check()
        path, entry = self.folder / "documents.sqlite", self.entry.files["documents.sqlite"]
        if entry.size > LARGEST_CHECKED and checksum_file(path) != entry.checksum:
            raise IndexCorrupt(f"{path} fails its checksum: restore it from a copy, or rebuild the index")

    def nbytes(self, folder: str = "") -> int:
        """Bytes on disk, or those of the arrays and files of a folder (`bm25`, `dense`, …)."""
        if not folder:
            return sum(entry.size for entry in self.entry.files.values())
        files = self.entry.files
        inside = (name for name in self.names if name.startswith(f"{folder}/"))
        return sum(files[name].size if name in files else self._file.nbytes(name) for name in inside)

"""The folder of a segment that is being built, out of every reader's sight until it is sealed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieve.errors import IndexCorrupt
from retrieve.files import new_array, remove_folder, seal_folder
from retrieve.index.stored_vectors import Form, StoredVectors
from retrieve.packed import PackedWriter
from retrieve.recipe import VectorForm
from retrieve.store.manifest import FileEntry
from retrieve.store.sealed import ARRAYS, file_entries
from retrieve.store.segment import Segment
from retrieve.views.protocol import Array

_SCRATCH = "scratch"


class SegmentFolder:
    """A folder to fill: arrays in one file, `documents.sqlite`, and what views write beside them."""

    def __init__(self, index: Path, name: str) -> None:
        """Begin one under a name of its own; what an interrupted build left of it goes."""
        segments = index / "segments"
        segments.mkdir(exist_ok=True)
        self.folder = segments / f".building-{name}"
        remove_folder(self.folder)
        self.folder.mkdir()
        self._arrays = PackedWriter(self.folder / ARRAYS)
        self._scratch: dict[str, Array] = {}
        self._linked: dict[str, Segment] = {}

    def write(self, name: str, values: Array) -> None:
        """An array."""
        self._arrays.add(name, values)

    def output(self, view: str) -> ViewOutput:
        """Where a view goes."""
        return ViewOutput(self, view)

    def new_vectors(self, form: VectorForm, rows: int, dimensions: int) -> StoredVectors:
        """Room for vectors in the recipe's form: where they will be read, or in files that go with the building."""

        def new(name: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
            name = f"{form.folder}/{name}"
            if form.keep:
                return self._arrays.room(name, shape, dtype)
            place = self.folder / _SCRATCH / f"{name}.npy"
            place.parent.mkdir(parents=True, exist_ok=True)
            self._scratch[name] = new_array(place, shape, dtype)
            return self._scratch[name]

        return StoredVectors.make(Form.of(form.storage, form.rescore), rows, dimensions, new)

    def keep_vectors(self) -> None:
        """Keep those too that were to go with the building."""
        for name, array in self._scratch.items():
            self.write(name, array)

    def copy(self, segment: Segment, names: Iterable[str]) -> None:
        """Take over arrays and files of a segment, byte for byte, in this order.

        `Segment.check` comes before: damage gets a right checksum here. Files that are damaged are noticed by `seal`.
        """
        for name in names:
            values = segment.array(name)
            if values is None:
                _link(segment.folder / name, self.folder / name)
                self._linked[name] = segment
            else:
                self.write(name, values)

    def seal(self, name: str) -> dict[str, FileEntry]:
        """Make it durable and give it its name. Raises `IndexCorrupt` for a copied file that was damaged before."""
        if (self.folder / _SCRATCH).exists():
            shutil.rmtree(self.folder / _SCRATCH)
        arrays = {ARRAYS: self._arrays.finish()}
        files = file_entries(seal_folder(self.folder, self.folder.with_name(name), arrays))
        for linked, segment in self._linked.items():
            if files[linked] != segment.entry.files[linked]:  # a right checksum would hide the damage
                raise IndexCorrupt(
                    f"{segment.folder / linked} fails its checksum: restore it from a copy, or rebuild the index"
                )
        return files


class ViewOutput:
    """Where a view of a segment that is being built goes."""

    def __init__(self, building: SegmentFolder, view: str) -> None:
        self._building = building
        self._view = view

    def write(self, name: str, values: Array) -> None:
        """An array."""
        self._building.write(f"{self._view}/{name}", values)

    def write_file(self, name: str, data: bytes) -> None:
        """A file."""
        (self.folder() / name).write_bytes(data)

    def folder(self) -> Path:
        """The view's folder."""
        folder = self._building.folder / self._view
        folder.mkdir(exist_ok=True)
        return folder


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the storage has no such links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

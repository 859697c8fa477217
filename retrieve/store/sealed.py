"""Sealed folders: what a manifest says of their files, held against what is there, and their arrays.

Since format 2 the arrays of a segment, and those of its deletions, are one packed file; in format 1 each is a file of
NumPy's, and is read so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy.typing as npt

from retrieve.errors import IndexCorrupt
from retrieve.files import checksum_file, read_array, reading
from retrieve.packed import PackedArrays
from retrieve.store.manifest import FileEntry

ARRAYS = "arrays"
"""The name of a packed file, or its suffix."""

Files: TypeAlias = Mapping[str, FileEntry]


def holds_arrays(name: str) -> bool:
    """Whether a file of that name is one of arrays: packed, or a single one of format 1."""
    return _is_packed(name) or name.endswith(".npy")


def file_entries(sealed: Mapping[str, tuple[int, str]]) -> dict[str, FileEntry]:
    """What a manifest says of files of these sizes and checksums."""
    return {name: FileEntry(size=size, checksum=checksum) for name, (size, checksum) in sealed.items()}


def check_sizes(folder: Path, files: Files) -> None:
    """Every file of a sealed folder is there and as long as it was written."""
    for name, entry in files.items():
        path = folder / name
        with reading(path):
            size = path.stat().st_size
        if size != entry.size:
            raise IndexCorrupt(
                f"{path} has {size} bytes, the manifest says {entry.size}: restore it, or rebuild"
            )


def damage(folder: Path, files: Files) -> Iterator[str]:
    """What is wrong with the files of a sealed folder, a sentence each; every byte is read."""
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            yield f"{path} is missing"
        elif path.stat().st_size != entry.size:
            yield f"{path} has {path.stat().st_size} bytes, the manifest says {entry.size}"
        elif _is_packed(name):
            yield from _packed_damage(path, entry)
        elif checksum_file(path) != entry.checksum:
            yield f"{path} fails its checksum"


def _packed_damage(path: Path, entry: FileEntry) -> Iterator[str]:
    try:
        names = list(PackedArrays(path, entry.size, entry.checksum).damage())
    except IndexCorrupt:
        yield f"{path} fails its checksum in the directory of its arrays"
        return
    if names:
        yield f"{path} fails its checksum in {', '.join(name or 'what is between arrays' for name in names)}"


def intact(folder: Path, files: Files) -> bool:
    """Whether a sealed folder holds exactly these files with these checksums."""
    if not folder.is_dir():
        return False
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return present == set(files) and not any(damage(folder, files))


class LooseArrays:
    """The arrays of format 1, each a file: those whose names begin with a prefix, which is left away."""

    def __init__(self, folder: Path, files: Files, prefix: str = "") -> None:
        self._folder = folder
        self._files = {
            name.removeprefix(prefix).removesuffix(".npy"): (name, entry)
            for name, entry in files.items()
            if name.startswith(prefix) and name.endswith(".npy")
        }

    @property
    def names(self) -> list[str]:
        """Of all arrays."""
        return list(self._files)

    def array(self, name: str) -> npt.NDArray[Any]:
        """An array, compared with its checksum unless it has more than 64 MiB. Raises `IndexCorrupt`."""
        path, entry = self._file(name)
        return read_array(path, entry.checksum)

    def checksum(self, name: str) -> str:
        """Of an array's file."""
        return self._file(name)[1].checksum

    def nbytes(self, name: str) -> int:
        """Of an array's file."""
        return self._file(name)[1].size

    def check(self) -> None:
        """Compare every array with its checksum. Raises `IndexCorrupt`."""
        for name in self._files:
            path, entry = self._file(name)
            if checksum_file(path) != entry.checksum:
                raise IndexCorrupt(f"{path} fails its checksum: restore it from a copy, or rebuild the index")

    def _file(self, name: str) -> tuple[Path, FileEntry]:
        if name not in self._files:
            raise IndexCorrupt(f"{self._folder / name}.npy is not named by the manifest: rebuild the index")
        file, entry = self._files[name]
        return self._folder / file, entry


def open_arrays(folder: Path, files: Files, owner: str = "") -> PackedArrays | LooseArrays:
    """The arrays of a sealed folder, or of one `owner` in it. Raises `IndexCorrupt`."""
    name = f"{owner}.{ARRAYS}" if owner else ARRAYS
    if name not in files:
        return LooseArrays(folder, files, f"{owner}." if owner else "")
    return PackedArrays(folder / name, files[name].size, files[name].checksum)


def _is_packed(name: str) -> bool:
    return name.rpartition(".")[2] == ARRAYS

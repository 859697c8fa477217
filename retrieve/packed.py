"""Many arrays in one file, each where it can be mapped, so that a segment takes one map and one descriptor.

A signature of 64 bytes; the arrays, little-endian and in C order, each at a multiple of 64 bytes, zeros between them;
their directory, a JSON list of [name, type, shape, offset, XXH3-128]; at the very end the directory's offset and length
(uint64 each). The directory comes last, as in Parquet, so that arrays are written when they are made, and once.

Whoever names such a file keeps its size and the checksum of directory and end: that fixes every array by its own.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve import files
from retrieve.errors import IndexCorrupt
from retrieve.files import checksum_bytes, checksum_next, reading, take_room, with_remedy

_ALIGNMENT = 64
_SIGNATURE = b"retrieve: arrays, 1\n".ljust(_ALIGNMENT, b"\0")
_END = struct.Struct("<QQ")
_IN_MEMORY = 1 << 20
"""Bytes of arrays that wait to be written together, and of a file that is read rather than mapped."""


Array = npt.NDArray[Any]


class Packed(NamedTuple):
    """One array's line of the directory."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    checksum: str

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def end(self) -> int:
        """Where the bytes after it begin."""
        return self.offset + self.nbytes


class PackedWriter:
    """Writes such a file, array by array. Small arrays wait in memory; no descriptor is held between the calls."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, Packed] = {}
        self._rooms: dict[str, Array] = {}
        self._waiting = [_SIGNATURE]
        self._size = len(_SIGNATURE)
        self._written = 0

    def add(self, name: str, values: Array) -> None:
        """Put an array into the file. Raises `OSError`."""
        array = np.ascontiguousarray(values)
        entry, data = self._list(name, array), _bytes_of(array)
        self._entries[name] = entry._replace(checksum=checksum_bytes(data))
        if len(data) > _IN_MEMORY:
            self._write_waiting(data)
        else:
            self._wait(bytes(data))

    def room(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """An array of zeros to be filled until `finish`: memory-mapped, its room on the disk taken, if it is large.

        Raises `OSError` where there is no such room.
        """
        zeros = np.broadcast_to(np.zeros((), dtype), shape)
        size, offset = zeros.nbytes, self._list(name, zeros).offset
        if size <= _IN_MEMORY:
            array = zeros.copy()
            self._wait(bytes(size))
        else:
            self._write_waiting()
            take_room(self._path, offset, size)
            array = np.memmap(self._path, zeros.dtype, "r+", offset, shape)
            self._size = self._written = offset + size
        self._rooms[name] = array
        return array

    @with_remedy()
    def finish(self) -> tuple[int, str]:
        """Write what is left and the directory; returns the file's size and checksum, as `PackedArrays` asks for."""
        self._pad()
        begin = self._size
        for name, array in self._rooms.items():
            self._entries[name] = self._entries[name]._replace(checksum=checksum_bytes(_bytes_of(array)))
        directory = json.dumps(
            list(self._entries.values()), separators=(",", ":"), ensure_ascii=False
        ).encode()
        tail = directory + _END.pack(begin, len(directory))
        self._wait(tail)
        self._write_waiting()
        with self._path.open("r+b") as file:
            for name, array in self._rooms.items():
                if isinstance(array, np.memmap):
                    array.flush()
                elif array.size:
                    os.pwrite(file.fileno(), array.tobytes(), self._entries[name].offset)
            os.fsync(file.fileno())
        self._rooms = {}
        return self._size, checksum_bytes(tail)

    def _list(self, name: str, array: Array) -> Packed:
        if array.dtype.hasobject or array.dtype.str.startswith(">"):
            raise TypeError(f"array {name!r} is of {array.dtype}, which is not kept in a file")
        if name in self._entries:
            raise ValueError(f"there are two arrays {name!r}")
        self._pad()
        self._entries[name] = Packed(name, array.dtype.str, array.shape, self._size, "")
        return self._entries[name]

    def _pad(self) -> None:
        if over := self._size % _ALIGNMENT:
            self._wait(bytes(_ALIGNMENT - over))

    def _wait(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        if self._size - self._written > _IN_MEMORY:
            self._write_waiting()

    @with_remedy()
    def _write_waiting(self, more: memoryview | None = None) -> None:
        with self._path.open("ab") as file:
            file.write(b"".join(self._waiting))
            if more is not None:
                file.write(more)
                self._size += len(more)
        self._waiting = []
        self._written = self._size


class PackedArrays:
    """The arrays of such a file, read-only; memory-mapped if it is large."""

    def __init__(self, path: Path, size: int, checksum: str) -> None:
        """Open the file and compare its directory. Raises `IndexCorrupt`."""
        self._path = path
        with reading(path), path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise IndexCorrupt(
                    f"{path} has {found} bytes, the manifest says {size}: restore it, or rebuild"
                )
            if size < len(_SIGNATURE) + _END.size:
                raise IndexCorrupt(f"{path} is cut short: restore it from a copy, or rebuild the index")
            whole = size <= _IN_MEMORY
            data = np.frombuffer(file.read(), np.uint8) if whole else np.memmap(file, np.uint8, "r")
            self._data: npt.NDArray[np.uint8] = np.asarray(data)
        self._entries = {entry.name: entry for entry in self._directory(size, checksum)}
        self._checked: set[str] = set()

    def _directory(self, size: int, checksum: str) -> list[Packed]:
        begin, length = _END.unpack(self._data[-_END.size :].tobytes())
        tail = self._data[begin:].tobytes() if begin + length + _END.size == size else b""
        if checksum_bytes(tail) != checksum:
            raise IndexCorrupt(
                f"{self._path} fails its checksum in the directory: restore it from a copy, or rebuild the index"
            )
        self._begin = begin
        return [
            Packed(name, dtype, tuple(shape), *rest)
            for name, dtype, shape, *rest in json.loads(tail[:length])
        ]

    @property
    def names(self) -> list[str]:
        """Of all arrays, in the order of the file."""
        return list(self._entries)

    def array(self, name: str) -> Array:
        """An array, compared with its checksum at its first use unless it has more than 64 MiB.

        Raises `IndexCorrupt`, also where there is none of that name.
        """
        entry = self._entry(name)
        data = self._bytes(entry)
        if name not in self._checked and len(data) <= files.LARGEST_CHECKED:
            self._compare(entry, data)
        return data.view(entry.dtype).reshape(entry.shape)

    def checksum(self, name: str) -> str:
        """Of an array's bytes."""
        return self._entry(name).checksum

    def nbytes(self, name: str) -> int:
        """Of an array."""
        return self._entry(name).nbytes

    def place(self, name: str) -> slice:
        """Where an array's bytes are in the file."""
        entry = self._entry(name)
        return slice(entry.offset, entry.end)

    def check(self) -> None:
        """Compare every array that was not compared yet. Raises `IndexCorrupt`."""
        for entry in self._entries.values():
            if entry.name not in self._checked:
                self._compare(entry, self._bytes(entry))

    def _entry(self, name: str) -> Packed:
        if name not in self._entries:
            raise IndexCorrupt(f"{self._path} has no array {name}: rebuild the index")
        return self._entries[name]

    def _bytes(self, entry: Packed) -> npt.NDArray[np.uint8]:
        return self._data[entry.offset : entry.end]

    def _compare(self, entry: Packed, data: npt.NDArray[np.uint8]) -> None:
        if checksum_bytes(data.data) != entry.checksum:
            raise IndexCorrupt(
                f"{self._path} fails its checksum in {entry.name}: restore it from a copy, or rebuild the index"
            )
        self._checked.add(entry.name)

    def damage(self) -> Iterator[str]:
        """The names of arrays that are not what was written, and `""` for what is between them; all of it is read."""
        at = 0
        with reading(self._path), self._path.open("rb") as file:
            for entry in self._entries.values():
                if file.read(entry.offset - at) != _between(at, entry.offset):
                    yield ""
                if checksum_next(file, entry.nbytes) != entry.checksum:
                    yield entry.name
                at = entry.end
            if file.read(self._begin - at) != _between(at, self._begin):
                yield ""


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


def _between(start: int, end: int) -> bytes:
    return bytes(end - start) if start else _SIGNATURE

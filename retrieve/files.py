"""Every byte of an index reaches the disk through here: write beside, fsync, rename, fsync the folder.

A crash at any instruction therefore leaves the old file or the new one, never a part of one. Locks are the kernel's:
one writer (filelock), any number of readers per generation (a shared flock that dies with its process). What is read
is compared with its checksum, and damage is told apart from a process that may open no more files.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import re
import resource
import shutil
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import xxhash

from retrieve.errors import IndexCorrupt, IndexLocked, RetrieveError

LARGEST_CHECKED = 64 << 20
"""Bytes of a file that is compared with its checksum when it is first used; a larger one is by `index verify`."""

_READ_WHOLE = 1 << 20  # of a file that is read rather than mapped: a map keeps its descriptor
_CHUNK = 1 << 22

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)

# What `numpy.save` writes before an array, and nothing else that could be read as such a header.
_PREAMBLE = 10  # bytes before the text: the format's name and version, and the text's length
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)"
    rb"\{'descr': '(?P<dtype>\|[biu]1|\|[SV]\d{1,9}|<U\d{1,9}|<[iufc](?:2|4|8|16))', 'fortran_order': False, "
    rb"'shape': \((?P<shape>(?:0|[1-9]\d{0,17})(?:,|(?:, (?:0|[1-9]\d{0,17}))+))\), \} *\n",
    re.DOTALL,
)


@contextmanager
def with_remedy() -> Iterator[None]:
    """A missing file descriptor is an `OSError` that says what to do; every other error is left as it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_DESCRIPTOR:
            raise
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        said = (
            f"{error.strerror} (this process may open {limit}): raise the limit with `ulimit -n`, close what is open, "
            "or have fewer segments with `retrieve index merge`"
        )
        raise OSError(error.errno, said, error.filename) from error


def want_descriptor() -> None:
    """Raise that `OSError` now: for a library that only says that it could not open a file."""
    with with_remedy(), Path(os.devnull).open("rb"):
        pass


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around the reading of a file that must be there: `IndexCorrupt` if it is not, or if the disk does not give it."""
    try:
        with with_remedy():
            yield
    except OSError as error:
        if error.errno in (*_NO_DESCRIPTOR, errno.ENOMEM):
            raise
        raise IndexCorrupt(
            f"{path} cannot be read ({error.strerror}): restore it from a copy, or rebuild the index"
        ) from error


def checksum_bytes(data: bytes | memoryview) -> str:
    """XXH3-128 of bytes, 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(data)


@with_remedy()
def checksum_file(path: Path) -> str:
    """XXH3-128 of a file's content, read in pieces."""
    with path.open("rb") as file:
        return checksum_next(file)


def checksum_next(file: BinaryIO, size: int | None = None) -> str:
    """XXH3-128 of the next so many bytes of an open file, or of all that are left, read in pieces."""
    digest, left = xxhash.xxh3_128(), size
    while piece := file.read(_CHUNK if left is None else min(left, _CHUNK)):
        digest.update(piece)
        left = None if left is None else left - len(piece)
    return digest.hexdigest()


def read_checked(path: Path, checksum: str) -> bytes:
    """A file's content, of any size, if it has this checksum. Raises `IndexCorrupt`."""
    with reading(path):
        data = path.read_bytes()
    _compare(path, checksum_bytes(data), checksum)
    return data


def check_small(path: Path, size: int, checksum: str) -> bool:
    """Compare a file of up to 64 MiB with its checksum (`IndexCorrupt`); returns whether it was as small as that."""
    if size > LARGEST_CHECKED:
        return False
    with reading(path):
        found = checksum_file(path)
    _compare(path, found, checksum)
    return True


def _compare(path: Path, found: str, checksum: str) -> None:
    if found != checksum:
        raise IndexCorrupt(f"{path} fails its checksum: restore it from a copy, or rebuild the index")


@with_remedy()
def sync_folder(path: Path) -> None:
    """Make renames and new names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@with_remedy()
def write_file(path: Path, data: bytes) -> None:
    """Replace (or make) one file, all or nothing."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


@with_remedy()
def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array into a folder that is not sealed yet (`seal_folder` makes it durable)."""
    try:
        file = path.open("wb")
    except FileNotFoundError:  # asked first, it would be asked for every array
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    with file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


@with_remedy()
def new_array(path: Path, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """A new array of zeros on disk, memory-mapped to be filled, its room taken now. Raises `OSError` where there is
    none. One of no elements is in memory, as it cannot be mapped: `write_array` writes it.
    """
    if 0 in shape:
        return np.empty(shape, dtype)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    take_room(path, 0, path.stat().st_size)
    return array


@with_remedy()
def take_room(path: Path, offset: int, size: int) -> None:
    """Make the bytes from `offset` on, zeros where there are none yet, a file's own. Raises `OSError` for a full disk.

    A file with holes is filled by page faults: where the disk has no room for one, the process would be killed.
    """
    with path.open("r+b") as file:
        if not hasattr(os, "posix_fallocate"):
            file.truncate(max(offset + size, os.fstat(file.fileno()).st_size))
            return
        try:
            os.posix_fallocate(file.fileno(), offset, size)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}, wanted {size} bytes", str(path)) from error


def read_array(path: Path, checksum: str | None = None) -> npt.NDArray[Any]:
    """An array of a file, read-only: memory-mapped if it is large. Raises `IndexCorrupt`.

    Its header and length are checked; where there is a `checksum` and the file has at most 64 MiB, its content too.
    """
    with reading(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise IndexCorrupt(f"{path} is empty: rebuild the index, or restore it from a copy")
        data: npt.NDArray[np.uint8] = (
            np.frombuffer(file.read(), np.uint8) if size <= _READ_WHOLE else np.memmap(file, np.uint8, "r")
        )
    if checksum is not None and size <= LARGEST_CHECKED:
        _compare(path, checksum_bytes(data.data), checksum)
    return _array_of(path, np.asarray(data))


def _array_of(path: Path, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """The array in a file's bytes. NumPy's own reader of headers ends in errors of many kinds where one is damaged."""
    found = _HEADER.match(data[:_CHUNK].data)
    if found is None or found.end() != _PREAMBLE + int.from_bytes(found["length"], "little"):
        raise IndexCorrupt(
            f"{path} cannot be read as an array (its header is damaged, or none): "
            "restore it from a copy, or rebuild the index"
        )
    try:
        dtype = np.dtype(found["dtype"].decode())
    except TypeError as error:
        raise IndexCorrupt(
            f"{path} cannot be read as an array ({error}): restore it from a copy, or rebuild the index"
        ) from error
    shape = tuple(int(part) for part in found["shape"].split(b",") if part.strip())
    wanted = found.end() + math.prod(shape) * dtype.itemsize
    if wanted != len(data):
        raise IndexCorrupt(
            f"{path} has {len(data)} bytes, its header says {wanted}: restore it from a copy, or rebuild the index"
        )
    return data[found.end() :].view(dtype).reshape(shape)


@with_remedy()
def seal_folder(
    building: Path, sealed: Path, durable: Mapping[str, tuple[int, str]] | None = None
) -> dict[str, tuple[int, str]]:
    """Publish a finished folder; returns each file's size and checksum, by relative path.

    `durable` gives those of files that are on the disk already, which are not read.
    """
    files = {}
    for name in _files_below(building):
        if durable is not None and name in durable:
            files[name] = durable[name]
            continue
        with (building / name).open("rb") as file:
            files[name] = os.fstat(file.fileno()).st_size, checksum_next(file)
            os.fsync(file.fileno())
    _give_name(building, sealed)
    return files


@with_remedy()
def publish_folder(building: Path, sealed: Path) -> None:
    """Make a finished folder durable and give it its name."""
    for name in _files_below(building):
        with (building / name).open("rb") as file:
            os.fsync(file.fileno())
    _give_name(building, sealed)


def _files_below(folder: Path) -> list[str]:
    """Relative paths, sorted part by part."""
    found = [
        f"{place}/{name}"[len(str(folder)) + 1 :] for place, _, names in os.walk(folder) for name in names
    ]
    return sorted(found, key=lambda name: name.split("/"))


def _give_name(building: Path, sealed: Path) -> None:
    for place, _, _ in os.walk(building):
        sync_folder(Path(place))
    building.rename(sealed)
    sync_folder(sealed.parent)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `path` when the block ends; an exception leaves what was there.

    What an interrupted call left of it goes first.
    """
    building = path.with_name(f".building-{path.name}")
    remove_folder(building)
    building.mkdir(parents=True)
    yield building
    remove_folder(path)
    publish_folder(building, path)


@with_remedy()
def remove_folder(path: Path) -> None:
    """Take a folder out of sight first, then delete it: a crash leaves a dot-folder, never half a segment.

    No folder is fine; what an interrupted removal of the same folder left goes too.
    """
    hidden = path.with_name(f".gone-{path.name}")
    if hidden.exists():
        shutil.rmtree(hidden)
    if path.exists():
        path.rename(hidden)
        shutil.rmtree(hidden)


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold the one writer's lock, or raise `IndexLocked` at once. Any thread may let it go."""
    from filelock import FileLock, Timeout

    lock = FileLock(str(path), thread_local=False)
    try:
        with with_remedy():
            lock.acquire(timeout=0)
    except Timeout as error:
        raise IndexLocked(
            f"{path.parent} is being written by another writer: wait for it to finish and try again"
        ) from error
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise RetrieveError(
            f"{path.parent} cannot be written ({error.strerror}): work as a user who may, or on a copy"
        ) from error
    try:
        yield
    finally:
        lock.release()


class ReaderLock:
    """A shared lock on one generation, held until released or forgotten; the kernel frees it if its holder dies."""

    def __init__(self, descriptor: int | None) -> None:
        self._finalizer = None if descriptor is None else weakref.finalize(self, os.close, descriptor)

    @classmethod
    @with_remedy()
    def take(cls, path: Path) -> ReaderLock:
        """Lock `readers/<generation>`. On storage that cannot be written nobody can remove files: no lock then."""
        while True:
            try:
                path.parent.mkdir(exist_ok=True)
                descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError:
                if os.access(path.parent.parent, os.W_OK):
                    raise
                return cls(None)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _is_named(descriptor, path):
                return cls(descriptor)
            os.close(descriptor)  # a writer removed the file before it was locked

    def release(self) -> None:
        """Let the generation go; calling it twice is harmless."""
        if self._finalizer is not None:
            self._finalizer()


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@with_remedy()
def has_readers(path: Path) -> bool:
    """Whether any process holds the shared lock of this generation. A file nobody holds is removed."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        path.unlink(missing_ok=True)
    return False

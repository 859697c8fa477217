"""The cache of passages' vectors and codes on disk: folders of spaces, each with sealed shards that are never changed.

Everything is built in a dot-folder, fsynced and renamed, so a crash leaves whole shards and dot-folders. A shard's name
is the checksum of its content: the same rows written by two processes are one shard, and damage shows.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from retrieve.errors import IndexCorrupt
from retrieve.files import checksum_bytes, checksum_file, publish_folder, read_array, sync_folder, write_array
from retrieve.vector_cache.table import words

KEY = np.dtype("V16")
_INT = np.dtype(np.int64)


Numbers = Literal["float16", "uint16", "uint32"]


class Space(NamedTuple):
    """What a cached row depends on beside the string that was fed: two spaces never share a row.

    The encoder's `fingerprint`, the `backend` that ran it, its `precision`, the `limit` in tokens, the `dimensions` of
    a vector, or the most of a code, for int8 the digest of the `calibration` sample, and the type of its `numbers`:
    "float16" for vectors, else a code's dimensions in rising order, the last repeated to the row's end.
    """

    fingerprint: str
    backend: str
    precision: str
    limit: int
    dimensions: int
    calibration: str = ""
    numbers: Numbers = "float16"

    @property
    def name(self) -> str:
        """Its folder's: the first 32 hexadecimal digits of SHA-256 of its canonical JSON (sorted keys, no spaces)."""
        return hashlib.sha256(self.canonical()).hexdigest()[:32]

    @property
    def bytes_of_row(self) -> int:
        """What a row takes on disk."""
        return KEY.itemsize + self.dimensions * np.dtype(self.numbers).itemsize + 2 * _INT.itemsize

    def canonical(self) -> bytes:
        """What `space.json` holds. Vectors do not say their `numbers`: they came first, and keep their name."""
        said = self._asdict()
        if self.numbers == "float16":
            del said["numbers"]
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


class Rows(NamedTuple):
    """keys (B,) V16; vectors (B,D), or codes, of the space's numbers; tokens fed and tokens cut off, each (B,) int64. A
    file each."""

    keys: NDArray[np.void]
    vectors: NDArray[Any]
    tokens: NDArray[np.int64]
    cut: NDArray[np.int64]

    def fault(self, space: Space) -> str | None:
        """Which array has another type or shape than the space asks for; None if none has."""
        count = len(self.keys) if self.keys.ndim else 0
        vectors = np.dtype(space.numbers), (count, space.dimensions)
        wanted = ((KEY, (count,)), vectors, (_INT, (count,)), (_INT, (count,)))
        for name, (dtype, shape) in zip(self._fields, wanted, strict=True):
            array: NDArray[Any] = getattr(self, name)
            if (array.dtype, array.shape) != (dtype, shape):
                return f"{name} are {array.dtype} {array.shape}, wanted {dtype} {shape}"
        return None

    def take(self, order: NDArray[np.integer[Any]]) -> Rows:
        """Some of the rows, in this order, in memory."""
        return Rows(self.keys[order], self.vectors[order], self.tokens[order], self.cut[order])

    def in_order(self) -> Rows:
        """The rows sorted by key, the first of each key."""
        first, last = words(self.keys)
        order = np.lexsort((last, first))
        again = np.zeros(len(order), dtype=np.bool_)
        again[1:] = (np.diff(first[order]) == 0) & (np.diff(last[order]) == 0)
        return self.take(order[~again])


def vectors_folder(root: Path) -> Path:
    """Where the spaces of a cache are."""
    return root / "vectors"


def shards_folder(root: Path, space: Space) -> Path:
    """Where the shards of a space are."""
    return vectors_folder(root) / space.name / "shards"


def folders_in(folder: Path) -> list[Path]:
    """Finished folders, sorted by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


@contextmanager
def locked(root: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the cache's lock: shared by all who add, exclusive for who removes; waits. The kernel frees it at death.

    Who finds vectors needs no lock: a shard that goes is a miss.
    """
    folder = vectors_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        try:
            yield
        finally:  # by closing alone, a child that was forked meanwhile would go on holding it
            fcntl.flock(file, fcntl.LOCK_UN)


def read_space(folder: Path) -> Space:
    """The space of a folder by its `space.json`; raises IndexCorrupt if that is not what the folder is named after."""
    path = folder / "space.json"
    try:
        space = Space(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise IndexCorrupt(f"{path} cannot be read: {error}") from error
    if space.name != folder.name:
        raise IndexCorrupt(f"{path} describes the space {space.name}, not the one of its folder")
    return space


def write_shard(root: Path, space: Space, rows: Rows) -> Path:
    """Add a durable shard of these rows, sorted by key, to a space that is made if need be; raises OSError."""
    with locked(root, exclusive=False):
        _make_space(root, space)
        return publish_shard(shards_folder(root, space), space, rows)


def publish_shard(
    folder: Path, space: Space, rows: Rows, before: Callable[[Path], object] = lambda building: None
) -> Path:
    """Make a durable shard in a space's folder, under the cache's lock. `before` is given it before it has its name."""
    building = folder / f".{uuid4().hex}"
    try:
        for name, array in rows._asdict().items():
            write_array(building / f"{name}.npy", array)
        shard = building.with_name(_checksum(building))
        before(building)
        _seal_shard(building, shard, space)
    finally:
        shutil.rmtree(building, ignore_errors=True)  # it has another name now, or it failed
    return shard


def _make_space(root: Path, space: Space) -> None:
    folder = vectors_folder(root) / space.name
    if folder.is_dir():
        return
    building = folder.with_name(f".{uuid4().hex}")
    try:
        (building / "shards").mkdir(parents=True)
        (building / "space.json").write_bytes(space.canonical())
        publish_folder(building, folder)
        sync_folder(root)
    except OSError:
        if not folder.is_dir():  # else another process was quicker
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _seal_shard(building: Path, shard: Path, space: Space) -> None:
    """Give a shard its name, unless the same one is there; a damaged one makes way."""
    if shard.exists():
        if damage(shard, space) is None:
            return
        aside = building.with_name(f".{uuid4().hex}")
        with suppress(FileNotFoundError):  # another process put it aside
            shard.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)  # what is left of it is for the next prune
    try:
        publish_folder(building, shard)
    except OSError:
        if damage(shard, space) is not None:  # else another process wrote the same meanwhile
            raise


def read_shard(shard: Path, space: Space) -> Rows:
    """The rows of a shard, memory-mapped; raises IndexCorrupt if a size, type or shape is wrong."""
    rows = Rows(*(read_array(shard / f"{name}.npy") for name in Rows._fields))
    fault = rows.fault(space)
    if fault is not None:
        raise IndexCorrupt(f"{shard}: {fault}")
    return rows


def damage(shard: Path, space: Space) -> str | None:
    """What is wrong with a shard, every byte of it read; None if nothing is."""
    try:
        read_shard(shard, space)
        checksum = _checksum(shard)
    except (IndexCorrupt, OSError) as error:
        return str(error)
    return None if checksum == shard.name else f"{shard} fails its checksum"


def _checksum(shard: Path) -> str:
    """XXH3-128 of the checksums of its files."""
    return checksum_bytes("".join(checksum_file(shard / f"{name}.npy") for name in Rows._fields).encode())

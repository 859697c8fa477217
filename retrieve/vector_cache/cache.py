"""A cache of passages' vectors and codes on this machine, so that a text that was encoded once is not encoded again.

Vectors are found by a digest of the exact string that was fed to the encoder, within a `Space` of all else that shapes
them. It only saves time: what is damaged, gone or cannot be written is a warning and a miss, never an error or an
answer with other bytes.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieve.errors import BadVectors, IndexCorrupt
from retrieve.fork_safety import ForkSafeLock
from retrieve.vector_cache.compact import compact, overfull
from retrieve.vector_cache.shards import (
    KEY,
    Rows,
    Space,
    damage,
    folders_in,
    read_shard,
    shards_folder,
    write_shard,
)
from retrieve.vector_cache.table import Table

_log = logging.getLogger("retrieve")

__all__ = ["Found", "Space", "VectorCache", "keys_of"]


def keys_of(texts: Sequence[str], context: bytes = b"") -> NDArray[np.void]:
    """Keys (B,) V16 of the strings as they are fed: BLAKE2b-128, keyed by BLAKE2b-512 of the context if there is one.

    `context` is what else the vectors of these strings depend on: the text around them, where chunks are cut late.
    """
    key = hashlib.blake2b(context).digest() if context else b""
    digests = (
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY.itemsize, key=key).digest()
        for text in texts
    )
    return np.frombuffer(b"".join(digests), dtype=KEY)


def _warn_once(root: Path, problem: str) -> None:
    if root not in _TOLD:
        _TOLD.add(root)
        _log.warning(
            "the vector cache %s; set $RETRIEVE_CACHE to a folder that can be written to have one", problem
        )


_TOLD: set[Path] = set()
"""Caches that have been warned of in this process: every index and encoder has its own view of the same one."""


class Found(NamedTuple):
    """vectors (B,D) of the space's numbers, tokens and cut (B,) int64, all zero where `hit` (B,) is false."""

    vectors: NDArray[Any]
    tokens: NDArray[np.int64]
    cut: NDArray[np.int64]
    hit: NDArray[np.bool_]


class VectorCache:
    """The vectors of one space; made by `open`. Safe in many threads, and beside other processes.

    A shard's headers are checked when it is opened, and all its bytes when it is first read from: at more than 10 GB/s
    that costs little beside reading it. Later reads trust it, as nobody changes a shard.
    """

    def __init__(self, root: Path, space: Space) -> None:
        self.root = root
        self.space = space
        self._folder = shards_folder(root, space)
        self._changing = ForkSafeLock()
        self._table = Table.empty()
        self._rows: dict[str, int] = {}
        self._checked: set[str] = set()
        self._damaged: set[str] = set()

    @classmethod
    def open(cls, root: Path, space: Space) -> VectorCache:
        """What is there now. Nothing is made on disk before the first `add`."""
        cache = cls(root, space)
        cache.refresh()
        return cache

    def refresh(self) -> None:
        """See the shards that others added since, and no more those that they removed."""
        with (
            self._changing
        ):  # looking for shards too, or one that is added meanwhile would be forgotten again
            try:
                names = {path.name for path in folders_in(self._folder)}
            except OSError as error:
                _warn_once(self.root, f"cannot be read, so texts are encoded anew: {error}")
                return
            table = self._table.without_shards(set(self._table.shards) - names)
            new = sorted(names - set(table.shards) - self._damaged)
            self._checked.difference_update(new)
            opened = {name: keys for name in new if (keys := self._open_keys(name)) is not None}
            self._table = table.with_shards(opened) if opened else table
            kept = {name: count for name, count in self._rows.items() if name in names}
            self._rows = kept | {name: len(keys) for name, keys in opened.items()}

    def find(self, keys: NDArray[np.void]) -> Found:
        """Vectors of keys (B,) V16, as `keys_of` makes them."""
        found = Found(
            np.zeros((len(keys), self.space.dimensions), dtype=self.space.numbers),
            np.zeros(len(keys), dtype=np.int64),
            np.zeros(len(keys), dtype=np.int64),
            np.zeros(len(keys), dtype=np.bool_),
        )
        if not self._fill(found, keys):
            # Another process has merged shards since: what was in them is in one that is not known here.
            self.refresh()
            self._fill(found, keys)
        return found

    def _fill(self, found: Found, keys: NDArray[np.void]) -> bool:
        """Fill in what is not yet found; returns False if a shard was gone."""
        table = self._table
        place = table.find(keys)
        complete = True
        for number in np.unique(place.shard[(place.shard >= 0) & ~found.hit]):
            # Mapped for this read only: a map holds a file open, and a large cache has more shards than a process
            # may have files.
            rows = self._read(table.shards[number])
            if rows is None:
                complete = complete and (self._folder / table.shards[number]).exists()
                continue
            at = np.flatnonzero((place.shard == number) & ~found.hit)
            _, found.vectors[at], found.tokens[at], found.cut[at] = rows.take(place.row[at])
            found.hit[at] = True
        return complete

    def add(
        self,
        keys: NDArray[np.void],
        vectors: NDArray[Any],
        tokens: NDArray[np.int64],
        cut: NDArray[np.int64],
    ) -> None:
        """Keep vectors (B,D) of the space's numbers with the tokens fed and cut (B,) of each, in one new shard.

        The shard is durable on return. Keys that are known are left out; no shard is made of nothing. Small shards are
        merged when they are many. Raises `BadVectors` for arrays of another type or shape; where the disk refuses, it
        warns, once in a process.
        """
        rows = self._fresh(Rows(keys, vectors, tokens, cut))
        if not len(rows.keys):
            return
        try:
            name = write_shard(self.root, self.space, rows).name
        except OSError as error:
            _warn_once(self.root, f"cannot be written, so vectors are not kept: {error}")
            return
        with self._changing:
            self._damaged.discard(name)
            self._checked.add(name)
            if name not in self._table.shards:  # else another thread added the same
                self._table = self._table.with_shards({name: rows.keys})
                self._rows[name] = len(rows.keys)
            crowded = overfull(self._rows, self.space)
        if crowded:
            self._compact()

    def _compact(self) -> None:
        try:
            damaged = compact(self.root, self.space, set(self._damaged))
        except OSError as error:
            _warn_once(self.root, f"cannot be written, so its shards stay many: {error}")
            return
        with self._changing:
            for name, problem in damaged.items():
                self._forget(name, problem)
        self.refresh()

    def _fresh(self, rows: Rows) -> Rows:
        """The rows whose keys are not known, each key once, sorted."""
        fault = rows.fault(self.space)
        if fault is not None:
            raise BadVectors(f"these rows cannot be cached, their {fault}")
        rows = rows.in_order()
        return rows.take(np.flatnonzero(self._table.find(rows.keys).shard < 0))

    def _open_keys(self, name: str) -> NDArray[np.void] | None:
        try:
            return np.array(read_shard(self._folder / name, self.space).keys)
        except IndexCorrupt as error:
            self._skip(name, str(error))
            return None

    def _read(self, name: str) -> Rows | None:
        """A shard's rows; None, and the shard forgotten, if it is damaged or gone."""
        shard = self._folder / name
        try:
            rows = read_shard(shard, self.space)
            if name not in self._checked:
                self._check_once(shard)
        except IndexCorrupt as error:
            with self._changing:
                self._forget(name, str(error))
            return None
        return rows

    def _forget(self, name: str, problem: str) -> None:
        self._table = self._table.without_shards({name})
        self._rows.pop(name, None)
        self._skip(name, problem)

    def _check_once(self, shard: Path) -> None:
        problem = damage(shard, self.space)
        if problem is not None:
            raise IndexCorrupt(problem)
        self._checked.add(shard.name)
        with suppress(OSError):  # a cache that cannot be written is of use all the same
            os.utime(shard)  # `prune` goes by it

    def _skip(self, name: str, problem: str) -> None:
        """One warning for a damaged shard; one that was pruned meanwhile is nothing to warn of."""
        if name not in self._damaged and (self._folder / name).exists():
            self._damaged.add(name)
            _log.warning(
                "a shard of the vector cache is damaged and left out: %s (`retrieve cache prune --damaged` removes it)",
                problem,
            )

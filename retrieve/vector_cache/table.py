"""Where the vector of a key is: all keys of a cache's shards in one sorted table, about 24 bytes a vector.

A key is two integers here, its first eight bytes and its last: numpy sorts and searches integers many times faster than
strings of bytes. Tables are immutable, so threads may search one while another is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]


class Place(NamedTuple):
    """Of each key (B,): the number of its shard, −1 where there is none, and its row in the shard."""

    shard: NDArray[np.int32]
    row: NDArray[np.int32]


class Table(NamedTuple):
    """Names of the shards, and for each of N keys, in order of `first`: its two words, its shard and its row."""

    shards: tuple[str, ...]
    first: Words
    last: Words
    shard: NDArray[np.int32]
    row: NDArray[np.int32]

    @classmethod
    def empty(cls) -> Table:
        """No shards."""
        words, numbers = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int32)
        return cls((), words, words, numbers, numbers)

    def find(self, keys: NDArray[np.void]) -> Place:
        """Places of keys (B,) V16. Of a key that several shards have, the one that came first."""
        first, last = words(keys)
        places = Place(np.full(len(keys), -1, dtype=np.int32), np.full(len(keys), -1, dtype=np.int32))
        at = np.searchsorted(self.first, first)
        asked = np.flatnonzero(at < len(self.first))
        # More than once only for keys that agree in their first half with another.
        while len(asked):
            here = at[asked]
            same = self.first[here] == first[asked]
            asked, here = asked[same], here[same]
            found = self.last[here] == last[asked]
            places.shard[asked[found]] = self.shard[here[found]]
            places.row[asked[found]] = self.row[here[found]]
            at[asked] += 1
            asked = asked[~found & (here + 1 < len(self.first))]
        return places

    def with_shards(self, shards: Mapping[str, NDArray[np.void]]) -> Table:
        """This table and these shards, by name, with their keys (B,) V16; names must be new."""
        pairs = [words(keys) for keys in shards.values()]
        numbers = range(len(self.shards), len(self.shards) + len(pairs))
        first = np.concatenate([self.first, *(pair[0] for pair in pairs)])
        last = np.concatenate([self.last, *(pair[1] for pair in pairs)])
        shard = [np.full(len(pair[0]), number, np.int32) for number, pair in zip(numbers, pairs, strict=True)]
        row = [np.arange(len(pair[0]), dtype=np.int32) for pair in pairs]
        order = np.argsort(first, kind="stable")  # timsort: sorted runs are merged, in linear time
        return Table(
            (*self.shards, *shards),
            first[order],
            last[order],
            np.concatenate([self.shard, *shard])[order],
            np.concatenate([self.row, *row])[order],
        )

    def without_shards(self, names: set[str]) -> Table:
        """This table without the shards of these names."""
        stays = np.array([name not in names for name in self.shards], dtype=bool)
        if stays.all():
            return self
        number = np.cumsum(stays, dtype=np.int32) - 1
        kept = stays[self.shard]
        return Table(
            tuple(name for name in self.shards if name not in names),
            self.first[kept],
            self.last[kept],
            number[self.shard[kept]],
            self.row[kept],
        )


def words(keys: NDArray[np.void]) -> tuple[Words, Words]:
    """The first and the last eight bytes of keys (B,) V16, as integers in the order of the bytes."""
    pairs = np.ascontiguousarray(keys).view(">u8").reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0].copy(), pairs[:, 1].copy()

"""Blocks of counted lists: how rows of winners become blocks, and what of a block is stored.

A block holds 65,536 rows. What a dimension has in it is stored as a list of two-byte row numbers or as a bitmap of the
block's rows, as in a Roaring container. Every pass is linear: a counting sort by dimension, lists first, and bitmaps
made of the lists that are too dense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from retrieve._core import UNIT, count_each, place_rows, sort_rows
from retrieve.errors import IndexCorrupt
from retrieve.index.arrays import Array, Int64s, UInt16s, UInt32s, frozen, take_array
from retrieve.index.codes import Codes

Layout: TypeAlias = Literal["fast", "small"]
Words: TypeAlias = npt.NDArray[np.uint64]
Int32s: TypeAlias = npt.NDArray[np.int32]

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
DENSE = {"fast": 1 / 40, "small": 1 / 16}
"""Above this share of a bitmap's bits a list becomes a bitmap. At 1/16 both have one size. As measured, both take one
time at about 1/200; at 1/40 a list takes nearly three times a bitmap's time in two fifths of its space: fair, as few
are so sparse."""

_COUNTED = 1 << 22  # up to so many dimensions a block is counted in an array of them all


def words_of(rows: int) -> int:
    """How many words of 64 bits a bitmap of so many rows takes."""
    return -(-rows // (64 * UNIT)) * UNIT


class CountedBlock(NamedTuple):
    """One block. An entry is a dimension that some row of the block has; E entries. All arrays are read-only."""

    dims: UInt32s
    """The entries' dimensions, rising, (E,)."""
    sizes: Int32s
    """How many rows have each; negative where they are stored as a bitmap, (E,)."""
    places: Int64s
    """Of a list its first row in `lists`, of a bitmap its first word in `bitmaps`; not stored, (E,)."""
    lists: UInt16s
    """Rows of the lists, counted from the block's first and rising within a list."""
    bitmaps: Words
    """Bit r of a bitmap is row r of the block; after the last row all bits are 0."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], block: int, rows: int, dimensions: int) -> CountedBlock:
        """Take a block of so many rows back from a store, reading its two small arrays; raises IndexCorrupt."""
        dims = take_array(arrays, f"{block}.dims", np.uint32)
        sizes = take_array(arrays, f"{block}.sizes", np.int32, len(dims))
        if len(dims) and (int(dims[-1]) >= dimensions or bool((dims[1:] <= dims[:-1]).any())):
            raise IndexCorrupt(
                f"array '{block}.dims' does not rise below {dimensions}: restore it or build again"
            )
        if bool(((sizes == 0) | (np.abs(sizes.astype(np.int64)) > rows)).any()):
            raise IndexCorrupt(
                f"array '{block}.sizes' is not within ±{rows} without 0: restore it or build again"
            )
        places, listed, words = _places(sizes, rows)
        lists = take_array(arrays, f"{block}.lists", np.uint16, listed)
        return cls(dims, sizes, places, lists, take_array(arrays, f"{block}.bitmaps", np.uint64, words))

    @classmethod
    def build(cls, chunks: list[Codes], rows: int, dimensions: int, layout: Layout) -> CountedBlock:
        """The block of so many rows, given as codes one after the other."""
        dims, counts, entry_of = _tally(chunks, dimensions)
        sorted_rows = np.empty(int(counts.sum()), np.uint16)
        cursors = np.cumsum(counts) - counts
        first = 0
        for chunk in chunks:
            entries = chunk.dims if entry_of is None else entry_of(chunk.dims)
            sort_rows(chunk.starts, entries, first, cursors, sorted_rows)
            first += chunk.rows
        words = words_of(rows)
        dense = counts > DENSE[layout] * 64 * words
        present = counts > 0
        sizes = np.where(dense, -counts, counts)[present].astype(np.int32)
        places, listed, bits = _places(sizes, rows)
        lists, bitmaps = np.empty(listed, np.uint16), np.zeros(bits, np.uint64)
        place_rows(sizes, places, sorted_rows, lists, bitmaps)
        return cls(frozen(dims[present]), frozen(sizes), places, frozen(lists), frozen(bitmaps))

    def arrays(self, block: int) -> dict[str, Array]:
        """What is stored, by name."""
        stored = self._asdict()
        del stored["places"]
        return {f"{block}.{name}": array for name, array in stored.items()}


def _places(sizes: Int32s, rows: int) -> tuple[Int64s, int, int]:
    """Where each entry begins in its array, how many rows the lists have, and how many words the bitmaps."""
    lengths = np.maximum(sizes, 0).astype(np.int64)
    widths = np.where(sizes < 0, words_of(rows), 0).astype(np.int64)
    places = np.where(sizes > 0, np.cumsum(lengths) - lengths, np.cumsum(widths) - widths)
    return frozen(places), int(lengths.sum()), int(widths.sum())


def _tally(
    chunks: list[Codes], dimensions: int
) -> tuple[UInt32s, Int64s, Callable[[UInt32s], UInt32s] | None]:
    """Dimensions, how many rows have each, and what turns dimensions into entries (None: they are the entries).

    A huge space is not counted in an array as long as itself: there the dimensions that occur are sorted.
    """
    if dimensions <= _COUNTED:
        counts = np.zeros(dimensions, np.int64)
        for chunk in chunks:
            count_each(chunk.dims, counts)
        return np.arange(dimensions, dtype=np.uint32), counts, None
    found = [np.unique(chunk.dims) for chunk in chunks]
    dims = np.unique(np.concatenate([np.empty(0, np.uint32), *found]))

    def entry_of(wanted: UInt32s) -> UInt32s:
        return frozen(np.searchsorted(dims, wanted).astype(np.uint32))

    counts = np.zeros(len(dims), np.int64)
    for chunk in chunks:
        count_each(entry_of(chunk.dims), counts)
    return dims, counts, entry_of

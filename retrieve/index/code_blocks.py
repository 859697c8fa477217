"""Blocks of counted lists, and the kernels that turn rows of winners into blocks and blocks back into rows.

A block holds 65,536 rows. What a dimension has in it is stored as a list of two-byte row numbers or as a bitmap of the
block's rows, as in a Roaring container. Every pass is linear: a counting sort by dimension, lists first, and bitmaps
made of the lists that are too dense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from retrieve.errors import IndexCorrupt
from retrieve.index.arrays import Array, Int64s, UInt16s, UInt32s, frozen, take_array
from retrieve.index.bit_planes import UNIT
from retrieve.index.bits import lowest_one
from retrieve.index.codes import Codes
from retrieve.kernels import kernel

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
            count_dims(chunk.dims, counts)
        return np.arange(dimensions, dtype=np.uint32), counts, None
    found = [np.unique(chunk.dims) for chunk in chunks]
    dims = np.unique(np.concatenate([np.empty(0, np.uint32), *found]))

    def entry_of(wanted: UInt32s) -> UInt32s:
        return frozen(np.searchsorted(dims, wanted).astype(np.uint32))

    counts = np.zeros(len(dims), np.int64)
    for chunk in chunks:
        count_dims(entry_of(chunk.dims), counts)
    return dims, counts, entry_of


@kernel
def count_dims(entries: UInt32s, counts: Int64s) -> None:
    """counts[entry] += 1 for each winner."""
    for i in range(len(entries)):
        counts[entries[i]] += 1


@kernel
def sort_rows(starts: Int64s, entries: UInt32s, first: int, cursors: Int64s, sorted_rows: UInt16s) -> None:
    """Winners row by row → rows entry by entry; `cursors` holds where each entry's next row goes and is moved on."""
    for row in range(len(starts) - 1):
        for i in range(starts[row], starts[row + 1]):
            place = cursors[entries[i]]
            sorted_rows[place] = first + row
            cursors[entries[i]] = place + 1


@kernel
def place_rows(sizes: Int32s, places: Int64s, sorted_rows: UInt16s, lists: UInt16s, bitmaps: Words) -> None:
    """Each entry's rows to where they are stored; `bitmaps` must be 0 everywhere."""
    start = 0
    for entry in range(len(sizes)):
        place = places[entry]
        size: int = abs(np.int64(sizes[entry]))  # type: ignore[assignment]
        if sizes[entry] > 0:
            lists[place : place + size] = sorted_rows[start : start + size]
        else:
            for i in range(start, start + size):
                row = np.int64(sorted_rows[i])
                bitmaps[place + (row >> 6)] |= np.uint64(1) << np.uint64(row & 63)
        start += size


@kernel
def count_winners(
    sizes: Int32s, places: Int64s, lists: UInt16s, bitmaps: Words, words: int, counts: Int64s
) -> None:
    """counts[row] += 1 for each dimension that a row of the block has, (rows,)."""
    rows = np.empty(64 * words, np.int64)
    for entry in range(len(sizes)):
        size = _read_entry(sizes[entry], places[entry], lists, bitmaps, words, rows)
        for i in range(size):
            counts[rows[i]] += 1


@kernel
def unpack_winners(
    dims: UInt32s,
    sizes: Int32s,
    places: Int64s,
    lists: UInt16s,
    bitmaps: Words,
    words: int,
    new_rows: Int64s,
    cursors: Int64s,
    winners: UInt32s,
) -> None:
    """Write the block's dimensions to their rows: new_rows[row] is the row's number among `cursors`, or outside it.

    `cursors` holds where each new row's next winner goes and is moved on; dimensions come rising.
    """
    rows = np.empty(64 * words, np.int64)
    for entry in range(len(sizes)):
        size = _read_entry(sizes[entry], places[entry], lists, bitmaps, words, rows)
        for i in range(size):
            new_row = new_rows[rows[i]]
            if 0 <= new_row < len(cursors):
                winners[cursors[new_row]] = dims[entry]
                cursors[new_row] += 1


@kernel
def _read_entry(size: int, place: int, lists: UInt16s, bitmaps: Words, words: int, rows: Int64s) -> int:
    """The rows of an entry, of which the first so many of `rows` are filled."""
    if size > 0:
        rows[:size] = lists[place : place + size]
        return size
    n = 0
    for i in range(words):
        word = bitmaps[place + i]
        while word > 0:
            rest = word & (word - np.uint64(1))
            n += 1
            rows[n - 1], word = 64 * i + lowest_one(word), rest  # type: ignore[call-arg]
    return n

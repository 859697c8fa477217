"""The inverted index of binary codes: a passage's score is the number of dimensions that it shares with the query.

Blocks of 65,536 rows hold each dimension as a list or a bitmap, whichever the layout prefers, and a query counts them
into bit planes. The arrays follow from the rows alone: merging parts gives, byte for byte, what building afresh gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieve._core import LEAST_PLANES, best_rows, count_block, count_winners, counts_at, unpack_winners
from retrieve.errors import IndexCorrupt, UsageError
from retrieve.index.arrays import Array, Bools, Int64s, UInt32s, frozen, take_array
from retrieve.index.blocks import BLOCK, row_blocks
from retrieve.index.code_blocks import LAYOUTS, CountedBlock, Layout, Words, words_of
from retrieve.index.codes import Codes, check_codes
from retrieve.types import MOST_QUERY_WINNERS

_WIDEST = 1 << 31
_NONE = np.empty(0, np.uint32)
_ALL = frozen(np.empty(0, np.uint64))


class CountedBuilder:
    """Builds the index from rows in order; memory is that of one block's codes and arrays."""

    def __init__(self, dimensions: int, layout: Layout, write: Callable[[str, Array], None]) -> None:
        """`write(name, array)` is called once for each array to be stored. Raises UsageError for a bad argument."""
        if not 0 < dimensions <= _WIDEST:
            raise UsageError(f"{dimensions} dimensions: wanted from 1 to {_WIDEST}")
        if layout not in LAYOUTS:
            raise UsageError(f"layout {layout!r}: wanted one of {', '.join(LAYOUTS)}")
        self.dimensions = dimensions
        self._layout = layout
        self._write = write
        self._chunks: list[Codes] = []
        self._waiting = 0
        self._blocks = 0
        self._rows = 0
        self._nonzeros = 0

    def add(self, codes: Codes) -> None:
        """The next rows, any number. Raises ValueError for winners out of range or order (see `Codes`)."""
        checked = check_codes(codes, self.dimensions)
        taken = 0
        while taken < checked.rows:
            end = min(checked.rows, taken + BLOCK - self._waiting)
            part = checked.cut(taken, end)
            full = self._waiting + end - taken == BLOCK
            # What waits is copied, as the caller may use its arrays again before the block is full.
            self._chunks.append(Codes(frozen(part.starts), frozen(part.dims if full else part.dims.copy())))
            self._waiting += end - taken
            taken = end
            if full:
                self._flush()

    def finish(self) -> None:
        """Write the last block and the header."""
        if self._waiting:
            self._flush()
        self._write("header", np.array([self.dimensions, self._rows, self._nonzeros], np.int64))

    def _flush(self) -> None:
        block = CountedBlock.build(self._chunks, self._waiting, self.dimensions, self._layout)
        for name, array in block.arrays(self._blocks).items():
            self._write(name, array)
        self._nonzeros += sum(len(chunk.dims) for chunk in self._chunks)
        self._rows += self._waiting
        self._blocks += 1
        self._waiting = 0
        self._chunks.clear()


class Live:
    """The rows that a search may find, as a bitmap: made once of a filter and deletions, one AND for each search."""

    def __init__(self, rows: Bools) -> None:
        """`rows` (rows,) bool: True where a row may be found."""
        self.rows = len(rows)
        packed = np.packbits(np.asarray(rows, np.bool_), bitorder="little")
        padded = np.zeros(words_of(len(rows)) * 8, np.uint8)
        padded[: len(packed)] = packed
        self.words: Words = frozen(padded.view(np.uint64))


@dataclass(frozen=True, eq=False, slots=True)
class Counts:
    """How many of a query's dimensions each row has; made by `Counted.count`."""

    rows: int
    planes: Words
    """Bit p of row r's count is bit r mod 64 of planes[p, r div 64]; (planes, words), 0 after the last row."""

    def at(self, rows: Int64s) -> Int64s:
        """Counts of some rows (R,), int64. Raises ValueError for a row out of range."""
        wanted = frozen(np.asarray(rows, np.int64))
        if len(wanted) and not 0 <= int(wanted.min()) <= int(wanted.max()) < self.rows:
            raise ValueError(f"rows {wanted.min()} to {wanted.max()} of {self.rows}")
        return counts_at(self.planes, wanted)

    def top(
        self, k: int, *, groups: UInt32s | None = None, live: Bools | Live | None = None
    ) -> tuple[Int64s, Int64s, Int64s]:
        """The k best groups → groups (K,), each one's best row (K,), counts (K,), all int64.

        `groups` (rows,) non-decreasing group of each row (None: each row is its own); `live` the rows that may be
        found (None: all); rows that share nothing are not found. A group's count is its best row's, the first row
        among equals. Ordered by falling count, then rising group; K is exactly min(k, groups with a row that may be
        found). Raises UsageError for k ≤ 0. Releases the GIL.
        """
        if k <= 0:
            raise UsageError(f"k is {k}: ask for at least one")
        if groups is not None and len(groups) != self.rows:
            raise ValueError(f"groups has {len(groups)} rows, counts {self.rows}")
        bitmap = live if isinstance(live, Live) or live is None else Live(live)
        if bitmap is not None and bitmap.rows != self.rows:
            raise ValueError(f"live has {bitmap.rows} rows, counts {self.rows}")
        alive = _ALL if bitmap is None else bitmap.words
        taken = min(k, self.rows)
        while True:
            rows, counts = best_rows(self.planes, alive, taken)
            if groups is None:
                return rows, rows, counts
            found, first = np.unique(groups[rows], return_index=True)
            if len(found) >= k or len(rows) < taken or taken == self.rows:
                first = np.sort(first)[:k]
                return groups[rows[first]].astype(np.int64), rows[first], counts[first]
            taken = min(4 * taken, self.rows)


class Counted:
    """The index of `rows` codes over `dimensions` dimensions; made by `from_arrays` from what a builder wrote."""

    def __init__(self, dimensions: int, rows: int, nonzeros: int, blocks: Sequence[CountedBlock]) -> None:
        self.dimensions = dimensions
        self.rows = rows
        self.nonzeros = nonzeros
        """Winners of all rows together."""
        self._blocks = tuple(blocks)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Counted:
        """The index whose arrays these are, of which only the small ones are read.

        Raises IndexCorrupt naming the array that does not fit.
        """
        dimensions, rows, nonzeros = take_array(arrays, "header", np.int64, 3).tolist()
        if not (0 < dimensions <= _WIDEST and rows >= 0 and nonzeros >= 0):
            raise IndexCorrupt(
                f"array 'header' tells of {rows} rows, {dimensions} dimensions: restore it or build again"
            )
        blocks = [
            CountedBlock.from_arrays(arrays, block, end - first, dimensions)
            for block, (first, end) in enumerate(row_blocks(rows))
        ]
        if (found := sum(int(np.abs(block.sizes.astype(np.int64)).sum()) for block in blocks)) != nonzeros:
            raise IndexCorrupt(
                f"array 'header' tells of {nonzeros} winners, the blocks of {found}: build again"
            )
        return cls(dimensions, rows, nonzeros, blocks)

    def usage(self) -> Int64s:
        """How many rows have each dimension, int64 (n,)."""
        usage = np.zeros(self.dimensions, np.int64)
        for block in self._blocks:
            usage[block.dims] += np.abs(block.sizes)
        return usage

    def count(self, dims: UInt32s) -> Counts:
        """One query's winners (m_q,) uint32, strictly rising → what each row shares with them. Releases the GIL.

        Raises UsageError for more than 65,535 winners, ValueError for winners out of range or order.
        """
        return self.count_many([dims])[0]

    def count_many(self, queries: Sequence[UInt32s]) -> list[Counts]:
        """The same for several queries, which share what they read; their bit planes are all held at once."""
        checked = [self._check(query) for query in queries]
        heights = [max(LEAST_PLANES, len(query).bit_length()) for query in checked]
        planes = np.zeros((len(checked), max(heights, default=0), words_of(self.rows)), np.uint64)
        ends = np.cumsum([0, *map(len, checked)], dtype=np.int64)
        together = Codes(frozen(ends), frozen(np.concatenate([_NONE, *checked])))
        for block, (first, end) in zip(self._blocks, row_blocks(self.rows), strict=True):
            words = words_of(end - first)
            count_block(*block, self.dimensions, *together, planes, first // 64, words)
        return [Counts(self.rows, planes[i, :height]) for i, height in enumerate(heights)]

    def codes(self, first: int, end: int) -> Codes:
        """Rows [first, end) as they were added. Raises ValueError if they are not there."""
        if not 0 <= first <= end <= self.rows:
            raise ValueError(f"rows {first} to {end} of {self.rows}")
        return self.codes_of(np.arange(first, end))

    def codes_of(self, rows: Int64s) -> Codes:
        """These rows, all different, in this order. Every block that has one of them is read whole."""
        wanted = np.full(self.rows, -1, np.int64)
        wanted[rows] = np.arange(len(rows))
        return _gather([self], [wanted], 0, len(rows))

    def _check(self, dims: UInt32s) -> UInt32s:
        query = frozen(np.asarray(dims, np.uint32))
        if len(query) > MOST_QUERY_WINNERS:
            raise UsageError(
                f"a query of {len(query)} winners: wanted {MOST_QUERY_WINNERS} at most, keep fewer"
            )
        check_codes(Codes(np.array([0, len(query)]), query), self.dimensions)
        return query


def merge_counted(
    parts: Sequence[Counted], maps: Sequence[Int64s], rows: int, builder: CountedBuilder
) -> None:
    """Add to the builder the `rows` rows taken from the parts: maps[i][old row] is the new row, or -1 to drop it.

    Gives, array for array, what building from the surviving rows gives. One new block is unpacked at a time, so memory
    is that of one block and the maps. Does not finish the builder. Raises ValueError unless the maps fill every new
    row exactly once.
    """
    row_maps = [frozen(np.asarray(new_rows, np.int64)) for new_rows in maps]
    filled = np.zeros(rows, np.int64)
    for part, new_rows in zip(parts, row_maps, strict=True):
        if part.dimensions != builder.dimensions:
            raise ValueError(f"a part of {part.dimensions} dimensions into an index of {builder.dimensions}")
        if len(new_rows) != part.rows or (part.rows and not -1 <= new_rows.min() <= new_rows.max() < rows):
            raise ValueError(f"a map of {len(new_rows)} rows into {rows} for a part of {part.rows} rows")
        np.add.at(filled, new_rows[new_rows >= 0], 1)
    if (filled != 1).any():
        raise ValueError(f"new row {int(np.flatnonzero(filled != 1)[0])} is not filled exactly once")
    for first, end in row_blocks(rows):
        builder.add(_gather(parts, row_maps, first, end))


def _gather(parts: Sequence[Counted], maps: Sequence[Int64s], first: int, end: int) -> Codes:
    """New rows [first, end) as codes, out of every block that has one of them."""
    sources: list[tuple[CountedBlock, int, Int64s]] = []
    for part, new_rows in zip(parts, maps, strict=True):
        for block, (old_first, old_end) in zip(part._blocks, row_blocks(part.rows), strict=True):
            moved = new_rows[old_first:old_end] - first
            if ((moved >= 0) & (moved < end - first)).any():
                sources.append((block, words_of(old_end - old_first), moved))
    starts = np.zeros(end - first + 1, np.int64)
    for block, words, moved in sources:
        counts = np.zeros(len(moved), np.int64)
        count_winners(block.sizes, block.places, block.lists, block.bitmaps, words, counts)
        here = (moved >= 0) & (moved < end - first)
        starts[moved[here] + 1] = counts[here]
    np.cumsum(starts, out=starts)
    winners, cursors = np.empty(int(starts[-1]), np.uint32), starts[:-1].copy()
    for block, words, moved in sources:
        unpack_winners(*block, words, moved, cursors, winners)
    return Codes(starts, winners)

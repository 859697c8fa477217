"""Sorted strings that compiled kernels search and merge: the terms of postings, and ids beside them.

Kernels that use one another share a file, because numba's cache on disk is renewed only when that file changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieve.index.arrays import Bools, Bytes, Int64s
from retrieve.index.strings import SortedStrings, encode
from retrieve.kernels import kernel


@kernel
def _compare(a: Bytes, a_start: int, a_end: int, b: Bytes, b_start: int, b_end: int) -> int:
    """Negative, zero or positive, as a[a_start:a_end] sorts before, equals or sorts after b[b_start:b_end]."""
    for i in range(min(a_end - a_start, b_end - b_start)):
        difference = np.int64(a[a_start + i]) - np.int64(b[b_start + i])
        if difference != 0:
            return difference  # type: ignore[return-value]
    return (a_end - a_start) - (b_end - b_start)


@kernel
def _find(data: Bytes, offsets: Int64s, wanted: Bytes, bounds: Int64s, found: Int64s) -> None:
    """For each wanted string: its row, or -1."""
    for q in range(len(bounds) - 1):
        low, high = 0, len(offsets) - 1
        equal = False
        while low < high:
            middle = (low + high) >> 1
            order = _compare(data, offsets[middle], offsets[middle + 1], wanted, bounds[q], bounds[q + 1])
            if order < 0:
                low = middle + 1
            else:
                high = middle
                equal = order == 0
        found[q] = low if equal else -1


@kernel
def _align(a: Bytes, a_offsets: Int64s, b: Bytes, b_offsets: Int64s, a_map: Int64s, b_map: Int64s) -> int:
    """Number the union of two sorted tables in order; fill each table's map to it; return its size."""
    i, j, n = 0, 0, 0
    a_size, b_size = len(a_offsets) - 1, len(b_offsets) - 1
    while i < a_size or j < b_size:
        if i == a_size:
            order = 1
        elif j == b_size:
            order = -1
        else:
            order = _compare(a, a_offsets[i], a_offsets[i + 1], b, b_offsets[j], b_offsets[j + 1])
        if order <= 0:
            a_map[i] = n
            i += 1
        if order >= 0:
            b_map[j] = n
            j += 1
        n += 1
    return n


@kernel
def _place(source: Bytes, offsets: Int64s, new_rows: Int64s, target: Bytes, target_offsets: Int64s) -> None:
    """Copy each string to its new row; -1 leaves it out."""
    for row in range(len(new_rows)):
        if new_rows[row] >= 0:
            start = target_offsets[new_rows[row]]
            for i in range(offsets[row + 1] - offsets[row]):
                target[start + i] = source[offsets[row] + i]


class CompiledStrings(SortedStrings):
    """`SortedStrings` found several times as fast, and merged; for a process that loads compiled kernels anyway."""

    __slots__ = ()

    def find_many(self, strings: Sequence[str]) -> Int64s:
        """B strings → rows (B,) int64, -1 where a string is absent."""
        encoded = [encode(string) for string in strings]
        bounds = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(item) for item in encoded], out=bounds[1:])
        found = np.empty(len(encoded), np.int64)
        _find(self._data, self._offsets, np.frombuffer(b"".join(encoded), np.uint8), bounds, found)
        return found

    def select(self, keep: Bools) -> CompiledStrings:
        """The strings where `keep` (N,) bool is true."""
        new_rows = np.where(keep, np.cumsum(keep, dtype=np.int64) - 1, np.int64(-1))
        return _gather([self], [new_rows], int(np.count_nonzero(keep)))

    @staticmethod
    def merge(tables: Sequence[CompiledStrings]) -> tuple[CompiledStrings, list[Int64s]]:
        """The union of the tables, and for each table its map from old row to new row, int64 (N_i,).

        Halves are merged first, so each byte is copied about log2(tables) times and nothing is decoded.
        """
        if not tables:
            return CompiledStrings.build([]), []
        if len(tables) == 1:
            return tables[0], [np.arange(len(tables[0]), dtype=np.int64)]
        middle = len(tables) // 2
        left, left_maps = CompiledStrings.merge(tables[:middle])
        right, right_maps = CompiledStrings.merge(tables[middle:])
        left_rows, right_rows = np.empty(len(left), np.int64), np.empty(len(right), np.int64)
        size = _align(left._data, left._offsets, right._data, right._offsets, left_rows, right_rows)
        merged = _gather([left, right], [left_rows, right_rows], size)
        return merged, [left_rows[rows] for rows in left_maps] + [right_rows[rows] for rows in right_maps]


def _gather(tables: Sequence[CompiledStrings], new_rows: Sequence[Int64s], size: int) -> CompiledStrings:
    """A table of `size` strings, each taken from the tables that map a row to it (-1: left out)."""
    offsets = np.zeros(size + 1, np.int64)
    for table, rows in zip(tables, new_rows, strict=True):
        offsets[rows[rows >= 0] + 1] = np.diff(table._offsets)[rows >= 0]
    np.cumsum(offsets, out=offsets)
    data = np.empty(int(offsets[-1]), np.uint8)
    for table, rows in zip(tables, new_rows, strict=True):
        _place(table._data, table._offsets, rows, data, offsets)
    return CompiledStrings(data, offsets)

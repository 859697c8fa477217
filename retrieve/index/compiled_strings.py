"""Sorted strings that compiled kernels search and merge: the terms of postings, and ids beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieve._core import align_strings, find_strings, place_strings
from retrieve.index.arrays import Bools, Int64s
from retrieve.index.strings import SortedStrings, encode


class CompiledStrings(SortedStrings):
    """`SortedStrings` found several times as fast, and merged; for a process that loads compiled kernels anyway."""

    __slots__ = ()

    def find_many(self, strings: Sequence[str]) -> Int64s:
        """B strings → rows (B,) int64, -1 where a string is absent."""
        encoded = [encode(string) for string in strings]
        bounds = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(item) for item in encoded], out=bounds[1:])
        found = np.empty(len(encoded), np.int64)
        find_strings(self._data, self._offsets, np.frombuffer(b"".join(encoded), np.uint8), bounds, found)
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
        size = align_strings(left._data, left._offsets, right._data, right._offsets, left_rows, right_rows)
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
        place_strings(table._data, table._offsets, rows, data, offsets)
    return CompiledStrings(data, offsets)

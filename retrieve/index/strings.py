"""Sorted unique strings in two arrays: document ids, string columns, and the terms of postings.

UTF-8 sorts byte by byte as its code points do, so the strings are never decoded to be searched or merged, and a
table of millions is mapped from disk as it is, without one Python object per string.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Self

import numpy as np

from retrieve._core import align_strings, find_strings, place_strings, take_strings
from retrieve.index.arrays import Array, Bools, Bytes, Int64s, check_offsets, frozen, take_array


class SortedStrings:
    """N unique strings in code point order, as `bytes` uint8 and `offsets` int64 (N+1,)."""

    __slots__ = ("_bounds", "_bytes", "_data", "_offsets")

    def __init__(self, data: Bytes, offsets: Int64s) -> None:
        self._data = frozen(data)
        self._offsets = frozen(offsets)
        # The same memory, out of which Python takes a single string in two thirds of the time.
        self._bytes = self._data.data
        self._bounds = self._offsets.data

    @classmethod
    def build(cls, strings: Iterable[str]) -> Self:
        """Raises ValueError unless the strings rise strictly by code point (`sorted(set(…))` does).

        A lone surrogate has no UTF-8 form and is a ValueError too (UnicodeEncodeError).
        """
        data = bytearray()
        offsets = array("q", [0])
        previous: bytes | None = None
        for string in strings:
            encoded = string.encode()
            if previous is not None and encoded <= previous:
                raise ValueError(
                    f"string {len(offsets) - 1} is {string!r} after {previous.decode()!r}: "
                    "wanted sorted by code point, each once"
                )
            data += encoded
            offsets.append(len(data))
            previous = encoded
        return cls(np.frombuffer(data, np.uint8), np.frombuffer(offsets, np.int64))

    def arrays(self, prefix: str = "") -> dict[str, Array]:
        """`bytes` uint8 and `offsets` int64 (N+1,), their names after the prefix."""
        return {f"{prefix}bytes": self._data, f"{prefix}offsets": self._offsets}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str = "") -> Self:
        """Raises IndexCorrupt for a missing array, another type, or offsets that do not fit the bytes."""
        data = take_array(arrays, f"{prefix}bytes", np.uint8)
        offsets = take_array(arrays, f"{prefix}offsets", np.int64)
        check_offsets(offsets, len(data), f"{prefix}offsets")
        return cls(data, offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> str:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} strings")
        return self._encoded(row).decode()

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def __contains__(self, string: str) -> bool:
        return self.find(string) >= 0

    def get_many(self, rows: Sequence[int] | Int64s) -> list[str]:
        """The strings at `rows`, in the order of `rows`; raises IndexError for a row that is not there."""
        wanted = np.ascontiguousarray(rows, np.int64)
        try:
            return take_strings(self._data, self._offsets, wanted)
        except IndexError:
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} of {len(self)} strings") from None

    def find(self, string: str) -> int:
        """The row of `string`, or -1."""
        return int(self.find_many([string])[0])

    def find_many(self, strings: Sequence[str]) -> Int64s:
        """B strings → rows (B,) int64, -1 where a string is absent."""
        encoded = [encode(string) for string in strings]
        bounds = np.array([0, *accumulate(map(len, encoded))], np.int64)
        found = np.empty(len(encoded), np.int64)
        find_strings(self._data, self._offsets, np.frombuffer(b"".join(encoded), np.uint8), bounds, found)
        return found

    def lower_bound(self, string: str) -> int:
        """How many strings sort before `string`."""
        return self._search(encode(string), 0, len(self))[0]

    def upper_bound(self, string: str) -> int:
        """How many strings sort before `string` or equal it."""
        row, is_there = self._search(encode(string), 0, len(self))
        return row + is_there

    def select(self, keep: Bools) -> SortedStrings:
        """The strings where `keep` (N,) bool is true."""
        new_rows = np.where(keep, np.cumsum(keep, dtype=np.int64) - 1, np.int64(-1))
        return _gather([self], [new_rows], int(np.count_nonzero(keep)))

    @staticmethod
    def merge(tables: Sequence[SortedStrings]) -> tuple[SortedStrings, list[Int64s]]:
        """The union of the tables, and for each table its map from old row to new row, int64 (N_i,).

        Halves are merged first, so each byte is copied about log2(tables) times and nothing is decoded.
        """
        if not tables:
            return SortedStrings.build([]), []
        if len(tables) == 1:
            return tables[0], [np.arange(len(tables[0]), dtype=np.int64)]
        middle = len(tables) // 2
        left, left_maps = SortedStrings.merge(tables[:middle])
        right, right_maps = SortedStrings.merge(tables[middle:])
        left_rows, right_rows = np.empty(len(left), np.int64), np.empty(len(right), np.int64)
        size = align_strings(left._data, left._offsets, right._data, right._offsets, left_rows, right_rows)
        merged = _gather([left, right], [left_rows, right_rows], size)
        return merged, [left_rows[rows] for rows in left_maps] + [right_rows[rows] for rows in right_maps]

    def _search(self, wanted: bytes, low: int, high: int) -> tuple[int, bool]:
        """The first row from `low` to `high` that does not sort before `wanted`, and whether it equals it."""
        row = bisect_left(range(len(self)), wanted, low, high, key=self._encoded)
        return row, row < high and self._encoded(row) == wanted

    def _encoded(self, row: int) -> bytes:
        return self._bytes[self._bounds[row] : self._bounds[row + 1]].tobytes()


def encode(string: str) -> bytes:
    """A lone surrogate can be asked for but never stored: its bytes here equal no valid UTF-8."""
    return string.encode("utf-8", "surrogatepass")


def _gather(tables: Sequence[SortedStrings], new_rows: Sequence[Int64s], size: int) -> SortedStrings:
    """A table of `size` strings, each taken from the tables that map a row to it (-1: left out)."""
    offsets = np.zeros(size + 1, np.int64)
    for table, rows in zip(tables, new_rows, strict=True):
        offsets[rows[rows >= 0] + 1] = np.diff(table._offsets)[rows >= 0]
    np.cumsum(offsets, out=offsets)
    data = np.empty(int(offsets[-1]), np.uint8)
    for table, rows in zip(tables, new_rows, strict=True):
        place_strings(table._data, table._offsets, rows, data, offsets)
    return SortedStrings(data, offsets)

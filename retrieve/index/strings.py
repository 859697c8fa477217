"""Sorted unique strings in two arrays: document ids, vocabularies, string columns.

UTF-8 sorts byte by byte as its code points do, so the strings are never decoded to be searched or merged, and a
table of millions is mapped from disk as it is, without one Python object per string.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numba import njit

from retrieve.index.arrays import Array, Bools, Bytes, Int64s, check_offsets, frozen, take_array


@njit(nogil=True, cache=True)
def _compare(a: Bytes, a_start: int, a_end: int, b: Bytes, b_start: int, b_end: int) -> int:
    """Negative, zero or positive, as a[a_start:a_end] sorts before, equals or sorts after b[b_start:b_end]."""
    for i in range(min(a_end - a_start, b_end - b_start)):
        difference = np.int64(a[a_start + i]) - np.int64(b[b_start + i])
        if difference != 0:
            return difference  # type: ignore[return-value]
    return (a_end - a_start) - (b_end - b_start)


@njit(nogil=True, cache=True)
def _search(data: Bytes, offsets: Int64s, wanted: Bytes, bounds: Int64s, rows: Int64s, found: Bools) -> None:
    """For each wanted string: the first row that is not before it, and whether that row equals it."""
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
        rows[q] = low
        found[q] = equal


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _place(source: Bytes, offsets: Int64s, new_rows: Int64s, target: Bytes, target_offsets: Int64s) -> None:
    """Copy each string to its new row; -1 leaves it out."""
    for row in range(len(new_rows)):
        if new_rows[row] >= 0:
            start = target_offsets[new_rows[row]]
            for i in range(offsets[row + 1] - offsets[row]):
                target[start + i] = source[offsets[row] + i]


class SortedStrings:
    """N unique strings in code point order, as `bytes` uint8 and `offsets` int64 (N+1,)."""

    __slots__ = ("_data", "_offsets")

    def __init__(self, data: Bytes, offsets: Int64s) -> None:
        self._data = frozen(data)
        self._offsets = frozen(offsets)

    @classmethod
    def build(cls, strings: Iterable[str]) -> SortedStrings:
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
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str = "") -> SortedStrings:
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
        return self._data[self._offsets[row] : self._offsets[row + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def __contains__(self, string: str) -> bool:
        return self.find(string) >= 0

    def get_many(self, rows: Sequence[int] | Int64s) -> list[str]:
        """The strings at `rows`, in the order of `rows`; raises IndexError for a row that is not there."""
        return [self[row] for row in np.asarray(rows, np.int64).tolist()]

    def find(self, string: str) -> int:
        """The row of `string`, or -1."""
        return int(self.find_many([string])[0])

    def find_many(self, strings: Sequence[str]) -> Int64s:
        """B strings → rows (B,) int64, -1 where a string is absent."""
        rows, found = self._bounds(strings)
        return np.where(found, rows, np.int64(-1))

    def lower_bound(self, string: str) -> int:
        """How many strings sort before `string`."""
        return int(self._bounds([string])[0][0])

    def upper_bound(self, string: str) -> int:
        """How many strings sort before `string` or equal it."""
        rows, found = self._bounds([string])
        return int(rows[0]) + int(found[0])

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
        size = _align(left._data, left._offsets, right._data, right._offsets, left_rows, right_rows)
        merged = _gather([left, right], [left_rows, right_rows], size)
        return merged, [left_rows[rows] for rows in left_maps] + [right_rows[rows] for rows in right_maps]

    def _bounds(self, strings: Sequence[str]) -> tuple[Int64s, Bools]:
        # A lone surrogate can be asked for but never stored: its bytes here equal no valid UTF-8.
        encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
        bounds = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(item) for item in encoded], out=bounds[1:])
        rows = np.empty(len(encoded), np.int64)
        found = np.empty(len(encoded), np.bool_)
        _search(self._data, self._offsets, np.frombuffer(b"".join(encoded), np.uint8), bounds, rows, found)
        return rows, found


def _gather(tables: Sequence[SortedStrings], new_rows: Sequence[Int64s], size: int) -> SortedStrings:
    """A table of `size` strings, each taken from the tables that map a row to it (-1: left out)."""
    offsets = np.zeros(size + 1, np.int64)
    for table, rows in zip(tables, new_rows, strict=True):
        offsets[rows[rows >= 0] + 1] = np.diff(table._offsets)[rows >= 0]
    np.cumsum(offsets, out=offsets)
    data = np.empty(int(offsets[-1]), np.uint8)
    for table, rows in zip(tables, new_rows, strict=True):
        _place(table._data, table._offsets, rows, data, offsets)
    return SortedStrings(data, offsets)

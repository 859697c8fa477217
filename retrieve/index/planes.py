"""Counting by bit planes: plane p holds bit p of every row's count, 64 rows to a word.

A query adds its dimensions' bitmaps with carry-save adders, so that one instruction counts for as many rows as a
register has bits; the best rows come off the planes from the highest down, without a heap and without a sort.
Kernels that use one another share a file, because numba's cache on disk is renewed only when that file changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

from retrieve.index.arrays import Int64s, UInt16s, UInt32s

Words = npt.NDArray[np.uint64]
Int32s = npt.NDArray[np.int32]


@intrinsic
def _ones(_typing: Any, word: Any) -> Any:
    """How many bits of a uint64 are set: the processor's own instruction, in vectors where it has that."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@njit(nogil=True, cache=True)
def find_entries(dims: UInt32s, dimensions: int, query: UInt32s, found: Int64s) -> int:
    """The entries of a block that a query has, both rising → `found` (m_q,), of which the first so many are filled.

    An entry is not far before its dimension where few dimensions are missing; where none is, it is its dimension.
    """
    missing = dimensions - len(dims)
    low = n = 0
    for dim in query:
        low = max(low, np.int64(dim) - missing)
        high = min(np.int64(dim) + 1, len(dims))
        while low < high:
            middle = (low + high) >> 1
            if dims[middle] < dim:
                low = middle + 1
            else:
                high = middle
        if low < len(dims) and dims[low] == dim:
            found[n] = low
            n += 1
    return n


@njit(nogil=True, cache=True)
def count_block(
    sizes: Int32s,
    places: Int64s,
    lists: UInt16s,
    bitmaps: Words,
    entries: Int64s,
    planes: Words,
    first: int,
    words: int,
) -> None:
    """Count a block's entries into planes[:, first : first + words]."""
    planes[:, first : first + words] = 0
    expanded = np.empty(words, np.uint64)
    for entry in entries:
        place = places[entry]
        if sizes[entry] > 0:
            expanded[:] = 0
            for i in range(place, place + sizes[entry]):
                row = np.int64(lists[i])
                expanded[row >> 6] |= np.uint64(1) << np.uint64(row & 63)
        else:
            expanded[:] = bitmaps[place : place + words]
        for word in range(words):
            carry = expanded[word]
            plane = 0
            while carry != 0:
                held = planes[plane, first + word]
                planes[plane, first + word] = held ^ carry
                carry &= held
                plane += 1


@njit(nogil=True, cache=True)
def best_rows(planes: Words, live: Words, k: int) -> tuple[Int64s, Int64s]:
    """Rows and counts of the k best rows with a count above 0, by (−count, row); empty `live`: all rows may be found.

    From the highest plane down: where k candidates or more have its bit, those without it are out; where fewer have
    it, those that do are in, and the others stand for the places left. What remains has one count: the first rows win.
    """
    words = planes.shape[1]
    candidates, chosen = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    for plane in range(len(planes)):
        for word in range(words):
            candidates[word] |= planes[plane, word]
    if len(live) > 0:
        for word in range(words):
            candidates[word] &= live[word]
    room = k
    for plane in range(len(planes) - 1, -1, -1):
        having = 0
        for word in range(words):
            having += _ones(candidates[word] & planes[plane, word])
        if having >= room:
            for word in range(words):
                candidates[word] &= planes[plane, word]
        else:
            for word in range(words):
                chosen[word] |= candidates[word] & planes[plane, word]
                candidates[word] &= ~planes[plane, word]
            room -= having
    for word in range(words):
        left = candidates[word]
        while left != 0 and room > 0:
            chosen[word] |= left & (~left + np.uint64(1))
            left &= left - np.uint64(1)
            room -= 1
    total = 0
    for word in range(words):
        total += _ones(chosen[word])
    rows = np.empty(total, np.int64)
    n = 0
    for word in range(words):
        left = chosen[word]
        while left != 0:
            lowest = left & (~left + np.uint64(1))
            rows[n] = 64 * word + _ones(lowest - np.uint64(1))
            left ^= lowest
            n += 1
    return by_count(planes, rows)


@njit(nogil=True, cache=True)
def counts_at(planes: Words, rows: Int64s) -> Int64s:
    """Counts of some rows."""
    counts = np.zeros(len(rows), np.int64)
    for plane in range(len(planes)):
        for i in range(len(rows)):
            word = planes[plane, rows[i] >> 6]
            counts[i] |= np.int64((word >> np.uint64(rows[i] & 63)) & np.uint64(1)) << plane
    return counts


@njit(nogil=True, cache=True)
def by_count(planes: Words, rows: Int64s) -> tuple[Int64s, Int64s]:
    """Rows, rising, and their counts, sorted by (−count, row): a counting sort, as counts are small."""
    counts = counts_at(planes, rows)
    highest = 0
    for count in counts:
        highest = max(highest, count)
    cursors = np.zeros(highest + 2, np.int64)
    for count in counts:
        cursors[highest - count + 1] += 1
    for i in range(highest):
        cursors[i + 1] += cursors[i]
    sorted_rows, sorted_counts = np.empty_like(rows), np.empty_like(counts)
    for i in range(len(rows)):
        place = cursors[highest - counts[i]]
        cursors[highest - counts[i]] += 1
        sorted_rows[place], sorted_counts[place] = rows[i], counts[i]
    return sorted_rows, sorted_counts

"""Counting by bit planes: plane p holds bit p of every row's count, 64 rows to a word.

A query adds its dimensions' bitmaps with carry-save adders, so that one instruction counts for as many rows as a
register has bits; the best rows come off the planes from the highest down, without a heap and without a sort.
Kernels that use one another share a file, because numba's cache on disk is renewed only when that file changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from retrieve.index.arrays import Bytes, Int64s, UInt16s, UInt32s

UNIT = 8
"""Words of 64 bits that are worked on at a time: as many as the widest vector register holds."""

GROUP = 16
"""Bitmaps that are added at a time."""

LEAST_PLANES = _LEVELS = 4
"""Planes that such a group is summed into before a carry leaves it, log2(GROUP): there are never fewer."""

_INT = ir.IntType(64)
_LANES = ir.VectorType(_INT, UNIT)

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


@intrinsic
def _add_group(_typing: Any, sources: Any, planes: Any, stride: Any, words: Any, height: Any) -> Any:
    """Add `GROUP` bitmaps of `words` words to the counts; all arguments are int64.

    `sources` is the address of the addresses of these bitmaps and, behind them, of as many that come next and are
    fetched ahead. `planes` is the address of plane 0, `stride` the words from a plane to the next, and `height` ≥ 4
    how many planes a carry may reach. The carry-save adders halve the bitmaps of one weight until one is left
    (Harley–Seal); it ripples through the planes above.
    """

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        table, bottom, stride, words, height = args
        table = builder.inttoptr(table, _INT.as_pointer())
        bitmaps = [builder.load(builder.gep(table, [_INT(i)])) for i in range(2 * GROUP)]
        step = builder.mul(stride, _INT(8))
        levels = [builder.add(bottom, builder.mul(step, _INT(level))) for level in range(_LEVELS + 1)]
        ripple = builder.add(bottom, builder.mul(step, _INT(_LEVELS)))
        above = builder.sub(height, _INT(_LEVELS))
        fetch = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), *[ir.IntType(32)] * 3]),
            "llvm.prefetch.p0",
        )
        with cgutils.for_range(builder, builder.udiv(words, _INT(UNIT))) as loop:
            offset = builder.mul(loop.index, _INT(8 * UNIT))

            def place(address: Any) -> Any:
                return builder.inttoptr(builder.add(address, offset), _LANES.as_pointer())

            held = [builder.load(place(levels[level]), align=8) for level in range(_LEVELS)]
            carries: list[list[Any]] = [[] for _ in range(_LEVELS + 1)]
            for i in range(GROUP):
                carries[0].append(builder.load(place(bitmaps[i]), align=8))
                ahead = builder.bitcast(place(bitmaps[GROUP + i]), ir.IntType(8).as_pointer())
                builder.call(fetch, [ahead, *(ir.IntType(32)(flag) for flag in (0, 3, 1))])
                for level in range(_LEVELS):
                    if len(carries[level]) == 2:
                        carry, held[level] = _add_three(builder, held[level], *carries[level])
                        carries[level].clear()
                        carries[level + 1].append(carry)
            for level in range(_LEVELS):
                builder.store(held[level], place(levels[level]), align=8)
            carry = cgutils.alloca_once(builder, _LANES)
            builder.store(carries[_LEVELS][0], carry)
            with cgutils.for_range(builder, above) as inner:
                spot = place(builder.add(ripple, builder.mul(inner.index, step)))
                plane, moved = builder.load(spot, align=8), builder.load(carry)
                builder.store(builder.xor(plane, moved), spot, align=8)
                builder.store(builder.and_(plane, moved), carry)
        return _context.get_dummy_value()

    return types.none(*[types.int64] * 5), codegen


def _add_three(builder: Any, one: Any, two: Any, three: Any) -> tuple[Any, Any]:
    """Bit by bit, the carry and the sum of three."""
    half = builder.xor(one, two)
    carry = builder.or_(builder.and_(one, two), builder.and_(half, three))
    return carry, builder.xor(half, three)


def workspaces(words: int) -> tuple[Int64s, Bytes]:
    """What `count_block` needs for blocks of so many words at most."""
    return np.empty(2 * GROUP, np.int64), np.empty(8 * words * (GROUP + 1), np.uint8)


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
    sources: Int64s,
    scratch: Bytes,
) -> None:
    """Count a block's entries into planes[:, first : first + words].

    Two workspaces belong to the caller, as only their addresses are used here: `sources` (2·GROUP,) and `scratch`
    (8·words·(GROUP + 1),), in which lists are written out as bitmaps and where the last bitmap is 0.
    """
    planes[:, first : first + words] = 0
    width = 8 * words
    nothing = scratch.ctypes.data + GROUP * width
    scratch[GROUP * width : (GROUP + 1) * width] = 0
    base = bitmaps.ctypes.data
    counted = 0
    while counted < len(entries):
        for i in range(2 * GROUP):
            sources[i] = nothing
            if counted + i < len(entries):
                entry = entries[counted + i]
                if sizes[entry] < 0:
                    sources[i] = base + 8 * places[entry]
                elif i < GROUP:
                    sources[i] = scratch.ctypes.data + i * width
                    expand_list(
                        lists[places[entry] : places[entry] + sizes[entry]],
                        scratch[i * width : (i + 1) * width],
                    )
        counted += GROUP
        height = _LEVELS
        while height < len(planes) and (min(counted, len(entries)) >> height) > 0:
            height += 1
        _add_group(sources.ctypes.data, planes.ctypes.data + 8 * first, planes.shape[1], words, height)


@njit(nogil=True, cache=True)
def expand_list(rows: UInt16s, bitmap: Bytes) -> None:
    """A list as a bitmap: byte by byte, since two rows of one list rarely meet in a byte, where one waits for another."""
    bitmap[:] = 0
    for i in range(len(rows)):
        row = np.int64(rows[i])
        bitmap[row >> 3] |= np.uint8(1 << (row & 7))


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

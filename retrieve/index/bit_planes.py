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
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from retrieve.index.arrays import Bytes, Int64s, UInt16s, UInt32s
from retrieve.index.bits import count_ones, lowest_one
from retrieve.index.codes import Codes
from retrieve.kernels import kernel

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


@kernel
def find_entries(dims: UInt32s, dimensions: int, query: UInt32s, found: Int64s) -> int:
    """The entries of a block that a query has, both rising → `found` (m_q,), of which the first so many are filled.

    An entry is not far before its dimension where few dimensions are missing; where none is, it is its dimension.
    """
    missing = dimensions - len(dims)
    low = n = 0
    for i in range(len(query)):
        dim: int = np.int64(query[i])  # type: ignore[assignment]
        low, high = max(low, dim - missing), min(dim + 1, len(dims))
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
        *levels, ripple = (
            builder.add(bottom, builder.mul(step, _INT(level))) for level in range(_LEVELS + 1)
        )
        above = builder.sub(height, _INT(_LEVELS))
        fetch = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
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
            carry = cgutils.alloca_once(builder, _LANES)  # type: ignore[no-untyped-call]
            builder.store(carries[_LEVELS][0], carry)
            with cgutils.for_range(builder, above) as inner:
                spot = place(builder.add(ripple, builder.mul(inner.index, step)))
                plane, moved = builder.load(spot, align=8), builder.load(carry)
                builder.store(builder.xor(plane, moved), spot, align=8)
                builder.store(builder.and_(plane, moved), carry)
        return _context.get_dummy_value()

    return types.none(*[types.int64] * 5), codegen


def _add_three(builder: Any, one: Any, two: Any, three: Any) -> tuple[Any, Any]:
    """Bit by bit, the carry and the sum of three: each is one instruction where there is one for any three inputs."""
    carry = builder.or_(builder.and_(one, two), builder.and_(builder.or_(one, two), three))
    return carry, builder.xor(builder.xor(one, two), three)


def workspaces(words: int) -> tuple[Int64s, Bytes]:
    """`sources` and `scratch` of `count_block` for blocks of so many words at most."""
    scratch = np.empty(8 * words * (GROUP + 1), np.uint8)
    scratch[8 * words * GROUP :] = 0
    return np.empty(2 * GROUP, np.int64), scratch


@kernel
def count_block(
    dims: UInt32s,
    sizes: Int32s,
    places: Int64s,
    lists: UInt16s,
    bitmaps: Words,
    dimensions: int,
    queries: Codes,
    planes: Words,
    first: int,
    words: int,
    sources: Int64s,
    scratch: Bytes,
) -> None:
    """Count what a block's rows share with each query q into planes[q, :, first : first + words], which are 0.

    `planes` is (B,planes,W). The groups of all queries are worked off by dimension, so that a bitmap which several
    of them have is read while it is in the cache. Two workspaces belong to the caller, as only their addresses are
    used here: `sources` (2·GROUP,), and `scratch` (GROUP + 1 bitmaps), in which lists are written out and whose last
    bitmap is 0.
    """
    ends, winners = queries.starts, queries.dims
    entries = np.empty(len(winners), np.int64)
    # Of each group its first entry and its end, its query, and the planes that its carry may reach.
    groups = np.empty((len(winners) // GROUP + len(ends), 4), np.int64)
    filled = n = 0
    for query in range(len(ends) - 1):
        found = find_entries(dims, dimensions, winners[ends[query] : ends[query + 1]], entries[filled:])
        height = LEAST_PLANES
        for start in range(0, found, GROUP):
            counted = min(start + GROUP, found)
            while (counted >> height) > 0:
                height += 1
            groups[n, 0], groups[n, 1] = filled + start, filled + counted
            groups[n, 2], groups[n, 3] = query, height
            n += 1
        filled += found
    order = np.argsort(entries[groups[:n, 0]], kind="mergesort")
    width = 8 * words
    nothing = scratch.ctypes.data + len(scratch) - width
    for i in range(n):
        group, after = groups[order[i]], groups[order[min(i + 1, n - 1)]]
        for j in range(GROUP):
            sources[j] = sources[GROUP + j] = nothing
            if group[0] + j < group[1]:
                entry = entries[group[0] + j]
                if sizes[entry] < 0:
                    sources[j] = bitmaps.ctypes.data + 8 * places[entry]
                else:
                    rows = lists[places[entry] : places[entry] + sizes[entry]]
                    expand_list(rows, scratch[j * width : (j + 1) * width])
                    sources[j] = scratch.ctypes.data + j * width
            if after[0] + j < after[1] and sizes[entries[after[0] + j]] < 0:
                sources[GROUP + j] = bitmaps.ctypes.data + 8 * places[entries[after[0] + j]]
        bottom = planes.ctypes.data + 8 * (group[2] * planes.shape[1] * planes.shape[2] + first)
        _add_group(sources.ctypes.data, bottom, planes.shape[2], words, group[3])  # type: ignore[call-arg]


@kernel
def expand_list(rows: UInt16s, bitmap: Bytes) -> None:
    """A list as a bitmap, byte by byte: two rows rarely meet in a byte, where the second has to wait for the first."""
    bitmap[:] = 0
    for i in range(len(rows)):
        row = np.int64(rows[i])
        bitmap[row >> 3] |= np.uint8(1 << (row & 7))


@kernel
def best_rows(planes: Words, live: Words, k: int) -> tuple[Int64s, Int64s]:
    """Rows and counts of the k best rows with a count above 0, by (−count, row); empty `live`: all may be found.

    From the highest plane down: where k candidates or more have its bit, those without it are out; where fewer have
    it, those that do are in, and the others stand for the places left. What remains has one count: the first rows win.
    """
    words = planes.shape[1]
    candidates, chosen = _counted_rows(planes, live), np.zeros(words, np.uint64)
    room = k
    for plane in range(len(planes) - 1, -1, -1):
        having = 0
        for word in range(words):
            having += count_ones(candidates[word] & planes[plane, word])  # type: ignore[call-arg]
        if having >= room:
            for word in range(words):
                candidates[word] &= planes[plane, word]
        else:
            for word in range(words):
                chosen[word] |= candidates[word] & planes[plane, word]
                candidates[word] &= ~planes[plane, word]
            room -= having
    return by_count(planes, np.concatenate((rows_in(chosen, k), rows_in(candidates, room))))


@kernel
def _counted_rows(planes: Words, live: Words) -> Words:
    """The bitmap of live rows with a count above 0."""
    found = np.zeros(planes.shape[1], np.uint64)
    for plane in range(len(planes)):
        for word in range(len(found)):
            found[word] |= planes[plane, word]
    if len(live) > 0:
        for word in range(len(found)):
            found[word] &= live[word]
    return found


@kernel
def rows_in(bitmap: Words, most: int) -> Int64s:
    """The first `most` rows of a bitmap, rising."""
    total = 0
    for word in range(len(bitmap)):
        total += count_ones(bitmap[word])  # type: ignore[call-arg]
    rows = np.empty(min(total, most), np.int64)
    n = 0
    for word in range(len(bitmap)):
        left = bitmap[word]
        while left != 0 and n < len(rows):
            rest = left & (left - np.uint64(1))
            n += 1
            rows[n - 1], left = 64 * word + lowest_one(left), rest  # type: ignore[call-arg]
    return rows


@kernel
def counts_at(planes: Words, rows: Int64s) -> Int64s:
    """Counts of some rows."""
    counts = np.zeros(len(rows), np.int64)
    for plane in range(len(planes)):
        for i in range(len(rows)):
            word = planes[plane, rows[i] >> 6]
            counts[i] |= np.int64((word >> np.uint64(rows[i] & 63)) & np.uint64(1)) << plane
    return counts


@kernel
def by_count(planes: Words, rows: Int64s) -> tuple[Int64s, Int64s]:
    """Rows and their counts by falling count, equal ones in the order given: a counting sort, as counts are small."""
    counts = counts_at(planes, rows)
    highest = counts.max() if len(counts) > 0 else 0
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

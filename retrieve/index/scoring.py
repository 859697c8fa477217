"""Scoring kernels over blocks of postings, and the choice of the best rows while a block's scores are in the cache.

What a posting adds depends on two small numbers, term frequency and length, so the usual ones are looked up in a table
instead of divided; the table holds what the division gives, so the scores do not depend on it. Scores are then read
many at a time against the k-th best so far, and only what passes is kept: no heap, no pass of its own.
All kernels share this file because numba's cache on disk is renewed only when the kernel's own file changes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from retrieve.index.arrays import Array, Bools, Bytes, Float64s, Int64s, UInt16s, UInt32s, frozen
from retrieve.index.blocks import BLOCK, ESCAPE, Blocks

_FREQUENCIES = 16
"""Term frequencies below this are in the table of saturations."""

_LENGTHS = 4_096
"""And lengths below this."""

_CHUNK = 64
"""Scores compared at a time."""

_SPARE = 128
"""Candidates collected beyond 2k before they are sifted."""


@lru_cache(maxsize=8)
def saturations(base: float, slope: float) -> Float64s:
    """tf / (tf + base + slope · length), at tf · 4,096 + length, for the frequencies and lengths that are usual."""
    tf = np.arange(_FREQUENCIES, dtype=np.float64)[:, None]
    norm = base + slope * np.arange(_LENGTHS, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0 where k1 is 0: no posting has a frequency of 0
        return frozen((tf / (tf + norm)).ravel())


@njit(nogil=True, cache=True)
def find_entry(blocks: Blocks, block: int, term: int) -> int:
    """The entry of `term` in a block, or -1."""
    low, end = blocks.block_starts[block], blocks.block_starts[block + 1]
    high = end
    while low < high:
        middle = (low + high) >> 1
        if blocks.block_terms[middle] < term:
            low = middle + 1
        else:
            high = middle
    return np.int64(low if low < end and blocks.block_terms[low] == term else -1)  # type: ignore[return-value]


@njit(nogil=True, cache=True)
def _add_saturations(
    local_rows: UInt16s,
    tfs: Bytes,
    overflow: UInt32s,
    lengths: UInt32s,
    table: Float64s,
    weight: float,
    base: float,
    slope: float,
    scores: Float64s,
) -> None:
    """scores[row] += weight · (tf / (tf + base + slope · length)) for one entry's postings; `scores` of its block.

    `overflow`: the values of the overflow list from the entry's first escaped posting on, which are taken in turn.
    """
    escaped = 0
    for i in range(len(local_rows)):
        row = np.intp(local_rows[i])
        tf, length = np.int64(tfs[i]), np.int64(lengths[row])
        if tf < _FREQUENCIES and length < _LENGTHS:
            scores[row] += weight * table[tf * _LENGTHS + length]
        else:
            if tf == ESCAPE:
                tf = np.int64(overflow[escaped])
                escaped += 1
            frequency = float(tf)
            scores[row] += weight * (frequency / (frequency + (base + slope * float(length))))


@njit(nogil=True, cache=True)
def _score_block(
    blocks: Blocks,
    block: int,
    lengths: UInt32s,
    table: Float64s,
    term_ids: Int64s,
    weights: Float64s,
    base: float,
    slope: float,
    scores: Float64s,
) -> bool:
    """Add every query term in turn to the scores of a block; whether it holds any of them."""
    found = False
    for q in range(len(term_ids)):
        entry = find_entry(blocks, block, term_ids[q])
        if entry < 0:
            continue
        found = True
        start, end = blocks.entry_starts[entry], blocks.entry_starts[entry + 1]
        overflow = blocks.overflow_values[np.searchsorted(blocks.overflow_positions, start) :]
        _add_saturations(
            blocks.local_rows[start:end],
            blocks.tfs[start:end],
            overflow,
            lengths[block * BLOCK :],
            table,
            weights[q],
            base,
            slope,
            scores,
        )
    return found


@njit(nogil=True, cache=True)
def add_bm25(
    blocks: Blocks,
    lengths: UInt32s,
    table: Float64s,
    term_ids: Int64s,
    weights: Float64s,
    base: float,
    slope: float,
    scores: Float64s,
) -> None:
    """scores[row] += weight · (tf / (tf + base + slope · length)) for every row and each query term in turn.

    Block by block, so that the scores of a block stay in the cache while all query terms pass over it.
    """
    for block in range(len(blocks.block_starts) - 1):
        part = scores[block * BLOCK : (block + 1) * BLOCK]
        _score_block(blocks, block, lengths, table, term_ids, weights, base, slope, part)


@njit(nogil=True, cache=True)
def add_impacts(blocks: Blocks, term_ids: Int64s, weights: Float64s, scores: Float64s) -> None:
    """scores[row] += weight · impact, where the stored frequency is the impact."""
    for block in range(len(blocks.block_starts) - 1):
        part = scores[block * BLOCK : (block + 1) * BLOCK]
        for q in range(len(term_ids)):
            entry = find_entry(blocks, block, term_ids[q])
            if entry < 0:
                continue
            start, end = blocks.entry_starts[entry], blocks.entry_starts[entry + 1]
            local_rows, tfs = blocks.local_rows[start:end], blocks.tfs[start:end]
            escaped = np.searchsorted(blocks.overflow_positions, start)
            for i in range(len(local_rows)):
                impact = np.int64(tfs[i])
                if impact == ESCAPE:
                    impact = np.int64(blocks.overflow_values[escaped])
                    escaped += 1
                part[np.intp(local_rows[i])] += weights[q] * float(impact)


@njit(nogil=True, cache=True)
def _sift(k: int, groups: UInt32s, scores: Float64s, rows: Int64s, n: int) -> int:
    """Keep of n candidates, rows rising, each group's best row and of the groups the k best; returns how many.

    Rows stay in order, so that of equal groups the first are kept.
    """
    kept = 0
    for i in range(n):
        if len(groups) > 0 and kept > 0 and groups[rows[kept - 1]] == groups[rows[i]]:
            if scores[i] > scores[kept - 1]:
                scores[kept - 1], rows[kept - 1] = scores[i], rows[i]
        else:
            scores[kept], rows[kept] = scores[i], rows[i]
            kept += 1
    if kept <= k:
        return kept
    last = np.partition(scores[:kept], kept - k)[kept - k]
    equal = k - np.sum(scores[:kept] > last)
    n, kept = kept, 0
    for i in range(n):
        if scores[i] > last or (scores[i] == last and equal > 0):
            equal -= scores[i] == last
            scores[kept], rows[kept] = scores[i], rows[i]
            kept += 1
    return kept


@njit(nogil=True, cache=True)
def _next_above(scores: Array, threshold: float) -> int:
    """The first of the chunk that has a score above the threshold (NaN is not), or of what is left after the last
    whole chunk. Standing alone, over whole chunks, from 0 and without a way out is how it becomes wide comparisons.
    """
    whole = len(scores) - len(scores) % _CHUNK
    for first in range(0, whole, _CHUNK):
        above = False
        for i in range(first, first + _CHUNK):
            above = above | (scores[i] > threshold)
        if above:
            return first
    return whole


@njit(nogil=True, cache=True)
def _collect(
    scores: Array,
    first_row: int,
    k: int,
    groups: UInt32s,
    live: Bools,
    threshold: float,
    kept_scores: Float64s,
    kept_rows: Int64s,
    n: int,
) -> tuple[int, float]:
    """Add the rows above the threshold to the n candidates, sifting when they are full; both as they are then.

    `scores` are those of the rows from `first_row` on. Empty `groups`: each row is one; empty `live`: all.
    """
    start = 0
    while True:
        start += _next_above(scores[start:], threshold)
        end = min(start + _CHUNK, len(scores))
        if start == end:
            return n, threshold
        if n + _CHUNK > len(kept_rows):
            n = _sift(k, groups, kept_scores, kept_rows, n)
            if n == k:
                threshold = max(threshold, kept_scores[:n].min())
        for i in range(start, end):
            if scores[i] > threshold and (len(live) == 0 or live[first_row + i]):
                kept_scores[n], kept_rows[n] = scores[i], first_row + i
                n += 1
        start = end


@njit(nogil=True, cache=True)
def _room(k: int, rows: int) -> int:
    """How many candidates to make room for: k twice and some, so that sifting is rare."""
    return min(k, rows) * 2 + _SPARE


@njit(nogil=True, cache=True)
def best_groups(
    scores: Array, k: int, groups: UInt32s, live: Bools, floor: float
) -> tuple[Float64s, Int64s]:
    """Scores and rows of the k best groups, rows rising."""
    room = _room(k, len(scores))
    kept_scores, kept_rows = np.empty(room, np.float64), np.empty(room, np.int64)
    n, _ = _collect(scores, 0, k, groups, live, floor, kept_scores, kept_rows, 0)
    n = _sift(k, groups, kept_scores, kept_rows, n)
    return kept_scores[:n], kept_rows[:n]


@njit(nogil=True, cache=True)
def best_bm25(
    blocks: Blocks,
    lengths: UInt32s,
    table: Float64s,
    term_ids: Int64s,
    weights: Float64s,
    base: float,
    slope: float,
    k: int,
    groups: UInt32s,
    live: Bools,
) -> tuple[Float64s, Int64s]:
    """`best_groups` of what `add_bm25` gives, above zero, one block's scores in memory at a time."""
    room = _room(k, len(lengths))
    kept_scores, kept_rows = np.empty(room, np.float64), np.empty(room, np.int64)
    n, threshold = 0, 0.0
    scores = np.zeros(min(BLOCK, len(lengths)), np.float64)
    for block in range(len(blocks.block_starts) - 1):
        first_row = block * BLOCK
        part = scores[: len(lengths) - first_row]
        if _score_block(blocks, block, lengths, table, term_ids, weights, base, slope, part):
            n, threshold = _collect(
                part, first_row, k, groups, live, threshold, kept_scores, kept_rows, n
            )
            part[:] = 0.0
    n = _sift(k, groups, kept_scores, kept_rows, n)
    return kept_scores[:n], kept_rows[:n]

"""Scoring kernels over blocks of postings, and the choice of the best rows while a block's scores are in the cache.

What a posting adds depends on two small numbers, term frequency and length, so the usual ones are looked up in a table
instead of divided; the table holds what the division gives, so the scores do not depend on it. The best rows need no
heap: the largest score of every 32 rows says where they can be, and how high the k-th best is at least.
All kernels share this file because numba's cache on disk is renewed only when the kernel's own file changes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from retrieve._core import BLOCK, ESCAPE
from retrieve.index.arrays import Array, Bools, Float64s, Int64s, UInt32s, frozen
from retrieve.index.blocks import Blocks
from retrieve.kernels import kernel

_FREQUENCIES = 16
"""Term frequencies below this are in the table of saturations."""

_LENGTHS = 4_095
"""And lengths below this."""

_SHORT = 255
"""Where all lengths are below this they are held in one byte each."""

_CHUNK = 32
"""Rows whose largest score is looked at first."""

_SPARSE = 16
"""Where query terms have less than a 16th as many postings as a block has rows, its other rows are not looked at."""

_SPARE = 128
"""Candidates collected beyond 2k before they are sifted."""


class Queries(NamedTuple):
    """B queries: query q has the terms starts[q] up to starts[q + 1] of all, and finds what scores above floors[q]."""

    term_ids: Int64s
    weights: Float64s
    starts: Int64s
    floors: Float64s


Norm: TypeAlias = tuple[float, float]
"""What a length adds to the term frequency in the denominator: a constant, and so much for each term."""


@lru_cache(maxsize=8)
def saturations(norm: Norm) -> Float64s:
    """tf / (tf + base + slope · length), at tf · 4,095 + length, for the frequencies and lengths that are usual."""
    base, slope = norm
    tf = np.arange(_FREQUENCIES, dtype=np.float64)[:, None]
    added = base + slope * np.arange(_LENGTHS, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0 where k1 is 0: no posting has a frequency of 0
        return frozen((tf / (tf + added)).ravel())


def columns_of(lengths: UInt32s) -> Array:
    """Where each length is in the table of saturations, (rows,) uint8 if it can be, else uint16; 4,095: nowhere."""
    narrow = np.uint8 if int(lengths.max(initial=0)) < _SHORT else np.uint16
    return frozen(np.minimum(lengths, _LENGTHS).astype(narrow))


@kernel
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


@kernel
def _find_entries(blocks: Blocks, block: int, term_ids: Int64s, entries: Int64s) -> int:
    """The entry of each query term in a block, or -1; returns how many postings they have."""
    n = 0
    for q in range(len(term_ids)):
        entries[q] = find_entry(blocks, block, term_ids[q])
        if entries[q] >= 0:
            n += blocks.entry_starts[entries[q] + 1] - blocks.entry_starts[entries[q]]
    return n


@kernel
def _score_block(
    blocks: Blocks,
    block: int,
    lengths: UInt32s,
    columns: Array,
    table: Float64s,
    entries: Int64s,
    weights: Float64s,
    norm: Norm,
    scores: Float64s,
) -> None:
    """Add every query term in turn to the scores of a block, whose first row has scores[0].

    `columns` (rows,): each length, or 4,095 for one that is not in the table. Subscripts are unsigned because numba
    looks at the others for a count from the end.
    """
    base, slope = norm
    columns = columns[block * BLOCK :]
    frequencies, width = np.uintp(_FREQUENCIES), np.uintp(_LENGTHS)
    for q in range(len(entries)):
        entry = entries[q]
        if entry < 0:
            continue
        weight = weights[q]
        start, end = blocks.entry_starts[entry], blocks.entry_starts[entry + 1]
        local_rows, tfs = blocks.local_rows[start:end], blocks.tfs[start:end]
        escaped = -1
        for i in range(len(local_rows)):
            row = np.uintp(local_rows[i])
            tf, column = np.uintp(tfs[i]), np.uintp(columns[row])
            if tf < frequencies and column < width:
                scores[row] += weight * table[tf * width + column]
            else:
                frequency = float(tf)
                if tf == ESCAPE:  # the overflow list goes on in step with the postings
                    if escaped < 0:
                        escaped = np.searchsorted(blocks.overflow_positions, start + i)
                    frequency = float(blocks.overflow_values[escaped])
                    escaped += 1
                added = base + slope * float(lengths[block * BLOCK + np.int64(row)])
                scores[row] += weight * (frequency / (frequency + added))


@kernel
def add_bm25(
    blocks: Blocks,
    lengths: UInt32s,
    columns: Array,
    table: Float64s,
    term_ids: Int64s,
    weights: Float64s,
    norm: Norm,
    scores: Float64s,
) -> None:
    """scores[row] += weight · (tf / (tf + base + slope · length)) for every row and each query term in turn.

    Block by block, so that the scores of a block stay in the cache while all query terms pass over it.
    """
    entries = np.empty(len(term_ids), np.int64)
    for block in range(len(blocks.block_starts) - 1):
        part = scores[block * BLOCK : (block + 1) * BLOCK]
        _find_entries(blocks, block, term_ids, entries)
        _score_block(blocks, block, lengths, columns, table, entries, weights, norm, part)


@kernel
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


@kernel
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


@kernel
def _find_maxima(scores: Array, maxima: Float64s) -> None:
    """The largest score of each chunk of 32, NaN passed over; four at a time, which do not wait for one another."""
    whole = len(scores) // _CHUNK
    for chunk in range(whole):
        part = scores[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        a = b = c = d = -np.inf
        for i in range(0, _CHUNK, 4):
            a = part[i] if part[i] > a else a
            b = part[i + 1] if part[i + 1] > b else b
            c = part[i + 2] if part[i + 2] > c else c
            d = part[i + 3] if part[i + 3] > d else d
        maxima[chunk] = max(a, b, c, d)
    maxima[whole:] = -np.inf
    for i in range(whole * _CHUNK, len(scores)):
        if scores[i] > maxima[whole]:  # noqa: PLR1730 - `max` would let NaN through
            maxima[whole] = scores[i]


@kernel
def _raised(
    threshold: float,
    maxima: Float64s,
    first_row: int,
    rows: int,
    k: int,
    groups: UInt32s,
    kept_scores: Float64s,
) -> float:
    """The threshold, or just below the k-th best of the kept groups and of chunks that share no group, if higher.

    Each of those stands for a group of its own, so there are k groups with at least that score.
    """
    best = np.empty(len(kept_scores) + len(maxima), np.float64)
    n = len(kept_scores)
    best[:n] = kept_scores
    seen = np.int64(groups[first_row - 1]) if len(groups) > 0 and first_row > 0 else np.int64(-1)
    for chunk in range(len(maxima)):
        start = first_row + chunk * _CHUNK
        if len(groups) > 0:
            if np.int64(groups[start]) == seen:
                continue
            seen = np.int64(groups[min(start + _CHUNK, first_row + rows) - 1])
        best[n] = maxima[chunk]
        n += 1
    if n < k:
        return threshold
    below: float = np.nextafter(np.partition(best[:n], n - k)[n - k], -np.inf)
    return max(threshold, below)


@kernel
def _choose(
    scores: Array,
    maxima: Float64s,
    first_row: int,
    k: int,
    groups: UInt32s,
    live: Bools,
    threshold: float,
    kept_scores: Float64s,
    kept_rows: Int64s,
    n: int,
) -> tuple[int, float]:
    """Add to the n candidates what may be among the k best; how many there are then, and the new threshold.

    `scores` are at most a block's, from `first_row` on, and `maxima` the largest of each chunk. Empty `groups`: each
    row is one; empty `live`: all.
    """
    n = _sift(k, groups, kept_scores, kept_rows, n)
    if n == k:
        threshold = max(threshold, kept_scores[:n].min())
    elif len(live) == 0:
        threshold = _raised(threshold, maxima, first_row, len(scores), k, groups, kept_scores[:n])
    for chunk in range(len(maxima)):
        if not maxima[chunk] > threshold:
            continue
        if n + _CHUNK > len(kept_rows):
            n = _sift(k, groups, kept_scores, kept_rows, n)
            if n == k:
                threshold = max(threshold, kept_scores[:n].min())
        start = chunk * _CHUNK
        for i in range(start, min(start + _CHUNK, len(scores))):
            if scores[i] > threshold and (len(live) == 0 or live[first_row + i]):
                kept_scores[n], kept_rows[n] = scores[i], first_row + i
                n += 1
    return n, threshold


@kernel
def _room(k: int, rows: int) -> int:
    """How many candidates to make room for: k twice and some, so that sifting is rare."""
    return min(k, rows) * 2 + _SPARE


@kernel
def best_groups(scores: Array, k: int, groups: UInt32s, live: Bools, floor: float) -> tuple[Float64s, Int64s]:
    """Scores and rows of the k best groups above the floor, rows rising."""
    room = _room(k, len(scores))
    kept_scores, kept_rows = np.empty(room, np.float64), np.empty(room, np.int64)
    n, threshold = 0, floor
    for start in range(0, len(scores), BLOCK):
        part = scores[start : start + BLOCK]
        maxima = np.empty(-(-len(part) // _CHUNK), np.float64)
        _find_maxima(part, maxima)
        n, threshold = _choose(part, maxima, start, k, groups, live, threshold, kept_scores, kept_rows, n)
    n = _sift(k, groups, kept_scores, kept_rows, n)
    return kept_scores[:n], kept_rows[:n]


@kernel
def _find_touched_maxima(
    blocks: Blocks, entries: Int64s, scores: Float64s, live: Bools, maxima: Float64s
) -> None:
    """The largest score that a posting of the query led to in each chunk; rows not live are set to 0 first."""
    maxima[:] = -np.inf
    for entry in entries:
        if entry < 0:
            continue
        for row in blocks.local_rows[blocks.entry_starts[entry] : blocks.entry_starts[entry + 1]]:
            if len(live) > 0 and not live[np.intp(row)]:
                scores[np.intp(row)] = 0.0
            chunk = np.intp(row) // _CHUNK
            maxima[chunk] = max(maxima[chunk], scores[np.intp(row)])


@kernel
def _clear_touched(blocks: Blocks, entries: Int64s, scores: Float64s) -> None:
    """Zero where a query term has a posting; the other rows were not touched."""
    for entry in entries:
        if entry >= 0:
            for row in blocks.local_rows[blocks.entry_starts[entry] : blocks.entry_starts[entry + 1]]:
                scores[np.intp(row)] = 0.0


@kernel
def best_bm25(
    blocks: Blocks,
    lengths: UInt32s,
    columns: Array,
    table: Float64s,
    queries: Queries,
    norm: Norm,
    k: int,
    groups: UInt32s,
    live: Bools,
    scores: Float64s,
) -> tuple[Float64s, Int64s, Int64s]:
    """For each query `best_groups` of what `add_bm25` gives, above its floor ≥ 0, one block's scores at a time.

    `scores` (a block's rows,) are zeros, before and after. A query's answer stands between the bounds that are
    returned beside scores and rows, by falling score, the first row among equals.
    """
    term_ids, weights, starts, floors = queries
    room = _room(k, len(lengths))
    kept_scores, kept_rows = np.empty(room, np.float64), np.empty(room, np.int64)
    best_scores = np.empty(len(floors) * min(k, len(lengths)), np.float64)
    best_rows = np.empty(len(best_scores), np.int64)
    bounds = np.zeros(len(starts), np.int64)
    for q in range(len(floors)):
        ids, factors = term_ids[starts[q] : starts[q + 1]], weights[starts[q] : starts[q + 1]]
        entries = np.empty(len(ids), np.int64)
        n, threshold = 0, floors[q]
        for block in range(len(blocks.block_starts) - 1):
            postings = _find_entries(blocks, block, ids, entries)
            if postings == 0:
                continue
            first_row = block * BLOCK
            part = scores[: min(BLOCK, len(lengths) - first_row)]
            maxima = np.empty(-(-len(part) // _CHUNK), np.float64)
            alive = live[first_row : first_row + len(part)]
            _score_block(blocks, block, lengths, columns, table, entries, factors, norm, part)
            sparse = postings * _SPARSE < len(part)
            if sparse:
                _find_touched_maxima(blocks, entries, part, alive, maxima)
            else:
                for i in range(len(alive)):
                    part[i] = part[i] if alive[i] else 0.0
                _find_maxima(part, maxima)
            n, threshold = _choose(
                part, maxima, first_row, k, groups, live[:0], threshold, kept_scores, kept_rows, n
            )
            if sparse:
                _clear_touched(blocks, entries, part)
            else:
                part[:] = 0.0
        n = _sift(k, groups, kept_scores, kept_rows, n)
        order = np.argsort(-kept_scores[:n], kind="mergesort")
        bounds[q + 1] = bounds[q] + n
        best_scores[bounds[q] : bounds[q + 1]] = kept_scores[order]
        best_rows[bounds[q] : bounds[q + 1]] = kept_rows[order]
    return best_scores, best_rows, bounds


@kernel
def bm25_of_rows(
    blocks: Blocks,
    lengths: UInt32s,
    term_ids: Int64s,
    weights: Float64s,
    norm: Norm,
    rows: Int64s,
    scores: Float64s,
) -> None:
    """scores[i] += what `add_bm25` adds to rows[i]: each row is looked for in each term's postings."""
    base, slope = norm
    for q in range(len(term_ids)):
        block, entry = -1, -1
        for i in range(len(rows)):
            if rows[i] // BLOCK != block:
                block = rows[i] // BLOCK
                entry = find_entry(blocks, block, term_ids[q])
            if entry < 0:
                continue
            start, end = blocks.entry_starts[entry], blocks.entry_starts[entry + 1]
            local = np.uint16(rows[i] - block * BLOCK)
            posting = start + np.searchsorted(blocks.local_rows[start:end], local)
            if posting < end and blocks.local_rows[posting] == local:
                frequency = float(blocks.tfs[posting])
                if blocks.tfs[posting] == ESCAPE:
                    escaped = np.searchsorted(blocks.overflow_positions, posting)
                    frequency = float(blocks.overflow_values[escaped])
                added = base + slope * float(lengths[rows[i]])
                scores[i] += weights[q] * (frequency / (frequency + added))

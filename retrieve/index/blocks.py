"""Blocks of postings, and the kernels that turn rows of terms into blocks and blocks back into rows.

A block holds the postings of 65,536 rows, term by term, so that a row number takes two bytes and the accumulator of a
search stays in the L2 cache. Every pass is linear: a block's rows are written out as (term, frequency) pairs first,
and a counting sort by term follows; building and merging meet in that one form, which makes them agree to the byte.
Kernels take single arrays out of `Blocks` before their inner loop, where handing the tuple on would count references;
and they share this file because numba's cache on disk is renewed only when the kernel's own file changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from retrieve.index.arrays import Bools, Bytes, Int64s, UInt16s, UInt32s
from retrieve.kernels import kernel

BLOCK = 65_536
"""Rows in a block: as many as two bytes can number."""

ESCAPE = 255
"""The stored frequency that sends the reader to the overflow list; 254 is the largest that stands for itself."""


class Blocks(NamedTuple):
    """The stored arrays of all blocks. An entry is one term in one block; P postings, E entries, all read-only."""

    block_starts: Int64s
    """Each block's first entry, (blocks+1,)."""
    block_terms: UInt32s
    """The term of each entry, rising within a block, (E,)."""
    entry_starts: Int64s
    """Each entry's first posting, (E+1,)."""
    local_rows: UInt16s
    """Row of each posting, counted from the block's first and rising within an entry, (P,)."""
    tfs: Bytes
    """Term frequency of each posting, or `ESCAPE`, (P,)."""
    overflow_positions: Int64s
    """The escaped postings, rising, (O,)."""
    overflow_values: UInt32s
    """Their term frequencies, (O,)."""


def row_blocks(rows: int) -> Iterator[tuple[int, int]]:
    """First row and end of each block of `rows` rows."""
    return ((first, min(first + BLOCK, rows)) for first in range(0, rows, BLOCK))


@kernel
def escaped_frequency(blocks: Blocks, posting: int) -> int:
    """The term frequency of an escaped posting."""
    place = np.searchsorted(blocks.overflow_positions, posting)
    return np.int64(blocks.overflow_values[place])  # type: ignore[return-value]


@kernel
def count_rows(
    term_ids: UInt32s,
    starts: Int64s,
    slots: Int64s,
    pair_starts: Int64s,
    terms: UInt32s,
    frequencies: UInt32s,
) -> int:
    """Occurrences row by row → distinct (term, frequency) pairs row by row; returns how many.

    `slots` (V,) must be -1 everywhere at first: it remembers where the current row put a term. A slot from an
    earlier row lies before the current row's first pair, which is how it is told apart.
    """
    n = 0
    for row in range(len(starts) - 1):
        pair_starts[row] = n
        for i in range(starts[row], starts[row + 1]):
            term = term_ids[i]
            if slots[term] >= pair_starts[row]:
                frequencies[slots[term]] += 1
            else:
                slots[term] = n
                terms[n] = term
                frequencies[n] = 1
                n += 1
    pair_starts[len(starts) - 1] = n
    return n


@kernel
def find_repeated(term_ids: UInt32s, starts: Int64s, seen: Int64s) -> int:
    """The place of a term that its row had already, or -1; `seen` (V,) must be -1 everywhere at first."""
    for row in range(len(starts) - 1):
        for i in range(starts[row], starts[row + 1]):
            if seen[term_ids[i]] == row:
                return np.int64(i)  # type: ignore[return-value]
            seen[term_ids[i]] = row
    return np.int64(-1)  # type: ignore[return-value]


@kernel
def count_terms(terms: UInt32s, counts: Int64s) -> None:
    """counts[term] += 1 for each pair."""
    for i in range(len(terms)):
        counts[terms[i]] += 1


@kernel
def pack_pairs(
    pair_starts: Int64s,
    terms: UInt32s,
    frequencies: UInt32s,
    cursors: Int64s,
    local_rows: UInt16s,
    tfs: Bytes,
    overflow_positions: Int64s,
    overflow_values: UInt32s,
) -> None:
    """Pairs row by row → postings term by term; `cursors` (V,) holds each term's first posting and is moved on.

    The overflow comes out in the order of the rows: the caller sorts it by posting.
    """
    escaped = 0
    for row in range(len(pair_starts) - 1):
        for i in range(pair_starts[row], pair_starts[row + 1]):
            posting = cursors[terms[i]]
            cursors[terms[i]] = posting + 1
            local_rows[posting] = row
            if frequencies[i] < ESCAPE:
                tfs[posting] = frequencies[i]
            else:
                tfs[posting] = ESCAPE
                overflow_positions[escaped] = posting
                overflow_values[escaped] = frequencies[i]
                escaped += 1


@kernel
def terms_in_block(
    blocks: Blocks, block: int, rows: Int64s, owners: UInt32s, terms: UInt32s, frequencies: UInt32s
) -> int:
    """The postings of some rows (R,) of a block, rising and counted from its first; returns how many there are.

    Posting i is of row `owners[i]` of these; they come by term. Of each entry the shorter side is gone through, and
    looked up in the other.
    """
    local_rows, tfs = blocks.local_rows, blocks.tfs
    n = 0
    for entry in range(blocks.block_starts[block], blocks.block_starts[block + 1]):
        start, end = blocks.entry_starts[entry], blocks.entry_starts[entry + 1]
        by_row = len(rows) < end - start
        low = np.int64(0)
        for i in range(len(rows) if by_row else end - start):
            wanted = rows[i] if by_row else np.int64(local_rows[start + i])
            most = end - start if by_row else np.int64(len(rows))
            high = most
            while low < high:
                middle = (low + high) >> 1
                there = np.int64(local_rows[start + middle]) if by_row else rows[middle]
                if there < wanted:
                    low = middle + 1
                else:
                    high = middle
            if low == most:
                break
            if (np.int64(local_rows[start + low]) if by_row else rows[low]) == wanted:
                posting = start + (low if by_row else i)
                tf = np.int64(tfs[posting])
                owners[n] = i if by_row else low
                terms[n] = blocks.block_terms[entry]
                frequencies[n] = tf if tf < ESCAPE else escaped_frequency(blocks, posting)
                n += 1
    return np.int64(n)  # type: ignore[return-value]


@kernel
def count_kept(blocks: Blocks, new_rows: Int64s, counts: Int64s) -> None:
    """counts[new row] += 1 for each posting whose row is kept (new row ≥ 0)."""
    local_rows = blocks.local_rows
    for block in range(len(blocks.block_starts) - 1):
        start, end = blocks.block_starts[block], blocks.block_starts[block + 1]
        for posting in range(blocks.entry_starts[start], blocks.entry_starts[end]):
            new_row = new_rows[block * BLOCK + np.int64(local_rows[posting])]
            if new_row >= 0:
                counts[new_row] += 1


@kernel
def unpack_block(
    blocks: Blocks,
    block: int,
    new_terms: Int64s,
    new_rows: Int64s,
    target: int,
    cursors: Int64s,
    terms: UInt32s,
    frequencies: UInt32s,
) -> None:
    """Write one old block's postings as pairs into the new block of rows [target, target + len(cursors)).

    `cursors` holds where each new row's next pair goes and is moved on.
    """
    local_rows, tfs = blocks.local_rows, blocks.tfs
    for entry in range(blocks.block_starts[block], blocks.block_starts[block + 1]):
        term = new_terms[blocks.block_terms[entry]]
        for posting in range(blocks.entry_starts[entry], blocks.entry_starts[entry + 1]):
            row = new_rows[block * BLOCK + np.int64(local_rows[posting])] - target
            if 0 <= row < len(cursors):
                tf = np.int64(tfs[posting])
                terms[cursors[row]] = term
                frequencies[cursors[row]] = tf if tf < ESCAPE else escaped_frequency(blocks, posting)
                cursors[row] += 1


@kernel
def count_marked(blocks: Blocks, marked: Bools, counts: Int64s) -> None:
    """counts[term] += 1 for each posting of a marked row; `marked` (rows,) bool."""
    local_rows = blocks.local_rows
    for block in range(len(blocks.block_starts) - 1):
        first_row = block * BLOCK
        if not marked[first_row : first_row + BLOCK].any():
            continue
        for entry in range(blocks.block_starts[block], blocks.block_starts[block + 1]):
            count = 0
            for posting in range(blocks.entry_starts[entry], blocks.entry_starts[entry + 1]):
                count += marked[first_row + np.int64(local_rows[posting])]
            counts[blocks.block_terms[entry]] += count

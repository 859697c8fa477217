"""Blocks of postings: the stored arrays, as kernels take them.

A block holds the postings of 65,536 rows, term by term, so that a row number takes two bytes and the accumulator of a
search stays in the L2 cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from retrieve._core import BLOCK
from retrieve.index.arrays import Bytes, Int64s, UInt16s, UInt32s


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

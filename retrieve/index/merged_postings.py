"""Postings unpacked: those of several parts as one, rows renumbered, as a merge of segments has it; or row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieve._core import count_kept, unpack_block
from retrieve.index.arrays import Int64s, UInt32s
from retrieve.index.assembly import Assembly
from retrieve.index.blocks import row_blocks
from retrieve.index.postings import Postings
from retrieve.index.strings import SortedStrings


def merge_postings(parts: Sequence[Postings], maps: Sequence[Int64s], rows: int) -> Postings:
    """The postings of `rows` rows taken from the parts: maps[i][old row] is the new row, or -1 to drop it.

    Gives, array for array, what `assemble` gives for the surviving rows; a term that none of them has
    vanishes. One new block is unpacked at a time, so memory beyond the result is that of one block and the maps.
    Raises ValueError unless the maps fill every new row exactly once.
    """
    row_maps = [np.ascontiguousarray(new_rows, np.int64) for new_rows in maps]
    filled = np.zeros(rows, np.int64)
    for part, new_rows in zip(parts, row_maps, strict=True):
        if len(new_rows) != part.rows or (part.rows and not -1 <= new_rows.min() <= new_rows.max() < rows):
            raise ValueError(f"a map of {len(new_rows)} rows into {rows} for a part of {part.rows} rows")
        np.add.at(filled, new_rows[new_rows >= 0], 1)
    if (filled != 1).any():
        raise ValueError(f"new row {int(np.flatnonzero(filled != 1)[0])} is not filled exactly once")
    lengths = np.empty(rows, np.uint32)
    pairs = np.zeros(rows, np.int64)
    for part, new_rows in zip(parts, row_maps, strict=True):
        lengths[new_rows[new_rows >= 0]] = part.lengths[new_rows >= 0]
        count_kept(part.blocks, new_rows, pairs)
    vocabulary, term_maps = SortedStrings.merge([part.terms for part in parts])
    assembly = Assembly(vocabulary)
    for first, end in row_blocks(rows):
        pair_starts = np.zeros(end - first + 1, np.int64)
        np.cumsum(pairs[first:end], out=pair_starts[1:])
        terms, frequencies = np.empty((2, int(pair_starts[-1])), np.uint32)
        cursors = pair_starts[:-1].copy()
        for part, new_rows, new_terms in zip(parts, row_maps, term_maps, strict=True):
            for block, (old_first, old_end) in enumerate(row_blocks(part.rows)):
                moved = new_rows[old_first:old_end]
                if ((moved >= first) & (moved < end)).any():
                    unpack_block(part.blocks, block, new_terms, new_rows, first, cursors, terms, frequencies)
        assembly.add_block(pair_starts, terms, frequencies)
    return assembly.finish(lengths)


def pairs_of(postings: Postings) -> tuple[Int64s, UInt32s, UInt32s]:
    """Each row's distinct terms, rising, and their frequencies: row i has those from starts[i] to starts[i + 1]."""
    counts = np.zeros(postings.rows, np.int64)
    same = np.arange(postings.rows, dtype=np.int64)
    count_kept(postings.blocks, same, counts)
    starts = np.zeros(postings.rows + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    terms, frequencies = np.empty((2, int(starts[-1])), np.uint32)
    names = np.arange(len(postings.terms), dtype=np.int64)
    for block, (first, end) in enumerate(row_blocks(postings.rows)):
        part = slice(int(starts[first]), int(starts[end]))
        cursors = starts[first:end] - starts[first]
        unpack_block(postings.blocks, block, names, same, first, cursors, terms[part], frequencies[part])
    return starts, terms, frequencies

"""Postings in the making: from rows of terms to blocks, one block at a time."""

from __future__ import annotations

import numpy as np

from retrieve._core import ESCAPE, count_each, count_rows, find_repeated, pack_pairs
from retrieve.index.arrays import Array, Int64s, UInt32s
from retrieve.index.blocks import Blocks, row_blocks
from retrieve.index.postings import Postings
from retrieve.index.strings import SortedStrings


def assemble(vocabulary: SortedStrings, term_ids: UInt32s, starts: Int64s) -> Postings:
    """Index rows of terms: row i holds the occurrences term_ids[starts[i]:starts[i+1]], in any order.

    `term_ids` (T,) uint32 are rows of `vocabulary`, `starts` (rows+1,) int64; terms that never occur are left
    out. Linear in T; beside the arguments it holds about six bytes per posting and eight per pair of a block.
    Raises ValueError if a term id is not in the vocabulary or the starts do not cover the occurrences.
    """
    ids, bounds = _checked_rows(vocabulary, term_ids, starts)
    assembly = Assembly(vocabulary)
    slots = np.empty(len(vocabulary), np.int64)
    for first, end in row_blocks(len(bounds) - 1):
        rows = bounds[first : end + 1]
        pair_starts = np.empty(len(rows), np.int64)
        terms, frequencies = np.empty((2, int(rows[-1] - rows[0])), np.uint32)
        slots.fill(-1)
        size = count_rows(ids, rows, slots, pair_starts, terms, frequencies)
        assembly.add_block(pair_starts, terms[:size], frequencies[:size])
    return assembly.finish(np.diff(bounds).astype(np.uint32))


def assemble_weighted(
    vocabulary: SortedStrings, term_ids: UInt32s, impacts: UInt32s, starts: Int64s
) -> Postings:
    """What `assemble` gives for rows in which term_ids[i] occurs impacts[i] times, without repeating it so often.

    `term_ids` and `impacts` (T,) uint32, `starts` (rows+1,) int64 as for `assemble`; a term stands in a row at most
    once, an impact is at least 1. A row's length is the sum of its impacts. Raises ValueError as `assemble` does,
    and for an impact of 0, a term twice in a row, or a length beyond 32 bits.
    """
    ids, bounds = _checked_rows(vocabulary, term_ids, starts)
    values = np.ascontiguousarray(impacts, np.uint32)
    if len(values) != len(ids) or not values.all():
        raise ValueError(f"{len(values)} impacts for {len(ids)} terms: wanted as many, each at least 1")
    twice = find_repeated(ids, bounds, np.full(len(vocabulary), -1, np.int64))
    if twice >= 0:
        raise ValueError(f"term id {ids[twice]} stands twice in a row: wanted its impacts added up")
    total = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=total[1:])
    lengths = np.diff(total[bounds])
    if len(lengths) and int(lengths.max()) >= 1 << 32:
        raise ValueError(f"a row of length {lengths.max()}: at most {(1 << 32) - 1} fits")
    assembly = Assembly(vocabulary)
    for first, end in row_blocks(len(bounds) - 1):
        rows = bounds[first : end + 1]
        part = slice(int(rows[0]), int(rows[-1]))
        assembly.add_block(rows - rows[0], ids[part], values[part])
    return assembly.finish(lengths.astype(np.uint32))


def _checked_rows(vocabulary: SortedStrings, term_ids: UInt32s, starts: Int64s) -> tuple[UInt32s, Int64s]:
    ids, bounds = np.ascontiguousarray(term_ids, np.uint32), np.ascontiguousarray(starts, np.int64)
    if len(bounds) == 0 or bounds[0] != 0 or bounds[-1] != len(ids) or (np.diff(bounds) < 0).any():
        raise ValueError(
            f"starts must rise from 0 to the {len(ids)} occurrences, one more than there are rows"
        )
    if len(ids) and int(ids.max()) >= len(vocabulary):
        raise ValueError(f"term id {ids.max()} in a vocabulary of {len(vocabulary)}")
    return ids, bounds


class Assembly:
    """Blocks that are added in order; the vocabulary is trimmed at the end."""

    def __init__(self, vocabulary: SortedStrings) -> None:
        self._vocabulary = vocabulary
        self._frequencies = np.zeros(len(vocabulary), np.int64)
        self._postings = 0
        self._block_starts = [0]
        self._chunks: dict[str, list[Array]] = {
            "block_terms": [np.empty(0, np.uint32)],
            "entry_starts": [np.zeros(1, np.int64)],
            "local_rows": [np.empty(0, np.uint16)],
            "tfs": [np.empty(0, np.uint8)],
            "overflow_positions": [np.empty(0, np.int64)],
            "overflow_values": [np.empty(0, np.uint32)],
        }

    def add_block(self, pair_starts: Int64s, terms: UInt32s, frequencies: UInt32s) -> None:
        """Add the next block from distinct (term, frequency) pairs, row by row: `pair_starts` (rows+1,)."""
        counts = np.zeros(len(self._vocabulary), np.int64)
        count_each(terms, counts)
        present = np.flatnonzero(counts)
        ends = np.cumsum(counts[present])
        self._frequencies += counts
        cursors = counts
        cursors[present] = ends - counts[present]
        local_rows, tfs = np.empty(len(terms), np.uint16), np.empty(len(terms), np.uint8)
        escaped = int(np.count_nonzero(frequencies >= ESCAPE))
        positions, values = np.empty(escaped, np.int64), np.empty(escaped, np.uint32)
        pack_pairs(pair_starts, terms, frequencies, cursors, local_rows, tfs, positions, values)
        order = np.argsort(positions)
        block: dict[str, Array] = {
            "block_terms": present.astype(np.uint32),
            "entry_starts": self._postings + ends,
            "local_rows": local_rows,
            "tfs": tfs,
            "overflow_positions": self._postings + positions[order],
            "overflow_values": values[order],
        }
        for name, chunk in block.items():
            self._chunks[name].append(chunk)
        self._postings += len(terms)
        self._block_starts.append(self._block_starts[-1] + len(present))

    def finish(self, lengths: UInt32s) -> Postings:
        """Join the blocks; terms of no row leave the vocabulary, which keeps the others' order."""
        joined: dict[str, Array] = {}
        while self._chunks:  # one at a time, so that only one array exists twice
            name, chunks = self._chunks.popitem()
            joined[name] = np.concatenate(chunks)
        vocabulary, used = self._vocabulary, self._frequencies > 0
        if not used.all():
            vocabulary = vocabulary.select(used)
            joined["block_terms"] = (np.cumsum(used) - 1).astype(np.uint32)[joined["block_terms"]]
        blocks = Blocks(block_starts=np.array(self._block_starts, np.int64), **joined)
        return Postings(vocabulary, self._frequencies[used].astype(np.uint32), lengths, blocks)

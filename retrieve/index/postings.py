"""The inverted index shared by every view with terms: blocks of 65,536 rows, and in each block its terms' postings.

A posting is three bytes: a row within the block and a term frequency, which from 255 up moves to an overflow list.
The arrays follow from the rows alone, not from how they came together: merging parts (`merged_postings`) gives what
building afresh gives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from retrieve._core import (
    BLOCK,
    add_bm25,
    add_impacts,
    best_bm25,
    bm25_of_rows,
    count_marked,
    terms_in_block,
)
from retrieve.errors import IndexCorrupt
from retrieve.index.arrays import (
    Array,
    Bools,
    Bytes,
    Float64s,
    Int64s,
    UInt16s,
    UInt32s,
    check_ends,
    check_offsets,
    frozen,
    take_array,
)
from retrieve.index.blocks import Blocks
from retrieve.index.saturations import Norm, columns_of, saturations
from retrieve.index.select import NO_GROUPS, NO_LIVE, check_choice
from retrieve.index.strings import SortedStrings

_idle: deque[Float64s] = deque()
"""Scores of a block, all zero, as a query finds and leaves them: to make them anew took a twentieth of its time."""


class Postings:
    """The postings of `rows` rows (passages) over V terms; made by `assemble`, `merge_postings` or `from_arrays`."""

    def __init__(self, terms: SortedStrings, frequencies: UInt32s, lengths: UInt32s, blocks: Blocks) -> None:
        self.terms = terms
        self.frequencies = frozen(frequencies)
        """Document frequency of each term in these rows, uint32 (V,)."""
        self.lengths = frozen(lengths)
        """Terms in each row, repetitions counted, uint32 (rows,)."""
        self.blocks = Blocks(**{name: frozen(array) for name, array in blocks._asdict().items()})

    @cached_property
    def _columns(self) -> Bytes | UInt16s:
        return columns_of(self.lengths)

    @property
    def rows(self) -> int:
        """How many rows there are, empty ones included."""
        return len(self.lengths)

    def arrays(self) -> dict[str, Array]:
        """Every array under its stored name."""
        own = {"frequencies": self.frequencies, "lengths": self.lengths}
        return {**self.terms.arrays("terms_"), **own, **self.blocks._asdict()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Postings:
        """The postings whose `arrays()` these are; raises IndexCorrupt naming the array that does not fit."""
        terms = SortedStrings.from_arrays(arrays, "terms_")
        frequencies = take_array(arrays, "frequencies", np.uint32, len(terms))
        lengths = take_array(arrays, "lengths", np.uint32)
        block_terms = take_array(arrays, "block_terms", np.uint32)
        local_rows = take_array(arrays, "local_rows", np.uint16)
        positions = take_array(arrays, "overflow_positions", np.int64)
        blocks = Blocks(
            block_starts=take_array(arrays, "block_starts", np.int64, len(range(0, len(lengths), BLOCK)) + 1),
            block_terms=block_terms,
            entry_starts=take_array(arrays, "entry_starts", np.int64, len(block_terms) + 1),
            local_rows=local_rows,
            tfs=take_array(arrays, "tfs", np.uint8, len(local_rows)),
            overflow_positions=positions,
            overflow_values=take_array(arrays, "overflow_values", np.uint32, len(positions)),
        )
        check_offsets(blocks.block_starts, len(block_terms), "block_starts")
        check_ends(blocks.entry_starts, len(local_rows), "entry_starts")
        # Terms rise within a block, so its last is the largest: opening a large index does not read them all.
        last = blocks.block_starts[1:][np.diff(blocks.block_starts) > 0] - 1
        if len(last) and int(block_terms[last].max()) >= len(terms):
            raise IndexCorrupt(f"array 'block_terms' names a term beyond the {len(terms)}: build again")
        return cls(terms, frequencies, lengths, blocks)

    def rows_having(self, term_ids: Int64s) -> Bools:
        """(rows,) bool: which rows have any of some terms, −1 being none."""
        ids = np.asarray(term_ids, np.int64)
        return self.bm25_scores(ids, np.ones(len(ids)), k1=0.0, b=0.0, average_length=1.0) > 0

    def terms_of(self, rows: Int64s) -> list[tuple[Int64s, Int64s]]:
        """Of each of some rows (R,): its term ids (T,) int64, rising, and how often it has each (T,) int64.

        Raises IndexError for a row out of range. Takes time for every term of the blocks that the rows are in.
        """
        wanted, places = np.unique(np.asarray(rows, np.int64), return_inverse=True)
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < self.rows:
            raise IndexError(f"rows {wanted[0]} to {wanted[-1]} of {self.rows}")
        found: list[tuple[Int64s, Int64s]] = []
        for block in np.unique(wanted // BLOCK).tolist():
            own = wanted[wanted // BLOCK == block]
            room = int(self.lengths[own].sum(dtype=np.int64))  # a term that a row has counts once at least
            owners, terms, frequencies = (np.empty(room, np.uint32) for _ in range(3))
            size = terms_in_block(self.blocks, block, own - block * BLOCK, owners, terms, frequencies)
            order = np.argsort(owners[:size], kind="stable")
            bounds = np.searchsorted(owners[:size][order], np.arange(len(own) + 1))
            for start, end in pairwise(bounds.tolist()):
                part = order[start:end]
                found.append((terms[part].astype(np.int64), frequencies[part].astype(np.int64)))
        return [found[place] for place in places.tolist()]

    def lookup(self, terms: Sequence[str]) -> Int64s:
        """Terms (Q,) → term ids (Q,) int64, -1 where no row has the term."""
        return self.terms.find_many(terms)

    def bm25_scores(
        self, term_ids: Int64s, weights: Float64s, *, k1: float, b: float, average_length: float
    ) -> Float64s:
        """Scores (rows,) float64: Σ weight · tf / (tf + k1 · (1 − b + b · length / average_length)).

        `term_ids` (Q,) from `lookup` (-1 is passed over), `weights` (Q,) idf × query frequency; contributions are
        added in the order given. `average_length` is the mean over the live rows with a term of the whole index;
        where it is 0 there is no such row and all scores are 0. Releases the GIL. Source: Lucene's BM25Similarity, 8
        and later.
        Raises ValueError for a negative or non-finite parameter, and for a term id out of range.
        """
        ids, factors = self._checked(term_ids, weights)
        norm = _norm(k1, b, average_length)
        scores = np.zeros(self.rows, np.float64)
        if average_length > 0:
            table = saturations(norm)
            add_bm25(self.blocks, self.lengths, self._columns, table, ids, factors, *norm, scores)
        return scores

    def bm25_at(
        self, rows: Int64s, term_ids: Int64s, weights: Float64s, *, k1: float, b: float, average_length: float
    ) -> Float64s:
        """What `bm25_scores` gives at `rows` (R,), to the bit; quicker for few; IndexError for one out of range."""
        wanted = np.ascontiguousarray(rows, np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < self.rows:
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} of {self.rows}")
        ids, factors = self._checked(term_ids, weights)
        norm = _norm(k1, b, average_length)
        scores = np.zeros(len(wanted), np.float64)
        if average_length > 0:
            bm25_of_rows(self.blocks, self.lengths, ids, factors, *norm, wanted, scores)
        return scores

    def bm25_top(
        self,
        term_ids: Int64s,
        weights: Float64s,
        k: int,
        *,
        groups: UInt32s | None = None,
        live: Bools | None = None,
        k1: float,
        b: float,
        average_length: float,
    ) -> tuple[Int64s, Int64s, Float64s]:
        """What `select_top` gives for `bm25_scores` above 0, to the bit, without writing every score down.

        → groups (K,), each one's best row (K,) int64, scores (K,) float64. Raises as both do.
        """
        return self.bm25_top_many(
            [(term_ids, weights)], k, groups=groups, live=live, k1=k1, b=b, average_length=average_length
        )[0]

    def bm25_top_many(
        self, queries: Sequence[tuple[Int64s, Float64s]], k: int, **how: Any
    ) -> list[tuple[Int64s, Int64s, Float64s]]:
        """What `bm25_top` gives for each query's term ids and weights, in one call of compiled code.

        Makes room for 16 · k bytes a query. Takes what `bm25_best` takes, and raises as `bm25_top` does.
        """
        found, rows, scores, bounds = self.bm25_best(queries, k, **how)
        return [(found[at:end], rows[at:end], scores[at:end]) for at, end in pairwise(bounds.tolist())]

    def bm25_best(
        self,
        queries: Sequence[tuple[Int64s, Float64s]],
        k: int,
        *,
        floors: Float64s | None = None,
        groups: UInt32s | None = None,
        live: Bools | None = None,
        k1: float,
        b: float,
        average_length: float,
    ) -> tuple[Int64s, Int64s, Float64s, Int64s]:
        """What `bm25_top` gives for B queries, one after the other, and where each starts and ends (B+1,).

        `floors` (B,) float64, none below 0: what scores no more than its query's floor is not found.
        """
        check_choice(k, self.rows, groups, live)
        norm = _norm(k1, b, average_length)
        group_of = NO_GROUPS if groups is None else np.ascontiguousarray(groups).view(np.uint32)
        ids, factors, starts = self._joined(queries)
        if average_length == 0:
            starts = np.zeros_like(starts)
        try:
            zeros = _idle.pop()
        except IndexError:
            zeros = np.zeros(BLOCK, np.float64)
        scores, rows, bounds = best_bm25(
            self.blocks,
            self.lengths,
            self._columns,
            saturations(norm),
            ids,
            factors,
            starts,
            np.zeros(len(queries)) if floors is None else np.ascontiguousarray(floors, np.float64),
            *norm,
            int(k),
            group_of,
            NO_LIVE if live is None else np.ascontiguousarray(live),
            zeros,
        )
        _idle.append(zeros)  # not if the kernel failed halfway
        found = group_of[rows].astype(np.int64) if len(group_of) else rows
        return found, rows, scores, bounds

    def impact_scores(self, term_ids: Int64s, weights: Float64s) -> Float64s:
        """Scores (rows,) float64: Σ weight · impact, where term frequencies are impacts (learned sparse vectors).

        Arguments as for `bm25_scores`; exact as long as weights are whole numbers and sums are below 2⁵³.
        """
        scores = np.zeros(self.rows, np.float64)
        add_impacts(self.blocks, *self._checked(term_ids, weights), scores)
        return scores

    def _checked(self, term_ids: Int64s, weights: Float64s) -> tuple[Int64s, Float64s]:
        """Known terms and their weights, as the kernels take them."""
        ids, factors = np.asarray(term_ids, np.int64), np.asarray(weights, np.float64)
        listed = ids.tolist()  # of few numbers Python finds the least and the largest sooner
        if len(listed) != len(factors) or max(listed, default=-1) >= len(self.terms):
            raise ValueError(
                f"{len(listed)} term ids up to {max(listed, default=-1)}, {len(factors)} weights, "
                f"{len(self.terms)} terms"
            )
        if min(listed, default=0) < 0:
            known = ids >= 0
            ids, factors = ids[known], factors[known]
        return np.ascontiguousarray(ids), np.ascontiguousarray(factors)

    def _joined(self, queries: Sequence[tuple[Int64s, Float64s]]) -> tuple[Int64s, Float64s, Int64s]:
        """Known terms and weights of all queries, one after the other, and where each query starts."""
        if len(queries) == 1:
            ids, factors = self._checked(*queries[0])
            return ids, factors, np.array([0, len(ids)])
        sizes = [len(ids) for ids, _ in queries]
        if sizes != [len(weights) for _, weights in queries]:
            raise ValueError("a query has as many weights as term ids")
        ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in queries)])
        factors = np.concatenate([np.empty(0), *(weights for _, weights in queries)])
        starts = np.cumsum([0, *sizes])
        known = np.concatenate([[0], np.cumsum(ids >= 0)])
        return *self._checked(ids, factors), known[starts]

    def deleted_frequencies(self, deleted: Bools) -> tuple[Int64s, Int64s]:
        """Which terms the deleted rows hold, and in how many of them: term ids rising, counts ≥ 1, both int64.

        `deleted` (rows,) bool; what a live document frequency is, is `frequencies` minus these.
        """
        if len(deleted) != self.rows:
            raise ValueError(f"{len(deleted)} deletion marks for {self.rows} rows")
        counts = np.zeros(len(self.terms), np.int64)
        count_marked(self.blocks, np.ascontiguousarray(deleted, np.bool_), counts)
        terms = np.flatnonzero(counts)
        return terms, counts[terms]


def _norm(k1: float, b: float, average_length: float) -> Norm:
    """From BM25's parameters, which are checked."""
    if not (0 <= k1 < np.inf and 0 <= b <= 1 and 0 <= average_length < np.inf):
        raise ValueError(
            f"k1 {k1}, b {b}, average length {average_length}: wanted k1 ≥ 0, 0 ≤ b ≤ 1, length ≥ 0"
        )
    return float(k1 * (1.0 - b)), float(k1 * b / average_length) if average_length else 0.0

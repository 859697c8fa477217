"""Kernels on binary codes against whole matrices, in every form that this processor runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from core_forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_codes import as_codes, matrices

from retrieve.index.code_blocks import words_of

Array = np.ndarray[Any, Any]
forms = pytest.mark.parametrize("core", FORMS.values(), ids=FORMS)


def as_bitmap(flags: Array) -> Array:
    """flags (rows,) bool as words, padded with 0."""
    packed = np.zeros(words_of(len(flags)) * 8, np.uint8)
    packed[: -(-len(flags) // 8)] = np.packbits(flags, bitorder="little")
    return packed.view(np.uint64)


class Block(NamedTuple):
    """A block as the kernels are given it."""

    dims: Array
    sizes: Array
    places: Array
    lists: Array
    bitmaps: Array


def block_of(matrix: Array, dense: Array) -> Block:
    """The columns of a matrix, those that are `dense` (n,) as bitmaps."""
    dims = np.flatnonzero(matrix.any(axis=0)).astype(np.uint32)
    sizes, places, lists, bitmaps = [], [], [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for dim in dims:
        column, kept = matrix[:, dim], bitmaps if dense[dim] else lists
        places.append(sum(map(len, kept)))
        sizes.append(-column.sum() if dense[dim] else column.sum())
        kept.append(as_bitmap(column) if dense[dim] else np.flatnonzero(column))
    return Block(
        dims,
        np.array(sizes, np.int32),
        np.array(places, np.int64),
        np.concatenate(lists).astype(np.uint16),
        np.concatenate(bitmaps),
    )


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Array, Block, np.random.Generator]:
    """A matrix of 65,536 rows at most, its block, of lists alone, of bitmaps alone or of both."""
    matrix, random = draw(matrices())
    matrix = matrix[-65_536:]
    dense = random.random(matrix.shape[1]) < draw(st.sampled_from([0, 0.5, 1]))
    return matrix, block_of(matrix, dense), random


def counted(planes: Array, rows: int) -> Array:
    """The counts that planes stand for, (rows,)."""
    bits = np.unpackbits(planes.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
    assert not bits[:, rows:].any()
    return np.asarray((bits << np.arange(len(planes))[:, None]).sum(axis=0)[:rows])


@forms
@settings(max_examples=60)
@given(blocks(), st.lists(st.floats(0, 1), max_size=4), st.integers(0, 3))
def test_shared_dimensions_are_counted(
    core: Any, drawn: tuple[Array, Block, np.random.Generator], shares: list[float], first: int
) -> None:
    matrix, block, random = drawn
    (rows, n), words = matrix.shape, words_of(len(matrix))
    queries = [np.flatnonzero(random.random(n) < share).astype(np.uint32) for share in shares]
    starts = np.cumsum([0, *map(len, queries)], dtype=np.int64)
    together = np.concatenate([np.empty(0, np.uint32), *queries])
    height = max(core.LEAST_PLANES, n.bit_length())
    planes = np.zeros((len(queries), height, words + 16), np.uint64)
    first *= core.UNIT // 2
    core.count_block(*block, n, starts, together, planes, first, words)
    for query, found in zip(queries, planes, strict=True):
        here = np.ascontiguousarray(found[:, first : first + words])
        assert counted(here, rows).tolist() == matrix[:, query].sum(axis=1).tolist()
        assert found.any() == here.any()


@forms
@settings(max_examples=80)
@given(
    rows=st.integers(0, 700),
    highest=st.sampled_from([0, 1, 3, 20, 65_535]),
    k=st.integers(1, 800),
    masked=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_best_rows_are_those_of_a_sort(
    core: Any, rows: int, highest: int, k: int, masked: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    counts = random.integers(0, highest + 1, rows)
    planes = np.array([as_bitmap((counts >> plane & 1).astype(bool)) for plane in range(16)])
    alive = random.random(rows) < random.random() if masked else np.ones(rows, bool)
    found, values = core.best_rows(planes, as_bitmap(alive) if masked else np.empty(0, np.uint64), k)
    order = np.lexsort((np.arange(rows), -counts))
    order = order[alive[order] & (counts[order] > 0)][:k]
    assert (found.dtype, found.tolist()) == (np.int64, order.tolist())
    assert (values.dtype, values.tolist()) == (np.int64, counts[order].tolist())
    some = random.integers(0, rows, 9 if rows else 0)
    assert core.counts_at(planes, some).tolist() == counts[some].tolist()


@forms
@settings(max_examples=80)
@given(st.integers(1, 90), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_entries_are_found(core: Any, n: int, present: float, asked: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    dims, query = (np.flatnonzero(random.random(n) < share).astype(np.uint32) for share in (present, asked))
    found = np.empty(len(query), np.int64)
    count = core.find_entries(dims, n, query, found)
    assert dims[found[:count]].tolist() == np.intersect1d(dims, query).tolist()


@forms
@settings(max_examples=60)
@given(blocks())
def test_rows_become_entries_and_come_back(
    core: Any, drawn: tuple[Array, Block, np.random.Generator]
) -> None:
    matrix, block, random = drawn
    (rows, n), words, codes = matrix.shape, words_of(len(matrix)), as_codes(matrix)
    assert core.first_wrong(codes.starts, codes.dims, n) == -1
    counts = np.zeros(n, np.int64)
    core.count_each(codes.dims, counts)
    assert counts.tolist() == matrix.sum(axis=0).tolist()
    cut = int(random.integers(0, rows + 1))
    cursors, sorted_rows = np.cumsum(counts) - counts, np.empty(len(codes.dims), np.uint16)
    for first, part in ((0, codes.cut(0, cut)), (cut, codes.cut(cut, rows))):
        core.sort_rows(part.starts, part.dims, first, cursors, sorted_rows)
    assert cursors.tolist() == np.cumsum(counts).tolist()
    assert sorted_rows.tolist() == np.nonzero(matrix.T)[1].tolist()
    lists, bitmaps = np.empty_like(block.lists), np.zeros_like(block.bitmaps)
    core.place_rows(block.sizes, block.places, sorted_rows, lists, bitmaps)
    assert lists.tolist() == block.lists.tolist()
    assert bitmaps.tobytes() == block.bitmaps.tobytes()
    winners = np.zeros(rows, np.int64)
    core.count_winners(*block[1:], words, winners)
    assert winners.tolist() == matrix.sum(axis=1).tolist()
    # Some of the rows in another order; what would come before the first or after the last is left out.
    chosen = random.permutation(np.flatnonzero(random.random(rows) < 0.7))
    kept = chosen[1 : max(1, len(chosen) - 1)]
    new_rows = np.full(rows, -1, np.int64)
    new_rows[chosen] = np.arange(-1, len(chosen) - 1)
    starts = np.cumsum([0, *winners[kept]], dtype=np.int64)
    cursors, unpacked = starts[:-1].copy(), np.zeros(starts[-1], np.uint32)
    core.unpack_winners(*block, words, new_rows, cursors, unpacked)
    assert cursors.tolist() == starts[1:].tolist()
    assert unpacked.tolist() == as_codes(matrix[kept]).dims.tolist()


@forms
@settings(max_examples=120)
@given(st.lists(st.lists(st.integers(0, 6), max_size=4), max_size=6), st.integers(1, 7))
def test_the_first_wrong_row_is_found(core: Any, rows: list[list[int]], n: int) -> None:
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    dims = np.array([dim for row in rows for dim in row], np.uint32)
    wrong = [i for i, row in enumerate(rows) if row != sorted(set(row)) or any(dim >= n for dim in row)]
    assert core.first_wrong(starts, dims, n) == min(wrong, default=-1)

"""Kernels that make postings and take them apart, in every form, against rows held as dictionaries."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import numpy as np
import pytest
from core_forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st
from postings_by_hand import BLOCK, ESCAPE, Rows, blocks_of, random_rows

TERMS = 9
SIZES = [0, 1, 7, 200, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 9]

occurrences = st.lists(st.lists(st.integers(0, TERMS - 1), max_size=6), max_size=12)


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def core(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def test_constants(core: ModuleType) -> None:
    assert (core.BLOCK, core.ESCAPE) == (BLOCK, ESCAPE)


def joined(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """All rows' terms, one after the other, and where each row starts."""
    return np.array([term for row in rows for term in row], np.uint32), np.cumsum(
        [0, *map(len, rows)], dtype=np.int64
    )


@pytest.mark.parametrize("core", FORMS.values(), ids=FORMS)
@given(rows=occurrences, large=st.sampled_from([1, 254, 255, 300]))
def test_rows_become_pairs_and_pairs_postings(core: ModuleType, rows: list[list[int]], large: int) -> None:
    ids, starts = joined(rows)
    pair_starts = np.empty(len(rows) + 1, np.int64)
    terms, frequencies = np.empty((2, len(ids)), np.uint32)
    size = core.count_rows(ids, starts, np.full(TERMS, -1, np.int64), pair_starts, terms, frequencies)
    counted = [Counter(row) for row in rows]
    assert pair_starts.tolist() == np.cumsum([0, *map(len, counted)]).tolist()
    assert list(zip(terms[:size], frequencies[:size], strict=True)) == [
        pair for row in counted for pair in row.items()
    ]
    terms, frequencies = terms[:size], frequencies[:size] * np.uint32(large)
    counts = np.zeros(TERMS, np.int64)
    core.count_each(terms, counts)
    expected = blocks_of([{term: n * large for term, n in row.items()} for row in counted])
    assert counts[counts > 0].tolist() == np.diff(expected.entry_starts).tolist()
    local, tfs = np.empty(size, np.uint16), np.empty(size, np.uint8)
    escaped = len(expected.overflow_values)
    positions, values = np.empty(escaped, np.int64), np.empty(escaped, np.uint32)
    core.pack_pairs(
        pair_starts, terms, frequencies, np.cumsum(counts) - counts, local, tfs, positions, values
    )
    assert local.tolist() == expected.local_rows.tolist()
    assert tfs.tolist() == expected.tfs.tolist()
    order = np.argsort(positions)
    assert positions[order].tolist() == expected.overflow_positions.tolist()
    assert values[order].tolist() == expected.overflow_values.tolist()


@pytest.mark.parametrize("core", FORMS.values(), ids=FORMS)
@given(rows=occurrences)
def test_the_first_term_that_a_row_has_twice(core: ModuleType, rows: list[list[int]]) -> None:
    ids, starts = joined(rows)
    expected = [
        start + i
        for row, start in zip(rows, starts.tolist(), strict=False)
        for i in range(len(row))
        if row[i] in row[:i]
    ]
    found = core.find_repeated(ids, starts, np.full(TERMS, -1, np.int64))
    assert found == (expected[0] if expected else -1)


@pytest.mark.parametrize("size", SIZES)
def test_postings_of_some_rows_of_a_block(core: ModuleType, size: int) -> None:
    random = np.random.default_rng(size)
    rows = random_rows(random, size, TERMS)
    blocks = blocks_of(rows)
    for block, first in enumerate(range(0, size, BLOCK)):
        here = rows[first : first + BLOCK]
        for count in (0, 1, 5, 3_000):
            wanted = np.unique(random.integers(0, len(here), count))
            expected = [
                (i, term, here[row][term])
                for term in range(TERMS)
                for i, row in enumerate(wanted.tolist())
                if term in here[row]
            ]
            owners, terms, frequencies = np.empty((3, len(expected)), np.uint32)
            assert core.terms_in_block(blocks, block, wanted, owners, terms, frequencies) == len(expected)
            assert list(zip(owners, terms, frequencies, strict=True)) == expected


@pytest.mark.parametrize("size", SIZES)
def test_kept_rows_are_counted_and_unpacked(core: ModuleType, size: int) -> None:
    random = np.random.default_rng(size)
    rows = random_rows(random, size, TERMS)
    blocks = blocks_of(rows)
    new_rows = np.where(random.random(size) < 0.7, random.permutation(size), -1)
    new_terms = random.permutation(TERMS) + 100
    kept: Rows = [{} for _ in range(size)]
    for row, new_row in enumerate(new_rows.tolist()):
        if new_row >= 0:
            kept[new_row] = {int(new_terms[term]): tf for term, tf in rows[row].items()}
    counts = np.zeros(size, np.int64)
    core.count_kept(blocks, new_rows, counts)
    assert counts.tolist() == [len(row) for row in kept]
    for target in range(0, size, BLOCK):
        starts = np.cumsum([0, *counts[target : target + BLOCK]])
        cursors = starts[:-1].copy()
        terms, frequencies = np.empty((2, int(starts[-1])), np.uint32)
        for block in range(len(blocks.block_starts) - 1):
            core.unpack_block(blocks, block, new_terms, new_rows, target, cursors, terms, frequencies)
        assert cursors.tolist() == starts[1:].tolist()
        for row in range(len(cursors)):
            part = slice(starts[row], starts[row + 1])
            found = dict(zip(terms[part].tolist(), frequencies[part].tolist(), strict=True))
            assert found == kept[target + row]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 1.0])
def test_marked_rows_are_counted_by_term(core: ModuleType, size: int, share: float) -> None:
    random = np.random.default_rng(size)
    rows = random_rows(random, size, TERMS)
    marked = random.random(size) < share
    counts = np.zeros(TERMS, np.int64)
    core.count_marked(blocks_of(rows), marked, counts)
    expected = Counter(term for row, there in zip(rows, marked, strict=True) if there for term in row)
    assert counts.tolist() == [expected[term] for term in range(TERMS)]


def test_arrays_of_another_type_are_refused(core: ModuleType) -> None:
    blocks = blocks_of([{0: 1}])
    counts = np.zeros(1, np.int64)
    core.count_marked(blocks, np.ones(1, bool), counts)
    frozen = blocks._replace(tfs=blocks.tfs.copy())
    frozen.tfs.flags.writeable = False
    core.count_marked(frozen, np.ones(1, bool), counts)
    assert counts.tolist() == [2]
    for wrong in (blocks._replace(tfs=blocks.tfs.astype(np.int64)), tuple(blocks)[:6], blocks.tfs):
        with pytest.raises(TypeError):
            core.count_marked(wrong, np.ones(1, bool), counts)
    counts.flags.writeable = False
    with pytest.raises(TypeError):
        core.count_marked(blocks, np.ones(1, bool), counts)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_frequencies_are_read_to_the_last_bit(seed: int) -> None:
    rows = random_rows(np.random.default_rng(seed), 40, TERMS)
    rows[3] = {0: 2**32 - 1, 1: 254}
    room = sum(map(len, rows))
    for core in FORMS.values():
        owners, terms, frequencies = np.empty((3, room), np.uint32)
        assert core.terms_in_block(blocks_of(rows), 0, np.arange(40), owners, terms, frequencies) == room
        found: Rows = [{} for _ in rows]
        for row, term, tf in zip(owners.tolist(), terms.tolist(), frequencies.tolist(), strict=True):
            found[row][term] = tf
        assert found == rows

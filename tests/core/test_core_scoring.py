"""Scoring kernels, in every form, against the formula worked out row by row in the order of the query's terms."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
from best_by_sorting import best_by_sorting
from core_forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st
from postings_by_hand import BLOCK, Rows, blocks_of, random_rows

from retrieve.index.assembly import assemble_weighted
from retrieve.index.postings import Postings
from retrieve.index.saturations import columns_of, saturations
from retrieve.index.strings import SortedStrings

TERMS = 12
NOBODY = np.empty(0, bool)
ALONE = np.empty(0, np.uint32)
NORMS = [(0.54, 0.0051), (0.0, 0.0), (2.0, 0.0), (0.0, 1.25)]


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def core(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def lengths_of(rows: Rows, longest: int) -> np.ndarray:
    """Lengths that have nothing to do with the rows, up to `longest`."""
    return np.random.default_rng(longest).integers(1, longest, len(rows), dtype=np.uint32)


def scores_by_hand(
    rows: Rows, lengths: np.ndarray, query: list[tuple[int, float]], norm: tuple[float, float]
) -> list[float]:
    base, slope = norm
    scores = [0.0] * len(rows)
    for row, counts in enumerate(rows):
        for term, weight in query:
            if term in counts:
                tf = float(counts[term])
                scores[row] += weight * (tf / (tf + (base + slope * float(lengths[row]))))
    return scores


def arrays_of(query: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([term for term, _ in query], np.int64), np.array([weight for _, weight in query], float)


term = st.tuples(st.integers(0, TERMS), st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 1e-300]))
queries_of_terms = st.lists(st.lists(term, max_size=5), max_size=4)


@pytest.mark.parametrize("core", FORMS.values(), ids=FORMS)
@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 40, 300]),
    st.sampled_from([200, 5_000, 70_000]),
    st.sampled_from(NORMS),
    queries_of_terms,
    st.integers(1, 400),
)
def test_few_rows(core: ModuleType, seed, size, longest, norm, queries, k) -> None:
    random = np.random.default_rng(seed)
    compare(core, random, random_rows(random, size, TERMS), longest, norm, queries, k)


@pytest.mark.parametrize("size", [BLOCK, BLOCK + 1, 2 * BLOCK + 9])
@pytest.mark.parametrize("norm", NORMS[:2])
def test_blocks_of_which_most_are_empty(core: ModuleType, size: int, norm: tuple[float, float]) -> None:
    random = np.random.default_rng(size)
    queries = [
        [(int(a), float(b)) for a, b in zip(random.integers(0, TERMS, n), random.random(n), strict=True)]
        for n in (0, 1, 2, 5)
    ]
    for k in (1, 10, 1_000):
        compare(core, random, random_rows(random, size, TERMS), 300, norm, queries, k)


def compare(
    core: ModuleType, random: np.random.Generator, rows: Rows, longest, norm, queries, k: int
) -> None:
    """Every kernel that scores, for these rows and queries."""
    lengths = lengths_of(rows, longest)
    blocks, columns, table = blocks_of(rows), columns_of(lengths), saturations(norm)
    some = random.integers(0, max(len(rows), 1), 20 if rows else 0)
    groups = np.cumsum(random.random(len(rows)) < 0.5, dtype=np.uint32)
    live = random.random(len(rows)) < 0.7
    expected = [scores_by_hand(rows, lengths, query, norm) for query in queries]
    for query, by_hand in zip(queries, expected, strict=True):
        scores, at = np.zeros(len(rows)), np.zeros(len(some))
        core.add_bm25(blocks, lengths, columns, table, *arrays_of(query), *norm, scores)
        assert scores.tolist() == by_hand
        core.bm25_of_rows(blocks, lengths, *arrays_of(query), *norm, some, at)
        assert at.tolist() == [by_hand[row] for row in some]
        scores = np.zeros(len(rows))
        core.add_impacts(blocks, *arrays_of(query), scores)
        impacts = [0.0] * len(rows)
        for row, counts in enumerate(rows):
            for number, weight in query:
                if number in counts:
                    impacts[row] += weight * counts[number]
        assert scores.tolist() == impacts
    starts = np.cumsum([0, *map(len, queries)], dtype=np.int64)
    joined = arrays_of([pair for query in queries for pair in query])
    floors = random.choice([0.0, 0.3], len(queries))
    zeros = np.zeros(BLOCK)
    for some_groups, some_live in ((ALONE, NOBODY), (groups, NOBODY), (ALONE, live), (groups, live)):
        scores, found, bounds = core.best_bm25(
            *(blocks, lengths, columns, table, *joined, starts, floors, *norm),
            *(k, some_groups, some_live, zeros),
        )
        assert not zeros.any()
        assert len(scores) == len(found) == bounds[-1]
        for q, by_hand in enumerate(expected):
            part = slice(bounds[q], bounds[q + 1])
            best = best_by_sorting(np.array(by_hand), k, some_groups, some_live, floors[q])
            assert list(zip(scores[part].tolist(), found[part].tolist(), strict=True)) == best


def dense_postings(rows: int) -> Postings:
    """Rows of up to twelve of 40 words, the first of them common, over several blocks."""
    random = np.random.default_rng(rows)
    dense = np.zeros((rows, 40), np.uint32)
    places = np.repeat(np.arange(rows), random.integers(0, 13, rows))
    words = (40 * random.random(len(places)) ** 3).astype(int)
    np.maximum.at(dense, (places, words), random.choice([1, 1, 2, 17, 255, 300], len(places)))
    at = np.nonzero(dense)
    vocabulary = SortedStrings.build(f"w{number:02}" for number in range(40))
    starts = np.searchsorted(at[0], np.arange(rows + 1))
    return assemble_weighted(vocabulary, at[1].astype(np.uint32), dense[at], starts)


@pytest.mark.parametrize("k", [1, 10, 1_000, 10**9])
def test_common_and_rare_terms_together(core: ModuleType, k: int) -> None:
    """The best of many rows are those of all their scores, however rows and terms are passed over."""
    postings = dense_postings(2 * BLOCK + 900)
    random = np.random.default_rng(k)
    norm, columns = NORMS[0], columns_of(postings.lengths)
    table = saturations(norm)
    groups = np.cumsum(random.random(postings.rows) < 0.1, dtype=np.uint32)
    live = random.random(postings.rows) < 0.5
    zeros = np.zeros(BLOCK)
    for numbers in ([0], [39], [0, 1, 2], [39, 0], [0, 39, 20, 1], [38, 39], [5, 30, 5, 0], list(range(40))):
        ids = np.array(numbers, np.int64)
        frequencies = postings.frequencies[ids]
        for weights in (
            np.log(postings.rows / frequencies) + 0.01,
            random.random(len(ids)),
            np.zeros(len(ids)),
        ):
            scores = np.zeros(postings.rows)
            core.add_bm25(postings.blocks, postings.lengths, columns, table, ids, weights, *norm, scores)
            for own, marks in ((ALONE, NOBODY), (groups, NOBODY), (ALONE, live), (groups, live)):
                found = core.best_bm25(
                    *(postings.blocks, postings.lengths, columns, table, ids, weights),
                    *(np.array([0, len(ids)]), np.zeros(1), *norm, k, own, marks, zeros),
                )
                values, rows = core.best_groups(scores, k, own, marks, 0.0)
                order = np.argsort(-values, kind="stable")
                assert found[0].tobytes() == values[order].tobytes()
                assert found[1].tobytes() == rows[order].tobytes()
                assert not zeros.any()


def test_forms_score_alike() -> None:
    postings = dense_postings(BLOCK + 5_000)
    norm, columns = NORMS[0], columns_of(postings.lengths)
    table, ids, weights = saturations(norm), np.arange(12), np.linspace(0.1, 7.3, 12)
    wide = columns.astype(np.uint16)
    answers = set()
    for core in FORMS.values():
        for some in (columns, wide):
            scores = np.zeros(postings.rows)
            core.add_bm25(postings.blocks, postings.lengths, some, table, ids, weights, *norm, scores)
            best = core.best_bm25(
                *(postings.blocks, postings.lengths, some, table, ids, weights, np.array([0, 5, 12])),
                *(np.zeros(2), *norm, 100, ALONE, NOBODY, np.zeros(BLOCK)),
            )
            answers.add(b"".join(array.tobytes() for array in (scores, *best)))
    assert len(answers) == 1


@pytest.mark.parametrize("longest", [100, 255, 256, 4_095, 4_096, 4_097, 70_000])
def test_the_table_holds_what_dividing_gives(core: ModuleType, longest: int) -> None:
    rows: Rows = [{0: tf} for tf in (1, 15, 16, 17, 254, 255, 256, 70_000)]
    lengths = np.full(len(rows), longest, np.uint32)
    columns = columns_of(lengths)
    assert columns.dtype == (np.uint8 if longest < 256 else np.uint16)
    for norm in NORMS:
        scores = np.zeros(len(rows))
        query = [(0, 1.7)]
        core.add_bm25(blocks_of(rows), lengths, columns, saturations(norm), *arrays_of(query), *norm, scores)
        assert scores.tolist() == scores_by_hand(rows, lengths, query, norm)


def test_weights_that_are_no_idf_skip_nothing(core: ModuleType) -> None:
    """Bounds on what a row can score hold for weights of 0 and more; others are scored in full."""
    rows: Rows = [{0: 1, 1: 2}, {1: 1}, {0: 3}, {2: 1}]
    lengths, norm = np.array([3, 1, 3, 1], np.uint32), NORMS[0]
    for weights in ((-1.0, 2.0), (2.0, -1.0), (math.nan, 1.0), (math.inf, 1.0)):
        query = [(0, weights[0]), (1, weights[1])]
        found = core.best_bm25(
            *(blocks_of(rows), lengths, columns_of(lengths), saturations(norm), *arrays_of(query)),
            *(np.array([0, 2]), np.array([0.5]), *norm, 1, ALONE, NOBODY, np.zeros(BLOCK)),
        )
        scores = np.array(scores_by_hand(rows, lengths, query, norm))
        best = best_by_sorting(scores, 1, ALONE, NOBODY, 0.5)
        assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == best

"""Merging counted lists against building from the rows that are left: the same arrays, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_codes import Matrix, as_codes, index, layouts, matrices, same, stored

from retrieve.index.code_postings import Counted, CountedBuilder, merge_counted


def merged(parts: list[Counted], maps: list[np.ndarray], rows: int, layout: str) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    builder = CountedBuilder(parts[0].dimensions, layout, arrays.__setitem__)
    merge_counted(parts, maps, rows, builder)
    builder.finish()
    return arrays


def check(parts: list[Matrix], random: np.random.Generator, kept: float, layout: str) -> None:
    """Keep some rows of each part, in an order of their own."""
    alive = [np.flatnonzero(random.random(len(part)) < kept) for part in parts]
    rows = sum(map(len, alive))
    places = random.permutation(rows)
    maps = [np.full(len(part), -1, np.int64) for part in parts]
    fresh = np.empty((rows, parts[0].shape[1]), bool)
    for part, old, new_rows in zip(parts, alive, maps, strict=True):
        new_rows[old], places = places[: len(old)], places[len(old) :]
        fresh[new_rows[old]] = part[old]
    # Parts of either layout merge into one.
    indexes = [index(part, ("fast", "small")[i % 2]) for i, part in enumerate(parts)]
    same(merged(indexes, maps, rows, layout), stored([as_codes(fresh)], fresh.shape[1], layout))


@settings(max_examples=60, deadline=None)
@given(matrices(), layouts, st.integers(1, 5), st.sampled_from([0.0, 0.5, 1.0]))
def test_merging_is_rebuilding(
    drawn: tuple[Matrix, np.random.Generator], layout: str, count: int, kept: float
) -> None:
    matrix, random = drawn
    bounds = [0, *np.sort(random.integers(0, len(matrix) + 1, count - 1)), len(matrix)]
    check([matrix[bounds[i] : bounds[i + 1]] for i in range(count)], random, kept, layout)


def test_merging_is_rebuilding_across_blocks() -> None:
    random = np.random.default_rng(11)
    density = np.linspace(0, 0.4, 24) ** 2
    check([random.random((size, 24)) < density for size in (65_536 + 7, 300, 40_000)], random, 0.9, "fast")


@pytest.mark.parametrize("bad", [[0, 0], [0, 2], [-2, 0], [1, -1], [0]])
def test_merge_refuses_a_wrong_map(bad: list[int]) -> None:
    with pytest.raises(ValueError, match=r"map of|not filled exactly once"):
        merged([index(np.ones((2, 3), bool))], [np.array(bad, np.int64)], 2, "fast")


def test_merge_refuses_other_dimensions() -> None:
    parts = [index(np.ones((1, 3), bool)), index(np.ones((1, 4), bool))]
    with pytest.raises(ValueError, match="4 dimensions into an index of 3"):
        merged(parts, [np.array([0]), np.array([1])], 2, "fast")

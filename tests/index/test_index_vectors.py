"""Flat scores against numpy in float64, and against their own order of additions to the bit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import BadVectors, DimensionMismatch
from retrieve.index.vectors import flat_scores, score_rows

TYPES = [np.float16, np.float32, np.int8]


def drawn(rows: int, dimensions: int, dtype: type, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    if dtype == np.int8:
        return draw.integers(-127, 128, (rows, dimensions), dtype=np.int8)
    return draw.standard_normal((rows, dimensions)).astype(dtype)


def drawn_scales(rows: int, dtype: type) -> np.ndarray | None:
    return np.random.default_rng(2).random(rows, np.float32) if dtype == np.int8 else None


def one_query(vectors: np.ndarray, query: np.ndarray, scales: np.ndarray | None = None) -> np.ndarray:
    return flat_scores(vectors, query[None], scales)[0]


def in_documented_order(vector: np.ndarray, query: np.ndarray, scale: float = 1) -> np.float32:
    """The additions one by one as the module promises them: 32 lanes, folded in halves, the rest, the scale."""
    products = vector.astype(np.float32) * query
    lanes = np.zeros(32, np.float32)
    for start in range(0, len(products) // 32 * 32, 32):
        lanes = lanes + products[start : start + 32]
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    total = lanes[0]
    for product in products[len(products) // 32 * 32 :]:
        total = np.float32(total + product)
    return np.float32(total * np.float32(scale))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dimensions", [*range(1, 71), 384])
def test_scores_are_the_inner_products(dtype: type, dimensions: int) -> None:
    vectors, query = drawn(23, dimensions, dtype), drawn(1, dimensions, np.float32, 1)[0]
    scales = drawn_scales(23, dtype)
    factors = np.ones(23) if scales is None else scales.astype(np.float64)
    scores = one_query(vectors, query, scales)
    assert scores.dtype == np.float32
    exact = factors * (vectors.astype(np.float64) @ query.astype(np.float64))
    np.testing.assert_allclose(scores, exact, rtol=0, atol=1e-6 * dimensions * (1 if scales is None else 127))
    assert scores.tolist() == [
        in_documented_order(vector, query, scale) for vector, scale in zip(vectors, factors, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TYPES), st.integers(1, 70), st.integers(0, 40), st.integers(0, 5), st.data())
def test_a_score_depends_on_the_two_vectors_alone(dtype, dimensions, rows, batch, data) -> None:
    vectors, queries = drawn(rows, dimensions, dtype), drawn(batch, dimensions, np.float32, 1)
    scales = drawn_scales(rows, dtype)
    many = flat_scores(vectors, queries, scales)
    assert many.shape == (batch, rows)
    chosen = np.array(
        data.draw(st.lists(st.integers(0, rows - 1), max_size=9) if rows else st.just([])), np.int64
    )
    start = data.draw(st.integers(0, rows))
    for query, scores_of_one in zip(queries, many, strict=True):
        rest = None if scales is None else scales[start:]
        assert one_query(vectors, query, scales).tobytes() == scores_of_one.tobytes()
        assert score_rows(vectors, query, chosen, scales).tobytes() == scores_of_one[chosen].tobytes()
        assert one_query(vectors[start:], query, rest).tobytes() == scores_of_one[start:].tobytes()


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(TYPES),
    rows=st.integers(0, 3_000),
    batch=st.integers(0, 3),
    cuts=st.lists(st.integers(0, 3_000)),
)
def test_scores_in_parts_are_the_same_to_the_bit(dtype: type, rows: int, batch: int, cuts: list[int]) -> None:
    vectors, queries = drawn(rows, 45, dtype), drawn(batch, 45, np.float32, 1)
    scales = drawn_scales(rows, dtype)
    bounds = [0, *sorted(cut for cut in cuts if cut <= rows), rows]

    def backwards(count: int, work: Callable[[slice], list[None]]) -> None:
        assert count == rows
        for part in reversed([slice(*pair) for pair in pairwise(bounds)]):
            work(part)

    whole = flat_scores(vectors, queries, scales)
    assert flat_scores(vectors, queries, scales, spread=backwards).tobytes() == whole.tobytes()


def test_duplicates_tie_across_tiles() -> None:
    one = drawn(1, 100, np.float16)
    scores = flat_scores(np.repeat(one, 9_000, axis=0), drawn(3, 100, np.float32, 1))
    assert (scores == scores[:, :1]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_layouts(tmp_path: Path, dtype: type) -> None:
    vectors, query = drawn(50, 33, dtype), drawn(1, 33, np.float32, 1)[0]
    expected = one_query(vectors, query).tobytes()
    np.save(tmp_path / "vectors.npy", vectors, allow_pickle=False)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r", allow_pickle=False)
    odd = np.frombuffer(b"x" + vectors.tobytes(), np.uint8)[1:].view(dtype).reshape(50, 33)
    wide = np.concatenate([vectors, vectors], axis=1)[:, :33]
    for layout in (mapped, odd, wide, np.asfortranarray(vectors)):
        assert one_query(layout, query).tobytes() == expected
        assert score_rows(layout, query, np.arange(50)).tobytes() == expected


def test_every_half_precision_number_is_widened_exactly() -> None:
    numbers = np.arange(65_536, dtype=np.uint16).view(np.float16)[:, None]
    for dimensions in (1, 32):
        padded = np.pad(numbers, ((0, 0), (0, dimensions - 1)))
        scores = one_query(padded, np.ones(dimensions, np.float32))
        np.testing.assert_array_equal(scores, numbers[:, 0].astype(np.float32))


def test_refusals() -> None:
    vectors = drawn(4, 3, np.float32)
    with pytest.raises(DimensionMismatch, match=r"queries are \(1, 2\), vectors \(4, 3\)"):
        one_query(vectors, np.ones(2, np.float32))
    with pytest.raises(BadVectors, match="vectors are float64"):
        one_query(vectors.astype(np.float64), np.ones(3, np.float32))
    with pytest.raises(BadVectors, match=r"scales are \(3,\), vectors \(4, 3\)"):
        flat_scores(vectors, np.ones((1, 3), np.float32), np.ones(3, np.float32))
    for rows in ([4], [-1]):
        with pytest.raises(IndexError, match="of 4 vectors"):
            score_rows(vectors, np.ones(3, np.float32), np.array(rows))

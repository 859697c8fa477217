"""Kernels on vectors against their definitions, number by number, in every form that this processor runs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from core_forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
TYPES = [np.float32, np.float16, np.int8]
forms = pytest.mark.parametrize("core", FORMS.values(), ids=FORMS)
NO_SCALES = np.empty(0, np.float32)


def as_bits(vectors: Array) -> Array:
    """What the core is given for float16."""
    return vectors.view(np.uint16) if vectors.dtype == np.float16 else vectors


def hostile(random: np.random.Generator, shape: tuple[int, int], dtype: type) -> Array:
    """Numbers of every size: both zeros, subnormal ones, the largest, and the infinite ones now and then."""
    if dtype == np.int8:
        return random.integers(-128, 128, shape, dtype=np.int8)
    limits = np.finfo(dtype)
    rare = [0.0, -0.0, limits.smallest_subnormal, -3 * limits.smallest_subnormal, limits.tiny, limits.max]
    rare += [np.inf, -np.inf] if random.random() < 0.2 else []
    plain = random.standard_normal(shape).astype(dtype)
    return np.where(
        random.random(shape) < random.random(), plain, random.choice(np.array(rare, dtype), shape)
    )


def in_order(vector: Array, query: Array, scale: np.float32) -> np.float32:
    """The inner product, addition by addition: 32 lanes, folded in halves, the rest, the scale."""
    products = vector.astype(np.float32) * query
    whole = len(products) // 32 * 32
    lanes = np.zeros(32, np.float32)
    for start in range(0, whole, 32):
        lanes = lanes + products[start : start + 32]
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    total = lanes[0]
    for product in products[whole:]:
        total = total + product
    return np.float32(total * scale)


def same_to_the_bit(found: Array, expected: Array) -> bool:
    """Where neither is a number, which of the many they are is not said."""
    nan = np.isnan(expected)
    return bool((np.isnan(found) == nan).all() and found[~nan].tobytes() == expected[~nan].tobytes())


@forms
@settings(max_examples=150)
@given(
    dtype=st.sampled_from(TYPES),
    dimensions=st.integers(0, 100),
    rows=st.integers(0, 7),
    batch=st.integers(0, 8),
    scaled=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_inner_products_add_in_the_promised_order(
    core: Any, dtype: type, dimensions: int, rows: int, batch: int, scaled: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = hostile(random, (rows, dimensions), dtype)
    queries = hostile(random, (batch, dimensions), np.float32)
    scales = random.random(rows, np.float32) if scaled else NO_SCALES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # overflow, and what becomes of infinities
        expected = np.array(
            [
                [in_order(v, q, s) for v, s in zip(vectors, scales if scaled else np.ones(rows), strict=True)]
                for q in queries
            ],
            np.float32,
        ).reshape(batch, rows)
    first = int(random.integers(0, rows + 1))
    scores = np.full((batch, rows), 7, np.float32)
    core.dot_tiles(as_bits(vectors), scales, queries, first, rows, int(random.integers(1, 5)), scores)
    assert same_to_the_bit(scores[:, first:], expected[:, first:])
    assert (scores[:, :first] == 7).all()
    if batch:
        chosen = random.integers(0, rows, 5 if rows else 0)
        some = np.empty(len(chosen), np.float32)
        core.dot_rows(as_bits(vectors), scales, queries, chosen, some)
        assert same_to_the_bit(some, expected[0, chosen])


@forms
@pytest.mark.parametrize("width", [1, 32])
def test_every_float16_is_widened_exactly(core: Any, width: int) -> None:
    """Alone, and in vectors."""
    every = np.arange(1 << 16, dtype=np.uint16)
    vectors, query = np.zeros((1 << 16, width), np.uint16), np.zeros((1, width), np.float32)
    vectors[:, 0], query[0, 0] = every, 1
    scores = np.empty((1, 1 << 16), np.float32)
    core.dot_tiles(vectors, NO_SCALES, query, 0, 1 << 16, 64, scores)
    np.testing.assert_array_equal(scores[0], every.view(np.float16).astype(np.float32))


@forms
def test_other_types_are_refused(core: Any) -> None:
    """Never copied, never read as something else."""
    scores = np.empty((1, 3), np.float32)
    for vectors in (np.ones((3, 4)), np.ones((3, 4), np.int16), np.ones((4, 3), np.float32).T):
        with pytest.raises(TypeError):
            core.dot_tiles(vectors, NO_SCALES, np.ones((1, 4), np.float32), 0, 3, 1, scores)


@forms
@settings(max_examples=80)
@given(st.integers(0, 40), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_differing_bits_are_counted(core: Any, rows: int, words: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2**64, (rows, words), np.uint64)
    bits[random.random((rows, words)) < 0.2] = np.uint64(2**64 - 1)
    query = random.integers(0, 2**64, words, np.uint64)
    distances = np.empty(rows, np.uint32)
    core.count_differing(bits, query, distances)
    assert distances.tolist() == np.bitwise_count(bits ^ query).sum(axis=1).tolist()


@forms
@settings(max_examples=120)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40), st.integers(0, 50), st.booleans())
def test_least_distant_rows_are_the_first_of_a_stable_sort(
    core: Any, pairs: list[tuple[int, bool]], count: int, masked: bool
) -> None:
    distances = np.array([distance for distance, _ in pairs], np.uint32)
    live = np.array([alive for _, alive in pairs if masked], bool)
    order = [row for row in np.argsort(distances, kind="stable") if not masked or live[row]]
    found = core.least_distant(distances, live, count, int(distances.max(initial=0)))
    assert (found.dtype, found.tolist()) == (np.int64, sorted(order[:count]))


def best(values: Array, count: int) -> list[int]:
    """Places of the `count` largest, ties by place: the slow way."""
    return sorted(range(len(values)), key=lambda place: (-float(values[place]), place))[:count]


@st.composite
def scored(draw: st.DrawFn) -> tuple[Array, int, int]:
    """Scores (rows, n), segments, and how many of each segment win: many ties, both zeros, or hardly a tie."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, segments, rows = draw(st.integers(1, 150)), draw(st.integers(1, 3)), draw(st.integers(0, 4))
    shape = (rows, size * segments)
    scores = draw(
        st.sampled_from(
            [
                random.standard_normal(shape),
                random.integers(-2, 3, shape),
                random.choice(np.array([0.0, -0.0, 1e-45, -1e-45]), shape),
                random.choice(np.array([3.4e38, -3.4e38, 1.0]), shape),
            ]
        )
    )
    return scores.astype(np.float32), segments, draw(st.integers(1, size))


@forms
@settings(max_examples=120)
@given(scored())
def test_the_largest_of_each_segment_win(core: Any, drawn: tuple[Array, int, int]) -> None:
    scores, segments, each = drawn
    dims = np.empty((len(scores), segments * each), np.uint32)
    core.take_largest(scores, segments, each, dims)
    size = scores.shape[1] // segments
    for row, found in zip(scores, dims, strict=True):
        parts = [sorted(best(part, each)) for part in row.reshape(segments, size)]
        assert found.tolist() == [s * size + place for s, part in enumerate(parts) for place in part]

"""Winners of tokens that are projected, against products added one by one and sorted; every form of the core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from core_forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
forms = pytest.mark.parametrize("core", FORMS.values(), ids=FORMS)


def in_order(weight: Array, centred: Array) -> Array:
    """weight (n,H), centred (T,H) → z (T,n), addition by addition: 32 lanes, folded in halves, the rest."""
    products = weight.astype(np.float32)[None] * centred[:, None]
    whole = products.shape[2] // 32 * 32
    lanes = np.zeros((*products.shape[:2], 32), np.float32)
    for start in range(0, whole, 32):
        lanes = lanes + products[..., start : start + 32]
    while lanes.shape[2] > 1:
        half = lanes.shape[2] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    total: Array = lanes[..., 0]
    for column in range(whole, products.shape[2]):
        total = total + products[..., column]
    return total


def largest(z: Array, segments: int, each: int) -> tuple[Array, Array]:
    """z (T,n) → the dimensions and values (T, segments x each) of the largest of each part, ties by dimension."""
    parts = z.reshape(len(z), segments, z.shape[1] // segments)
    order = np.argsort(-parts, axis=2, kind="stable")[..., :each]
    values = np.where(
        np.isfinite(parts).all(axis=2, keepdims=True), np.take_along_axis(parts, order, 2), np.float32(np.nan)
    )
    dims = order + np.arange(segments)[:, None] * parts.shape[2]
    shape = len(z), segments * each
    return dims.reshape(shape), values.reshape(shape)


def won(
    core: Any, weight: Array, segments: int, each: int, states: Array, mean: Array
) -> tuple[Array, Array]:
    packed = np.empty(core.packed_size(*weight.shape, segments), np.uint8)
    core.pack_projection(weight, segments, packed)
    dims = np.empty((len(states), segments * each), np.uint32)
    values = np.empty(dims.shape, np.float32)
    core.token_winners(weight, packed, segments, each, states, mean, dims, values)
    return dims, values


def check(core: Any, weight: Array, segments: int, each: int, states: Array, mean: Array) -> None:
    dims, values = won(core, weight, segments, each, states, mean)
    with np.errstate(all="ignore"):
        expected_dims, expected = largest(in_order(weight, states - mean), segments, each)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(values), finite)
    np.testing.assert_array_equal(dims[finite], expected_dims[finite])
    np.testing.assert_array_equal(values[finite], expected[finite])


def numbers(random: np.random.Generator, shape: tuple[int, int], kind: str) -> Array:
    """Numbers of a kind, float32."""
    plain = random.standard_normal(shape)
    if kind == "plain":
        return plain.astype(np.float32)
    if kind == "few":  # so that sums tie
        return random.integers(-2, 3, shape).astype(np.float32)
    if kind == "outliers":  # as transformers have them
        return (plain * np.where(random.random(shape[1]) < 0.1, 50, 1)).astype(np.float32)
    sizes = {"tiny": [-44, -20, -18, -17], "huge": [17, 18, 19, 38], "any": [-45, -30, -18, 0, 0, 0, 18, 38]}
    found = plain * 10.0 ** random.choice(sizes[kind], shape)
    found[random.random(shape) < 0.2] = 0
    if kind == "any":
        found[:, random.random(shape[1]) < 0.5] = 0
        found[random.random(shape) < 0.02] = random.choice([np.nan, np.inf, -np.inf])
    with np.errstate(over="ignore"):
        return found.astype(np.float32)


KINDS = ("plain", "few", "outliers", "tiny", "huge", "any")


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, int, int, Array, Array]:
    """weight, segments, winners of each, states, mean."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hidden, width, segments = draw(st.integers(1, 100)), draw(st.integers(1, 150)), draw(st.integers(1, 3))
    shape = (width * segments, hidden)
    weight: Array
    if draw(st.booleans()):
        most = draw(st.sampled_from([1, 30, 128]))
        weight = random.integers(-most, most, shape, dtype=np.int8, endpoint=most < 128)
    else:
        weight = numbers(random, shape, draw(st.sampled_from(KINDS[:-1])))
    weight[random.random(len(weight)) < 0.1] = 0
    tokens = draw(st.sampled_from([0, 1, 2, 5, 7, 13]))
    states = numbers(random, (tokens, hidden), draw(st.sampled_from(KINDS)))
    states[random.random(tokens) < 0.1] = 0
    mean = numbers(random, (1, hidden), draw(st.sampled_from(KINDS[:-1])))[0] * draw(st.sampled_from([0, 1]))
    return weight, segments, draw(st.integers(1, width)), states, mean


@forms
@settings(max_examples=300)
@given(cases())
def test_winners_are_those_of_all_products(core: Any, case: tuple[Array, int, int, Array, Array]) -> None:
    check(core, *case)


@forms
@pytest.mark.parametrize("kind", ["plain", "outliers"])
@pytest.mark.parametrize("trained", [False, True])
def test_winners_of_many_tokens(core: Any, kind: str, trained: bool) -> None:
    """More of them than pass over the projection together, and more dimensions than anyone's first few."""
    random = np.random.default_rng(3)
    weight = np.rint(random.standard_normal((1000, 72)) * 32).clip(-127, 127).astype(np.int8)
    states = numbers(random, (300, 72), kind)
    mean = states.mean(axis=0)
    check(core, weight * np.float32(0.013) if trained else weight, 2, 8, states, mean)


@forms
def test_bytes_that_are_large_together(core: Any) -> None:
    """Products of two bytes are added in 16 bits, where more than two of the largest do not fit."""
    random = np.random.default_rng(4)
    weight = random.choice(np.array([-128, -127, 126, 127], np.int8), (200, 96))
    states = random.choice(np.array([-1, 0.99, 1], np.float32), (9, 96))
    states[0], states[1] = 1, -1
    for same in (weight, np.sort(weight, axis=1)):
        check(core, np.ascontiguousarray(same), 1, 5, states, np.zeros(96, np.float32))


@forms
def test_vectors_that_are_too_long_are_refused(core: Any) -> None:
    with pytest.raises(ValueError, match="16,384"):
        core.packed_size(4, 16_385, 1)

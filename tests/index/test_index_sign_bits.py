"""Sign bits and Hamming distances against numpy, and the nearest rows against sorting everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import DimensionMismatch
from retrieve.index.sign_bits import nearest_rows, sign_bits, sign_distances


def drawn(rows: int, dimensions: int, seed: int) -> np.ndarray:
    """Some components are zero of either sign, which is not above zero."""
    raw = np.random.default_rng(seed).integers(-3, 4, (rows, dimensions)).astype(np.float32)
    return np.where((raw == 0) & (np.arange(dimensions) % 2 == 0), -0.0, raw).astype(np.float32)


@settings(max_examples=60)
@given(st.integers(1, 200), st.integers(0, 40), st.integers(0, 99), st.sampled_from([np.float16, np.float32]))
def test_distances_count_the_signs_that_differ(dimensions: int, rows: int, seed: int, dtype: type) -> None:
    vectors, query = drawn(rows, dimensions, seed).astype(dtype), drawn(1, dimensions, seed + 1)
    bits = sign_bits(vectors)
    assert (bits.dtype, bits.shape) == (np.uint64, (rows, (dimensions + 63) // 64))
    expected = ((vectors > 0) != (query > 0)).sum(axis=1)
    assert sign_distances(bits, sign_bits(query)).tolist() == expected.tolist()


@pytest.mark.parametrize("dimensions", [64, 384, 512, 1024, 4096])
def test_opposites_differ_in_every_dimension(dimensions: int) -> None:
    """Whole words, in the widths that a processor counts at once."""
    vectors = np.random.default_rng(0).standard_normal((50, dimensions))
    bits = sign_bits(vectors)
    for row in range(0, 50, 7):
        distances = sign_distances(bits, sign_bits(-vectors[row : row + 1]))
        assert distances[row] == dimensions == distances.max()
    mapped = np.frombuffer(b"x" + bits.tobytes(), np.uint8)[1:].view(np.uint64).reshape(bits.shape)
    assert sign_distances(mapped, sign_bits(vectors[:1])).tolist() == sign_distances(bits, bits[:1]).tolist()


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=50), st.integers(0, 60), st.booleans())
def test_nearest_are_the_first_of_a_stable_sort(
    pairs: list[tuple[int, bool]], count: int, masked: bool
) -> None:
    distances = np.array([distance for distance, _ in pairs], np.uint32)
    live = np.array([alive for _, alive in pairs], bool) if masked else None
    rows = [row for row in np.argsort(distances, kind="stable") if live is None or live[row]]
    assert nearest_rows(distances, count, live).tolist() == sorted(rows[:count])


def test_refusals() -> None:
    bits = np.zeros((4, 2), np.uint64)
    with pytest.raises(DimensionMismatch, match=r"signs are \(1, 3\), the rows' \(4, 2\)"):
        sign_distances(bits, np.zeros((1, 3), np.uint64))
    with pytest.raises(ValueError, match="live has 3 rows, distances 4"):
        nearest_rows(np.zeros(4, np.uint32), 1, np.ones(3, bool))

"""Small binary codes as matrices, and the index of counted lists made of them: what the tests of that index share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from retrieve.index.code_postings import Counted, CountedBuilder
from retrieve.index.codes import Codes

Matrix = np.ndarray  # (rows, n) bool: the codes as brute force wants them


def as_codes(matrix: Matrix) -> Codes:
    starts = np.concatenate([[0], matrix.sum(axis=1).cumsum()]).astype(np.int64)
    return Codes(starts, np.nonzero(matrix)[1].astype(np.uint32))


def stored(codes: list[Codes], dimensions: int, layout: str = "fast") -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}

    def write(name: str, array: np.ndarray) -> None:
        assert name not in arrays
        arrays[name] = array

    builder = CountedBuilder(dimensions, layout, write)
    for part in codes:
        builder.add(part)
    builder.finish()
    return arrays


def index(matrix: Matrix, layout: str = "fast") -> Counted:
    return Counted.from_arrays(stored([as_codes(matrix)], matrix.shape[1], layout))


def winners(code: np.ndarray) -> np.ndarray:
    return np.flatnonzero(code).astype(np.uint32)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Matrix, np.random.Generator]:
    """Codes whose dimensions differ in density, so that a block has lists, bitmaps and neither of them.

    Some have a block or two of rows in front that are nearly all empty.
    """
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, rows = draw(st.sampled_from([1, 3, 17, 90, 300])), draw(st.integers(0, 600))
    density = random.random(n) ** draw(st.sampled_from([0.2, 1, 4, 20]))
    matrix = random.random((rows, n)) < density
    if draw(st.integers(0, 9)) == 0 and n < 100:
        front = np.zeros((draw(st.sampled_from([65_535, 65_536, 65_700, 131_072])), n), bool)
        front[random.integers(0, len(front), 40)] = random.random((40, n)) < 0.5
        matrix = np.concatenate([front, matrix])
    return matrix, random


layouts = st.sampled_from(["fast", "small"])


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert (array.dtype, array.tobytes()) == (other[name].dtype, other[name].tobytes()), name

"""Stored forms: what encoding keeps, that rows move as the bytes they are, and what a store may not hand back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import IndexCorrupt
from retrieve.index.sign_bits import sign_bits
from retrieve.index.stored_vectors import Form, StoredVectors, encode_vectors

FORMS = [
    Form("float32"),
    Form("float16"),
    Form("int8"),
    Form("int8", signs=True),
    Form("float16", signs=True),
]


def drawn(rows: int, dimensions: int, seed: int = 0) -> np.ndarray:
    """Vectors of very different lengths."""
    draw = np.random.default_rng(seed)
    return (draw.standard_normal((rows, dimensions)) * 10.0 ** draw.integers(-3, 4, (rows, 1))).astype(
        np.float32
    )


def one_by_one(vector: np.ndarray) -> tuple[list[int], np.float32]:
    """int8 by the documentation, in plain Python, whose `round` goes half to even too."""
    scale = np.float32(max(abs(float(x)) for x in vector)) / np.float32(127)
    return [round(float(x / scale)) if scale else 0 for x in vector], scale


@settings(max_examples=60)
@given(st.integers(1, 150), st.integers(0, 12), st.integers(0, 99))
def test_int8_is_scaled_by_each_vectors_largest(dimensions: int, rows: int, seed: int) -> None:
    vectors = drawn(rows, dimensions, seed)
    stored = encode_vectors(Form("int8"), vectors)
    assert stored.scales is not None
    for vector, numbers, scale in zip(vectors, stored.numbers, stored.scales, strict=True):
        assert (numbers.tolist(), scale) == one_by_one(vector)
    assert (np.abs(stored.numbers).max(axis=1, initial=0) == 127).all()
    error = np.abs(stored.take().astype(np.float64) - vectors)
    assert (error <= stored.scales[:, None] * (0.5 + 1e-4)).all()


def test_int8_of_nothing_and_of_next_to_nothing() -> None:
    tiny = np.float32(1e-45)
    stored = encode_vectors(Form("int8"), np.array([[0, 0], [-tiny * 190, tiny], [0.5, -1]], np.float32))
    assert stored.numbers.tolist() == [[0, 0], [-127, 1], [64, -127]]  # 63.5 goes to the even one
    assert stored.take()[0].tolist() == [0, 0]


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_those_of_what_take_gives(form: Form) -> None:
    vectors, queries = drawn(40, 45), drawn(3, 45, seed=1)
    stored = encode_vectors(form, vectors)
    exact = queries.astype(np.float64) @ stored.take().T.astype(np.float64)
    size = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    scores = stored.scores(queries)
    assert (np.abs(scores - exact) <= 1e-5 * size).all()
    rows = np.array([39, 0, 7, 7])
    for query, own in zip(queries, scores, strict=True):
        assert stored.score_rows(query, rows).tobytes() == own[rows].tobytes()
    np.testing.assert_array_equal(stored.take(rows), stored.take()[rows])


@settings(max_examples=60)
@given(st.sampled_from(FORMS), st.integers(1, 130), st.integers(0, 9), st.integers(0, 9))
def test_rows_move_as_the_bytes_they_are(form: Form, dimensions: int, first: int, second: int) -> None:
    stored = encode_vectors(form, drawn(first + second, dimensions))
    room = StoredVectors.make(
        form, first + second, dimensions, lambda _, dtype, shape: np.zeros(shape, dtype)
    )
    room.write(slice(0, first), stored[:first])
    room.write(list(range(first, first + second)), stored[np.arange(first, first + second)])
    assert room.same(stored)
    assert room.tobytes() == stored.tobytes()
    assert (len(room), room.dimensions, room.arrays().keys()) == (
        first + second,
        dimensions,
        form.arrays(1, dimensions).keys(),
    )
    if first + second:
        for name, array in room.arrays().items():
            array[-1] += array.dtype.type(1)
            assert not room.same(stored), name
            array[-1] = stored.arrays()[name][-1]


@pytest.mark.parametrize("form", FORMS)
def test_forms_come_back_from_files(form: Form, tmp_path: Path) -> None:
    vectors = drawn(9, 70)
    stored = encode_vectors(form, vectors)
    for name, array in stored.arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = {path.stem: np.load(path, mmap_mode="r") for path in tmp_path.glob("*.npy")}
    again = StoredVectors.from_arrays(mapped)
    assert again.same(stored)
    assert again.scores(vectors[:2]).tobytes() == stored.scores(vectors[:2]).tobytes()
    if form.signs:
        np.testing.assert_array_equal(again.bits, sign_bits(vectors))


def test_a_recipe_names_a_form() -> None:
    assert Form.of("float16", "int8") == Form("float16")
    assert Form.of("int8", "float16") == Form("int8")
    assert Form.of("binary", "int8") == Form("int8", signs=True)
    assert Form.of("binary", "float16") == Form("float16", signs=True)


@pytest.mark.parametrize(
    "change",
    [
        {"vectors": None},
        {"vectors": np.zeros((3, 70))},
        {"vectors": np.zeros(3, np.int8)},
        {"vectors": np.zeros((3, 129), np.int8)},
        {"scales": None},
        {"scales": np.zeros(2, np.float32)},
        {"scales": np.zeros(3)},
        {"bits": np.zeros((3, 1), np.uint64)},
        {"bits": np.zeros((3, 2), np.int64)},
        {"more": np.zeros(3)},
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, np.ndarray | None]) -> None:
    arrays = encode_vectors(Form("int8", signs=True), drawn(3, 70)).arrays()
    assert StoredVectors.from_arrays(arrays).same(StoredVectors.from_arrays(dict(arrays)))
    changed = {name: array for name, array in (arrays | change).items() if array is not None}
    with pytest.raises(IndexCorrupt, match="found the arrays"):
        StoredVectors.from_arrays(changed)

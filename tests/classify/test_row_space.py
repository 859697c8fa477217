"""Documents in the space that they span: the same inner products, and weights that score as those of the words do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from retrieve.classify.row_space import RowSpace


def rows_of(documents: int, features: int, seed: int, *, equal: int = 0, empty: int = 0) -> csr_matrix:
    """Rows of norm 1, of which some are copies of the first, and some have nothing."""
    rows = np.random.default_rng(seed).random((documents, features))
    rows[1 : 1 + equal] = rows[0]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[documents - empty :] = 0
    return csr_matrix(rows)


@given(st.integers(2, 20), st.integers(1, 60), st.integers(0, 99), st.integers(0, 3), st.integers(0, 3))
def test_products_and_scores_are_the_same(
    documents: int, more: int, seed: int, equal: int, empty: int
) -> None:
    equal, empty = min(equal, documents - 1), min(empty, documents - 1)
    rows = rows_of(documents, documents + more, seed, equal=equal, empty=empty)
    space = RowSpace(rows)
    coordinates = space.coordinates
    np.testing.assert_allclose((coordinates @ coordinates.T).toarray(), (rows @ rows.T).toarray(), atol=1e-8)
    found = (
        np.random.default_rng(seed).normal(size=(3, documents)) @ coordinates
    )  # in the span, as models are
    np.testing.assert_allclose(rows @ space.weights(found).T, coordinates @ found.T, atol=1e-7)


@pytest.mark.parametrize("loss", [1.0, 10.0])
def test_an_svm_is_that_of_the_words(loss: float) -> None:
    rows = rows_of(40, 300, 0, equal=3)
    targets = np.random.default_rng(1).random(40) > 0.5
    plain = LinearSVC(C=loss, tol=1e-9, max_iter=100_000, random_state=0).fit(rows, targets)
    space = RowSpace(rows)
    assert space.factor is not None
    other = LinearSVC(C=loss, tol=1e-9, max_iter=100_000, random_state=0).fit(space.coordinates, targets)
    np.testing.assert_allclose(space.weights(other.coef_), plain.coef_, atol=1e-5)
    np.testing.assert_allclose(other.intercept_, plain.intercept_, atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 30), (1, 1)])
def test_short_rows_stay_as_they_are(shape: tuple[int, int]) -> None:
    rows = rows_of(*shape, 0)
    space = RowSpace(rows)
    assert space.coordinates is rows
    found = np.ones((2, shape[1]))
    assert space.weights(found) is found

"""Few long documents in many features, in the space that they span: an equal problem with fewer numbers a document.

A linear model of rows x with a penalty on ‖w‖ has its w in the span of the rows, and sees them by their inner products
alone. The rows of the Cholesky factor of those, L·Lᵀ = X·Xᵀ, are N documents in N dimensions: 1,129 long acts have some
3,000 words and pairs each, and 565 numbers then. A model of them is one of the words: w = Xᵀ·L⁻ᵀ·v.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.classify.records import FloatArray

_MOST = 4_000
"""Documents beyond which the factor is not made: it holds 8 bytes for each pair of them."""

_OWN = 1e-10
"""Added to each document's product with itself, so that one which is in the span of the others does no harm."""


class RowSpace:
    """What linear models are fitted on: sparse `rows` (N,V), as they are or by their place in the space they span.

    That is looked for when the first model asks: a regression of values does without.
    """

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    @cached_property
    def factor(self) -> npt.NDArray[np.float64] | None:
        """L (N,N); None where rows have no more numbers than they would have there."""
        documents = self.rows.shape[0]
        if documents > _MOST or self.rows.nnz <= documents**2:
            return None
        products = (self.rows @ self.rows.T).toarray().astype(np.float64)
        products[np.diag_indices(documents)] += _OWN
        return np.linalg.cholesky(products)

    @cached_property
    def coordinates(self) -> Any:
        """What is fitted, (N,N) or (N,V)."""
        if self.factor is None:
            return self.rows
        from scipy.sparse import csr_matrix

        return csr_matrix(self.factor)

    def weights(self, found: FloatArray) -> FloatArray:
        """Of the weights (L,·) of models of `coordinates` those of the rows' features (L,V)."""
        if self.factor is None:
            return found
        from scipy.linalg import solve_triangular

        shares = solve_triangular(self.factor, found.T, trans="T", lower=True)
        return np.asarray((self.rows.T @ shares).T)

"""Few long documents in many features, in the space that they span: an equal problem with fewer numbers a document.

A linear model of rows x with a penalty on ‖w‖ has its w in the span of the rows, and sees them by their inner products
alone. The rows of the Cholesky factor of those, L·Lᵀ = X·Xᵀ, are N documents in N dimensions: 1,129 long acts have some
3,000 words and pairs each, and 565 numbers then. A model of them is one of the words: w = Xᵀ·L⁻ᵀ·v.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.classify.records import FloatArray

_MOST = 4_000
"""Documents beyond which the factor is not made: it holds 8 bytes for each pair of them."""

_OWN = 1e-10
"""Added to each document's product with itself, so that one which is in the span of the others does no harm."""


class RowSpace(NamedTuple):
    """What a linear model is fitted on: `rows` (N,V) in other coordinates, `factor` (N,N), or as they are (None)."""

    rows: Any
    factor: npt.NDArray[np.float64] | None

    @classmethod
    def of(cls, rows: Any) -> RowSpace:
        """Of sparse rows that have more numbers than they would have in their own space."""
        documents = rows.shape[0]
        if documents > _MOST or not hasattr(rows, "nnz") or rows.nnz <= documents**2:
            return cls(rows, None)
        products = (rows @ rows.T).toarray().astype(np.float64)
        products[np.diag_indices(documents)] += _OWN
        return cls(rows, np.linalg.cholesky(products))

    @property
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

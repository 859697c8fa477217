"""Checks and prepares vectors that the caller brings along instead of having passages encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.errors import BadVectors, DimensionMismatch, UsageError
from retrieve.recipe import Recipe


def own_vectors(source: Iterator[npt.ArrayLike], doc_id: str, recipe: Recipe) -> npt.NDArray[Any]:
    """The next document's vectors, as they will be stored: (S,D), unit norm where the recipe normalises.

    Raises `BadVectors` for a missing, non-finite or zero vector, `DimensionMismatch` for another dimension.
    """
    dense = recipe.dense
    if dense is None:
        raise UsageError(f"vectors were given, but recipe {recipe.name!r} has no dense view")
    try:
        raw = next(source)
    except StopIteration:
        raise BadVectors(f"there are fewer vectors than documents: none is left for {doc_id!r}") from None
    vectors = np.atleast_2d(np.asarray(raw, dtype=np.float32))
    return prepare(vectors, f"document {doc_id!r}", dense.dimensions, normalize=dense.normalize).astype(
        dense.storage
    )


def prepare(
    vectors: npt.NDArray[np.float32], name: str, dimensions: int | None, *, normalize: bool
) -> npt.NDArray[np.float32]:
    """Vectors (B,D) float32, checked and, if asked, scaled to unit norm."""
    if vectors.ndim != 2 or (dimensions is not None and vectors.shape[1] != dimensions):
        raise DimensionMismatch(f"{name}: vectors have shape {vectors.shape}, wanted (…, {dimensions})")
    if not np.isfinite(vectors).all():
        raise BadVectors(f"{name}: a vector has NaN or infinite values")
    if not normalize:
        return vectors
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if (norms == 0).any():
        raise BadVectors(f"{name}: a vector is zero and has no direction")
    return np.asarray(vectors / norms, dtype=np.float32)

"""Vectors made fit to be kept: checked, cut to the dimensions that a recipe keeps, of unit length where it says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.errors import BadVectors, DimensionMismatch, RecipeError

FloatArray = npt.NDArray[np.floating[Any]]


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
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)  # squares overflow float32
    if (norms == 0).any():
        raise BadVectors(f"{name}: a vector is zero and has no direction")
    return np.asarray(vectors / norms, dtype=np.float32)


def truncated_vectors(vectors: FloatArray, dimensions: int | None, *, normalize: bool) -> FloatArray:
    """An encoder's vectors (B,D) → the first `dimensions` of each (None: all), of the same type, worked in float32.

    With `normalize` they are scaled to unit norm again: models trained for it (Matryoshka, Kusupati et al. 2022) put
    what matters most first. Raises `RecipeError` where the encoder has fewer, `BadVectors` for nothing but zeros.
    """
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    if dimensions > vectors.shape[1]:
        raise RecipeError(
            f"dense.dimensions = {dimensions}, but the encoder gives {vectors.shape[1]}: lower it"
        )
    cut = vectors[:, :dimensions].astype(np.float32)
    name = f"the first {dimensions} dimensions"
    return prepare(cut, name, dimensions, normalize=normalize).astype(vectors.dtype)

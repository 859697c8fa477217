"""Vectors on their way into a segment, in the form in which they will be stored, and those of queries.

What the encoder gives is cut to the dimensions that the recipe keeps; what comes from elsewhere, the caller or an
older version of a document, is checked and prepared first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.errors import BadVectors, DimensionMismatch, RecipeError, UsageError
from retrieve.index.stored import Form, StoredVectors, encode_vectors
from retrieve.recipe import Recipe
from retrieve.store.batch import Staged
from retrieve.store.build import IntArray
from retrieve.store.pipeline import Pipeline

FloatArray = npt.NDArray[np.floating[Any]]


def own_vectors(
    source: Iterator[npt.ArrayLike], doc_id: str, recipe: Recipe, dimensions: int | None
) -> StoredVectors:
    """The next document's vectors, as they will be stored: S of them, unit norm where the recipe normalises.

    Raises `BadVectors` for a missing, non-finite or zero vector, `DimensionMismatch` for another dimension.
    """
    form = recipe.vectors
    if form is None:
        raise UsageError(
            f"vectors were given, but recipe {recipe.name!r} has no dense view, nor another made of vectors"
        )
    try:
        raw = next(source)
    except StopIteration:
        raise BadVectors(f"there are fewer vectors than documents: none is left for {doc_id!r}") from None
    name = f"document {doc_id!r}"
    with np.errstate(over="ignore"):  # reported below
        try:
            given = np.asarray(raw, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise BadVectors(f"{name}: its vectors are no array of numbers ({error})") from error
        if given.shape == (0,):  # [], which has no dimensions to check
            given = np.empty((0, dimensions or 0), dtype=np.float32)
        prepared = prepare(np.atleast_2d(given), name, dimensions, normalize=form.normalize)
        stored = encode_vectors(Form.of(form.storage, form.rescore), prepared)
        finite = np.isfinite(stored.take()).all()
    if not finite:
        raise BadVectors(f"{name}: a vector is too large for {form.storage}: normalise it, or store float32")
    return stored


def query_vector(vector: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """One vector (D,) as a matrix (1,D) float32, its values unchecked. Raises `BadVectors`, `DimensionMismatch`."""
    try:
        matrix = np.atleast_2d(np.asarray(vector, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise BadVectors(f"the query vector is no array of numbers ({error})") from error
    if matrix.ndim != 2 or len(matrix) != 1:
        raise DimensionMismatch(f"the query vector has shape {matrix.shape}, wanted one vector (D,)")
    return matrix


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


def kept(vectors: FloatArray, dimensions: int | None, *, normalize: bool) -> FloatArray:
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


def without_surplus(vectors: StoredVectors, passages: int) -> StoredVectors:
    """The one vector of a document without passages is dropped: so a file of one row each fits any collection."""
    return vectors[:0] if passages == 0 and len(vectors) == 1 else vectors


def fitting_vectors(staged: Staged, spans: IntArray, pipeline: Pipeline) -> StoredVectors | None:
    """The vectors of a document's passages where they are known, else None: they are to be encoded.

    Vectors of an older version count only if it was cut into the same passages. Raises `BadVectors` for a wrong
    number of the caller's own, and where there are none and no encoder.
    """
    doc_id = staged.document.id
    if staged.vectors is not None and staged.spans is None:
        given = without_surplus(staged.vectors, len(spans))
        if len(given) != len(spans):
            raise BadVectors(
                f"document {doc_id!r} has {len(spans)} passages under this recipe, "
                f"{len(given)} vectors were given: give one for each passage, as an array (S,D)"
            )
        return given
    if staged.spans is not None and np.array_equal(staged.spans, spans):
        return staged.vectors
    if pipeline.recipe.vectors is not None and not pipeline.has_encoder and len(spans):
        raise BadVectors(
            f'document {doc_id!r} has no vectors: with model = "none" give them, add(…, vectors=…)'
        )
    return None

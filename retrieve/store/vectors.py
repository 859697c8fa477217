"""Vectors on their way into a segment, in the form in which they will be stored, and those of queries.

What comes from elsewhere than the encoder, from the caller or an older version of a document, is checked and prepared
first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from retrieve.errors import BadVectors, DimensionMismatch, UsageError
from retrieve.index.stored_vectors import Form, StoredVectors, encode_vectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import prepare
from retrieve.recipe import Recipe
from retrieve.store.batch import Staged
from retrieve.store.document_rows import IntArray


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


def query_vectors(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Vectors of queries as a matrix (B,D) float32, its values unchecked. Raises as `query_vector`."""
    try:
        matrix = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BadVectors(f"the query vectors are no array of numbers ({error})") from error
    if matrix.ndim != 2:
        raise DimensionMismatch(
            f"the query vectors have shape {matrix.shape}, wanted one for each query (B,D)"
        )
    return matrix


def without_surplus(vectors: StoredVectors, passages: int) -> StoredVectors:
    """The one vector of a document without passages is dropped: so a file of one row each fits any collection."""
    return vectors[:0] if passages == 0 and len(vectors) == 1 else vectors


def fitting_vectors(staged: Staged, spans: IntArray, passage_encoder: PassageEncoder) -> StoredVectors | None:
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
    if passage_encoder.recipe.vectors is not None and not passage_encoder.models.exist and len(spans):
        raise BadVectors(
            f'document {doc_id!r} has no vectors: with model = "none" give them, add(…, vectors=…)'
        )
    return None

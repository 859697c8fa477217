"""Exact inner products of queries with vectors of float32, float16 or int8, read where they lie.

There is no BLAS here: a row's score must not depend on its place or on the batch of queries, so that duplicates tie
and `search` equals `search_many` bit for bit. Narrow numbers are widened in the processor; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from retrieve._core import dot_rows, dot_tiles
from retrieve.errors import BadVectors, DimensionMismatch
from retrieve.index.arrays import Array, Float32s, Int64s, frozen

_TILE_BYTES = 256 * 1024  # rows that stay in the L2 cache while every query of a batch passes over them
_NO_SCALES = frozen(np.empty(0, np.float32))


Spread: TypeAlias = Callable[[int, Callable[[slice], list[None]]], object]
"""Calls a function for parts of so many rows that make up all of them, in several threads perhaps."""


def flat_scores(
    vectors: Array, queries: Float32s, scales: Float32s | None = None, *, spread: Spread | None = None
) -> Float32s:
    """vectors (N,D) float32, float16 or int8, queries (B,D) float32 → inner products (B,N) float32.

    `scales` (N,) float32: each row's sum is multiplied by its own. The vectors are read from memory once for the whole
    batch. Releases the GIL; `spread` may have the rows scored in parts, which give the same. Raises DimensionMismatch.
    """
    stored, factors, asked = _operands(vectors, queries, scales)
    scores = np.empty((len(asked), len(stored)), np.float32)
    tile = max(1, _TILE_BYTES // max(1, stored[:1].nbytes))

    def score(rows: slice) -> list[None]:
        dot_tiles(stored, factors, asked, rows.start, rows.stop, tile, scores)
        return []

    if spread is None:
        score(slice(0, len(stored)))
    else:
        spread(len(stored), score)
    return scores


def score_rows(vectors: Array, query: Float32s, rows: Int64s, scales: Float32s | None = None) -> Float32s:
    """The same scores for chosen rows (R,) int64 alone → (R,) float32; raises IndexError for a row out of range."""
    stored, factors, asked = _operands(vectors, query[None], scales)
    chosen = np.asarray(rows, np.int64)
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(stored):
        raise IndexError(f"rows from {chosen.min()} to {chosen.max()} of {len(stored)} vectors")
    scores = np.empty(len(chosen), np.float32)
    dot_rows(stored, factors, asked, chosen, scores)
    return scores


def _operands(vectors: Array, queries: Float32s, scales: Float32s | None) -> tuple[Array, Float32s, Float32s]:
    """All as the kernel wants them: C-contiguous, read-only, float16 as its bits, no scales as an empty array."""
    if vectors.dtype not in (np.float16, np.float32, np.int8):
        raise BadVectors(f"vectors are {vectors.dtype}, wanted float16, float32 or int8")
    if vectors.ndim != 2 or queries.ndim != 2 or vectors.shape[1] != queries.shape[1]:
        raise DimensionMismatch(
            f"queries are {queries.shape}, vectors {vectors.shape}: encode both with the index's encoder"
        )
    if scales is not None and scales.shape != (len(vectors),):
        raise BadVectors(
            f"scales are {scales.shape}, vectors {vectors.shape}: wanted one scale for each vector"
        )
    stored = frozen(vectors)
    asked = frozen(np.asarray(queries, np.float32))
    factors = _NO_SCALES if scales is None else frozen(scales)
    return (stored.view(np.uint16) if stored.dtype == np.float16 else stored), factors, asked

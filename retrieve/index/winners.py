"""From vectors to binary codes: projection to very many dimensions, of which the largest few win.

The projection is made of the core's inner products, whose additions have one order, so that the same vector has
the same code in whatever batch, segment and process it is coded; a BLAS does not promise that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from retrieve._core import dot_tiles, take_largest
from retrieve.errors import BadVectors, DimensionMismatch
from retrieve.index.arrays import Array, Float32s, frozen
from retrieve.index.codes import Codes

_TILE = 16  # rows of the projection that stay in the first cache while a batch passes over them
_BATCH = 256
_SCORES = 1 << 24  # at most in memory at a time: 64 MiB
_NO_SCALES = frozen(np.empty(0, np.float32))


class Projection(NamedTuple):
    """weight (n,H), float32 or int8, and mean (H,) float32; each of `segments` equal parts of the n has its winners.

    Who wins does not depend on a common factor of the weights, so none is kept.
    """

    weight: Array
    mean: Float32s
    segments: int = 1

    @property
    def dimensions(self) -> int:
        """n of the codes."""
        return len(self.weight)


def winning(projection: Projection, vectors: Float32s, winners: int) -> Codes:
    """vectors (B,H) float32 → codes (B rows): the `winners` largest of (v − mean)·weightᵀ, ties to the lower dimension.

    `winners` and n are multiples of `segments`. Releases the GIL. Raises `DimensionMismatch` for vectors, or a mean,
    of another H, `BadVectors` for one whose scores pass float32, ValueError for winners that do not fit.
    """
    weight, mean, segments = projection
    hidden = weight.shape[1]
    if mean.shape != (hidden,):
        raise DimensionMismatch(
            f"the corpus mean has shape {mean.shape}, the projection takes ({hidden},): it is another encoder's"
        )
    if vectors.ndim != 2 or vectors.shape[1] != hidden:
        raise DimensionMismatch(f"vectors have shape {vectors.shape}, the projection takes (…, {hidden})")
    if not 1 <= winners <= len(weight) or winners % segments or len(weight) % segments:
        raise ValueError(f"{winners} winners of {len(weight)} dimensions in {segments} segments")
    dims = np.empty((len(vectors), winners), np.uint32)
    flat = frozen(weight)
    batch = min(_BATCH, max(1, _SCORES // len(weight)))
    for start in range(0, len(vectors), batch):
        centred = frozen(np.asarray(vectors[start : start + batch], np.float32) - mean)
        scores = np.empty((len(centred), len(weight)), np.float32)
        dot_tiles(flat, _NO_SCALES, centred, 0, len(flat), _TILE, scores)
        _check_finite(scores, start)
        take_largest(scores, segments, winners // segments, dims[start : start + len(centred)])
    return Codes(np.arange(len(vectors) + 1, dtype=np.int64) * winners, dims.reshape(-1))


def _check_finite(scores: Float32s, first: int) -> None:
    """Among NaN there is no order, and so no winners."""
    finite = np.isfinite(scores)
    if not finite.all():
        row = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise BadVectors(
            f"the projection of vector {first + row} is NaN or infinite: wanted numbers whose sums stay within "
            "float32; give vectors of unit length"
        )

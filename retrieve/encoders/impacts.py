"""Weights of learned sparse encoders as 8-bit impacts, linear in the weight, with one scale for a whole index.

Scores of different segments are added and compared, so the scale cannot be a segment's own: it is learned once from a
sample, with room above the largest weight seen, and what exceeds even that is counted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieve.errors import BadVectors, UsageError

LARGEST = 254
"""The largest impact: a byte, less the value that a posting list keeps for itself."""

HEADROOM = 1.25
"""How much larger than the largest weight of the sample a weight may be without being clipped."""


class Impacts(NamedTuple):
    """`values` (P,) uint32 from 1 to 254; `clipped`: how many weights were above what 254 stands for."""

    values: NDArray[np.uint32]
    clipped: int


def impact_scale(sample: NDArray[np.float32]) -> float:
    """Impacts for a weight of 1, from the weights of a sample of documents; `BadVectors` if it has none above 0."""
    largest = float(sample.max(initial=0))
    if not 0 < largest < np.inf:
        raise BadVectors(
            f"the largest of {len(sample)} weights is {largest}: no scale of impacts follows from that; "
            "give more documents"
        )
    return LARGEST / (HEADROOM * largest)


def quantize_impacts(weights: NDArray[np.float32], scale: float) -> Impacts:
    """weights (P,) above 0 → round(weight x scale) within 1 and 254: a weight that is there is never lost.

    Raises `UsageError` for a scale that is not above 0, `BadVectors` for weights that are not finite and above 0.
    """
    if not 0 < scale < np.inf:
        raise UsageError(f"the scale of impacts is {scale}, wanted a number above 0: see impact_scale")
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise BadVectors("impacts are made of weights above 0, found NaN, infinity, zero or less")
    rounded = np.rint(weights.astype(np.float64) * scale)
    return Impacts(np.clip(rounded, 1, LARGEST).astype(np.uint32), int((rounded > LARGEST).sum()))

"""The usual values of BM25's saturation in a table, which is quicker to look up than to divide for.

They are to the bit what `saturation` in `_core/scoring.cpp` computes for the others.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from retrieve._core import FREQUENCIES, LENGTHS
from retrieve.index.arrays import Bytes, Float64s, UInt16s, UInt32s, frozen

_SHORT = 255
"""Where no length is above this they are held in one byte each."""

Norm: TypeAlias = tuple[float, float]
"""What a length adds to the term frequency in the denominator: a constant, and so much for each term; neither < 0."""


@lru_cache(maxsize=8)
def saturations(norm: Norm) -> Float64s:
    """tf / (tf + base + slope · length), at tf · LENGTHS + length, for the frequencies and lengths that are usual."""
    base, slope = norm
    tf = np.arange(FREQUENCIES, dtype=np.float64)[:, None]
    added = base + slope * np.arange(LENGTHS, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0 where k1 is 0: no posting has a frequency of 0
        return frozen((tf / (tf + added)).ravel())


def columns_of(lengths: UInt32s) -> Bytes | UInt16s:
    """Where each length is in the table of saturations, (rows,) uint8 if it can be, else uint16; LENGTHS: nowhere."""
    if int(lengths.max(initial=0)) <= _SHORT:
        return frozen(lengths.astype(np.uint8))
    return frozen(np.minimum(lengths, LENGTHS).astype(np.uint16))

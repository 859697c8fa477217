"""Nearest rows by the signs of their components: one bit a dimension, compared by XOR and counted by the processor.

A Hamming distance is a coarse stand-in for an angle, so it only proposes rows, which are scored again from finer
vectors. A pass over all rows reads D/8 bytes of each, and distances are small integers: the nearest are found by
counting, in two passes and without a sort.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrieve._core import count_differing, least_distant
from retrieve.errors import DimensionMismatch
from retrieve.index.arrays import Array, Bools, Int64s, frozen

Words = npt.NDArray[np.uint64]
Distances = npt.NDArray[np.uint32]

_WORD = 64
_ALL = frozen(np.empty(0, np.bool_))


def sign_bits(vectors: Array) -> Words:
    """vectors (N,D) → (N, ceil(D/64)) uint64: bit d of a row is whether component d is above zero; the rest is 0."""
    packed = np.packbits(vectors > 0, axis=1, bitorder="little")
    padded = np.zeros((len(vectors), sign_words(vectors.shape[1]) * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def sign_words(dimensions: int) -> int:
    """How many words of 64 bits the signs of so many dimensions take."""
    return -(-dimensions // _WORD)


def sign_distances(bits: Words, query: Words) -> Distances:
    """Rows (N,W) and one query (1,W) → how many bits of each row differ from the query's, (N,). Releases the GIL."""
    if bits.ndim != 2 or query.shape != (1, bits.shape[1]):
        raise DimensionMismatch(
            f"the query's signs are {query.shape}, the rows' {bits.shape}: encode both alike"
        )
    distances = np.empty(len(bits), np.uint32)
    count_differing(frozen(bits), frozen(query[0]), distances)
    return distances


def nearest_rows(distances: Distances, count: int, live: Bools | None = None) -> Int64s:
    """The `count` rows (or all there are) of least distance among the live ones, ties by row; in row order."""
    if live is not None and len(live) != len(distances):
        raise ValueError(f"live has {len(live)} rows, distances {len(distances)}")
    farthest = int(distances.max(initial=0))
    return least_distant(frozen(distances), _ALL if live is None else frozen(live), int(count), farthest)

"""Token vectors to one vector, in numpy: what follows a model that OpenVINO runs, and late chunking on any back end.

The modes are those of sentence-transformers' Pooling module, under its names, so that a folder means the same here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]
IntArray = NDArray[np.int64]


def pool(hidden: Float32s, mask: IntArray, modes: Sequence[str]) -> Float32s:
    """hidden (B,T,D), mask (B,T) of 0 and 1 with padding at the end → (B, D x modes) float32, modes side by side."""
    return np.concatenate([MODES[mode](hidden, mask) for mode in modes], axis=1)


def mean_of_ranges(hidden: Float32s, ranges: IntArray) -> Float32s:
    """hidden (B,T,D), ranges (R,3) of row, first token, token after the last (not empty) → means (R,D) float32."""
    means = [hidden[row, first:end].mean(axis=0, dtype=np.float32) for row, first, end in ranges]
    return np.stack(means) if means else np.empty((0, hidden.shape[2]), dtype=np.float32)


def _cls(hidden: Float32s, mask: IntArray) -> Float32s:
    first: Float32s = hidden[:, 0]
    return first


def _last(hidden: Float32s, mask: IntArray) -> Float32s:
    last: Float32s = hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1]
    return last


def _max(hidden: Float32s, mask: IntArray) -> Float32s:
    largest: Float32s = np.where(mask[..., None] > 0, hidden, np.float32(-np.inf)).max(axis=1)
    return largest


def _weighted(hidden: Float32s, weights: Float32s) -> tuple[Float32s, Float32s]:
    """Weighted sums (B,D) and sums of weights (B,1)."""
    return np.matmul(weights[:, None, :], hidden)[:, 0], weights.sum(axis=1, keepdims=True)


def _mean(hidden: Float32s, mask: IntArray) -> Float32s:
    total, count = _weighted(hidden, mask.astype(np.float32))
    return np.asarray(total / count, dtype=np.float32)


def _mean_sqrt(hidden: Float32s, mask: IntArray) -> Float32s:
    total, count = _weighted(hidden, mask.astype(np.float32))
    return np.asarray(total / np.sqrt(count), dtype=np.float32)


def _weighted_mean(hidden: Float32s, mask: IntArray) -> Float32s:
    """Later tokens count more: SGPT (Muennighoff 2022), equation 2."""
    positions = np.arange(1, mask.shape[1] + 1, dtype=np.float32)
    total, count = _weighted(hidden, mask.astype(np.float32) * positions)
    return np.asarray(total / count, dtype=np.float32)


MODES: Mapping[str, Callable[[Float32s, IntArray], Float32s]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}

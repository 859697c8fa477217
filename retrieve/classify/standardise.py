"""Passage vectors of mean 0 and standard deviation 1, dimension by dimension, as the training passages have them.

Some encoders have dimensions that say nothing (all-MiniLM-L6-v2: 127, 223 and 319): to divide by what little they vary
would make noise of rounding into a feature, so they are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from retrieve.classify.records import FloatArray, IntArray
from retrieve.errors import TrainingError

_FLOOR = 1e-3
"""Of the median standard deviation: dimensions that vary less are dropped."""

Rows = npt.NDArray[np.floating]


class Standardise(nn.Module):
    """Rows (R,D) → (R,D′) float32: the dimensions `kept` (D′,), less their `mean`, over their `sd`, both (D′,)."""

    mean: Tensor
    sd: Tensor
    kept: Tensor

    def __init__(self, mean: FloatArray, sd: FloatArray, kept: IntArray) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("sd", torch.from_numpy(sd).float())
        self.register_buffer("kept", torch.from_numpy(kept))

    def forward(self, rows: Tensor) -> Tensor:
        return (rows.float()[:, self.kept] - self.mean) / self.sd


def learn_standardise(blocks: Callable[[], Iterable[Rows]]) -> Standardise:
    """Mean and standard deviation of all rows (…,D) that `blocks` gives, each time it is called the same ones.

    They are worked in float64, in two passes. Raises `TrainingError` where there is no row, or all are alike.
    """
    count, total = _summed(blocks())
    if not count:
        raise TrainingError("no training document has a passage: wanted documents with text")
    mean = total / count
    _, squares = _summed((block.astype(np.float64) - mean) ** 2 for block in blocks())
    sd = np.sqrt(squares / count)
    kept = np.flatnonzero((sd >= _FLOOR * np.median(sd)) & (sd > 0))
    if not len(kept):
        raise TrainingError(
            f"all {count} training passages have one and the same vector: nothing can be learned"
        )
    return Standardise(mean[kept], sd[kept], kept.astype(np.int64))


def _summed(blocks: Iterable[Rows]) -> tuple[int, FloatArray]:
    count, total = 0, np.zeros(1)
    for block in blocks:
        count += len(block)
        total = total + block.sum(axis=0, dtype=np.float64)
    return count, total


def dropped(dimensions: int, kept: IntArray) -> list[int]:
    """The dimensions that are not kept."""
    return sorted(set(range(dimensions)) - set(kept.tolist()))


def blocks_of(rows: Rows, size: int = 1 << 14) -> Iterator[Rows]:
    """An array (R,D) in blocks of so many rows."""
    return (rows[start : start + size] for start in range(0, len(rows), size))

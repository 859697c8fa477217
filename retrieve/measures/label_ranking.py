"""RP@K and nDCG@K of labels ranked by score, with binary gain (Chalkidis et al. 2019, after Manning et al.).

Equal scores are ordered by label name, so that a figure does not depend on the order of columns. Documents without a
positive among the labels that are scored have no value: they are left out, and how many there are is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def ranked(scores: npt.ArrayLike, names: Sequence[str], k: int) -> IntArray:
    """Scores (N,L) → columns (N,min(K,L)) by falling score, ties by rising name."""
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    falling = -np.asarray(scores, dtype=np.float64)[:, by_name]
    if k == 1:  # the first of equal ones, without sorting the others
        return np.asarray(by_name[falling.argmin(axis=1)[:, None]])
    return np.asarray(by_name[np.argsort(falling, axis=1, kind="stable")[:, :k]])


class RankedGains(NamedTuple):
    """Whether each of the first labels of a document is a positive (N,K), and how many positives it has (N,).

    One sorting serves every measure with a cut-off up to K.
    """

    gains: FloatArray
    positives: IntArray

    @classmethod
    def of(cls, targets: npt.ArrayLike, scores: npt.ArrayLike, names: Sequence[str], k: int) -> RankedGains:
        """Targets and scores (N,L), K ≥ 1."""
        true = np.asarray(targets, dtype=bool)
        gains = np.take_along_axis(true, ranked(scores, names, k), axis=1)
        return cls(gains.astype(np.float64), true.sum(1))

    def r_precision(self, k: int) -> FloatArray:
        """RP@K of each document (N,): positives among the first K, divided by min(K, positives); nan without any."""
        best = np.minimum(self.positives, k)
        return _share(self.gains[:, :k].sum(1), best.astype(np.float64))

    def ndcg(self, k: int) -> FloatArray:
        """nDCG@K of each document (N,): gain 1, discount log2(rank + 1); nan without a positive."""
        discounts = 1 / np.log2(np.arange(k) + 2)
        ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(self.positives, k)]
        gains = self.gains[:, :k]
        return _share(gains @ discounts[: gains.shape[1]], ideal)


def _share(reached: FloatArray, best: FloatArray) -> FloatArray:
    shares: FloatArray = np.divide(reached, best, out=np.full(len(best), np.nan), where=best > 0)
    return shares

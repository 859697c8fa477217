"""RP@K and nDCG@K of labels ranked by score, with binary gain (Chalkidis et al. 2019, after Manning et al.).

Equal scores are ordered by label name, so that a figure does not depend on the order of columns. Documents without a
positive among the labels that are scored have no value: they are left out, and how many there are is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def ranked(scores: npt.ArrayLike, names: Sequence[str], k: int) -> npt.NDArray[np.int64]:
    """Scores (N,L) → columns (N,min(K,L)) by falling score, ties by rising name."""
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    order = np.argsort(-np.asarray(scores, dtype=np.float64)[:, by_name], axis=1, kind="stable")
    return np.asarray(by_name[order[:, :k]])


def r_precision_at(targets: npt.ArrayLike, scores: npt.ArrayLike, names: Sequence[str], k: int) -> FloatArray:
    """RP@K of each document (N,): positives among the first K, divided by min(K, positives); nan without a positive."""
    gains, positives = _gains(targets, scores, names, k)
    best = np.minimum(positives, k)
    return _share(gains.sum(1), best.astype(np.float64))


def ndcg_at(targets: npt.ArrayLike, scores: npt.ArrayLike, names: Sequence[str], k: int) -> FloatArray:
    """nDCG@K of each document (N,), gain 1, discount log2(rank + 1); nan without a positive."""
    gains, positives = _gains(targets, scores, names, k)
    discounts = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(positives, k)]
    reached = gains @ discounts[: gains.shape[1]]
    return _share(reached, ideal)


def _gains(
    targets: npt.ArrayLike, scores: npt.ArrayLike, names: Sequence[str], k: int
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    true = np.asarray(targets, dtype=bool)
    gains = np.take_along_axis(true, ranked(scores, names, k), axis=1)
    return gains.astype(np.float64), true.sum(1)


def _share(reached: FloatArray, best: FloatArray) -> FloatArray:
    shares: FloatArray = np.divide(reached, best, out=np.full(len(best), np.nan), where=best > 0)
    return shares

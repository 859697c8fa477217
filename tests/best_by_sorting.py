"""The best groups of scored rows by sorting all of them, as an oracle for what chooses without sorting."""

from __future__ import annotations

import numpy as np


def best_by_sorting(
    scores: np.ndarray, k: int, groups: np.ndarray, live: np.ndarray, floor: float
) -> list[tuple[float, int]]:
    """Scores and rows of the k best groups above a floor, best first, the first row among equals.

    Empty `groups`: each row is one; empty `live`: all may be found.
    """
    with np.errstate(invalid="ignore"):
        may = scores > floor
    rows = np.flatnonzero(may & live if len(live) else may)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    if len(groups):
        rows = rows[np.sort(np.unique(groups[rows], return_index=True)[1])]
    return list(zip(scores[rows[:k]].tolist(), rows[:k].tolist(), strict=True))

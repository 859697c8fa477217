"""The best groups (documents) of a score array: every view ends here, so that there is one order of ties.

A document stands as high as its best row. Rows come in group order, so the rows that pass the k-th best score so far
are collected in one pass, and thinned out to the k best groups whenever they become too many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve._core import best_groups
from retrieve.errors import UsageError
from retrieve.index.arrays import Bools, Float64s, Int64s, UInt32s, frozen

NO_GROUPS = frozen(np.empty(0, np.uint32))
NO_LIVE = frozen(np.empty(0, np.bool_))


def select_top(
    scores: npt.NDArray[np.float32] | Float64s,
    k: int,
    *,
    groups: npt.NDArray[np.int32] | UInt32s | None = None,
    live: Bools | None = None,
    floor: float = -np.inf,
) -> tuple[Int64s, Int64s, Float64s]:
    """The k best groups of scored rows → groups (K,), each one's best row (K,) int64, scores (K,) float64.

    `scores` (rows,) float32 or float64; `groups` (rows,) non-decreasing group of each row (None: each row is its
    own); `live` (rows,) rows that may be found (None: all); rows not above `floor` are not found (BM25: 0), nor are
    NaN. A group's score is its best row's, the first row among equals. Ordered by falling score, then rising group;
    K is exactly min(k, groups with a row that may be found). Raises UsageError for k ≤ 0.
    """
    check_choice(k, len(scores), groups, live)
    group_of = NO_GROUPS if groups is None else np.ascontiguousarray(groups).view(np.uint32)
    marks = NO_LIVE if live is None else np.ascontiguousarray(live)
    contiguous: npt.NDArray[Any] = np.ascontiguousarray(scores)
    found = best_groups(contiguous, int(k), group_of, marks, float(floor))
    order = np.argsort(-found[0], kind="stable")
    rows = found[1][order]
    return (group_of[rows].astype(np.int64) if groups is not None else rows), rows, found[0][order]


def check_choice(
    k: int, rows: int, groups: npt.NDArray[np.int32] | UInt32s | None, live: Bools | None
) -> None:
    """Raises UsageError for k ≤ 0, ValueError for groups or marks of another number of rows."""
    if k <= 0:
        raise UsageError(f"k is {k}: ask for at least one")
    for name, array in (("groups", groups), ("live", live)):
        if array is not None and len(array) != rows:
            raise ValueError(f"{name} has {len(array)} rows, scores {rows}")

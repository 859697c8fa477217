"""The best groups (documents) of a score array: every view ends here, so that there is one order of ties.

A document stands as high as its best row. Rows come in group order, so one pass with a heap of k groups is enough,
and a row that does not pass the k-th best score so far costs one comparison.
"""

from __future__ import annotations

from heapq import heappush, heapreplace

import numpy as np
import numpy.typing as npt
from numba import njit

from retrieve.errors import UsageError
from retrieve.index.arrays import Array, Bools, Float64s, Int64s, UInt32s, frozen

_NO_GROUPS = frozen(np.empty(0, np.uint32))
_NO_LIVE = frozen(np.empty(0, np.bool_))


@njit(nogil=True, cache=True)
def _offer(
    heap: list[tuple[float, int, int]], k: int, best: float, group: int, row: int, threshold: float
) -> float:
    """Put a finished group on the heap if it passes the threshold; returns the threshold from here on."""
    if best > threshold:
        if len(heap) < k:
            heappush(heap, (best, -group, row))
        else:
            heapreplace(heap, (best, -group, row))
    return heap[0][0] if len(heap) == k else threshold


@njit(nogil=True, cache=True)
def _best_groups(
    scores: Array, k: int, groups: UInt32s, live: Bools, floor: float
) -> tuple[Float64s, Int64s, Int64s]:
    """Scores, groups and rows of the k best groups, unordered. Empty `groups`: each row is one; empty `live`: all."""
    heap = [
        (0.0, 0, 0)
    ]  # (score, −group, row): the smallest is the worst, a later group before an earlier one
    heap.clear()
    threshold = floor
    best, group, best_row = floor, -1, -1  # the group that is being read
    for row in range(len(scores)):
        score: float = np.float64(scores[row])
        if not score > threshold or (len(live) > 0 and not live[row]):  # `not >` also turns NaN away
            continue
        row_group: int = np.int64(groups[row]) if len(groups) > 0 else row  # type: ignore[assignment]
        if row_group != group:
            threshold = _offer(heap, k, best, group, best_row, threshold)
            best, group = threshold, row_group
        if score > best:
            best, best_row = score, row
    _offer(heap, k, best, group, best_row, threshold)
    found = np.empty(len(heap), np.float64), np.empty(len(heap), np.int64), np.empty(len(heap), np.int64)
    for i, (score, negative, row) in enumerate(heap):
        found[0][i], found[1][i], found[2][i] = score, -negative, row
    return found


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
    if k <= 0:
        raise UsageError(f"k is {k}: ask for at least one")
    for name, array in (("groups", groups), ("live", live)):
        if array is not None and len(array) != len(scores):
            raise ValueError(f"{name} has {len(array)} rows, scores {len(scores)}")
    group_of = _NO_GROUPS if groups is None else frozen(groups.view(np.uint32))
    found, found_groups, found_rows = _best_groups(
        frozen(scores), int(k), group_of, _NO_LIVE if live is None else frozen(live), float(floor)
    )
    order = np.lexsort((found_groups, -found))
    return found_groups[order], found_rows[order], found[order]

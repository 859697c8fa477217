"""Token-level winners of one text as `WinnerTakeAll` chooses them, compiled: the same code from less work.

The module marks winners in arrays of all dimensions for each token, which training needs and an index does not: here a
token's few winners are found in one pass over what it was projected to, and only their votes are kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieve.kernels import kernel

Float32s = NDArray[np.float32]
Int64s = NDArray[np.int64]

_CHUNK = 64
"""Dimensions whose largest z is looked at first."""


@kernel
def _insert(value: float, at: int, kept: int, best: Float32s, places: Int64s) -> int:
    """Put a value among the `kept` best, largest first, equal ones by place; the last falls out of a full list."""
    slot = min(kept, len(best) - 1)
    while slot > 0 and best[slot - 1] < value:
        best[slot], places[slot] = best[slot - 1], places[slot - 1]
        slot -= 1
    best[slot], places[slot] = value, at
    return min(kept + 1, len(best))


@kernel
def _largest(part: Float32s) -> float:
    """The largest of some numbers, four at a time, which do not wait for one another."""
    whole = len(part) // 4 * 4
    a = b = c = d = np.float32(-np.inf)
    for i in range(0, whole, 4):
        a = part[i] if part[i] > a else a
        b = part[i + 1] if part[i + 1] > b else b
        c = part[i + 2] if part[i + 2] > c else c
        d = part[i + 3] if part[i + 3] > d else d
    for i in range(whole, len(part)):
        a = part[i] if part[i] > a else a
    return float(max(a, b, c, d))


@kernel
def count_votes(z: Float32s, winners: int, segments: int, votes: Int64s, values: Float32s) -> None:
    """Add for each token of z (T,n), all finite, its winners to `votes` (n,), and raise `values` (n,) to their z.

    So many winners in each of `segments` equal parts; of equal z the lower dimension wins.
    """
    width = z.shape[1] // segments
    best, places = np.empty(winners, np.float32), np.empty(winners, np.int64)
    for token in range(len(z)):
        for first in range(0, z.shape[1], width):
            row = z[token, first : first + width]
            kept = 0
            for start in range(0, width, _CHUNK):
                part = row[start : start + _CHUNK]
                if kept == winners and not _largest(part) > best[-1]:
                    continue
                for i in range(len(part)):
                    if kept < winners or part[i] > best[-1]:
                        kept = _insert(part[i], start + i, kept, best, places)
            for i in range(winners):
                dimension = first + places[i]
                votes[dimension] += 1
                values[dimension] = max(values[dimension], best[i])


def most_voted(votes: Int64s, values: Float32s, cap: int | None) -> Int64s:
    """The dimensions with votes, at most `cap`: those with most, then with the largest z, then the lowest. Not sorted.

    Vote and z are added up as `WinnerTakeAll` does, in float32.
    """
    won = np.flatnonzero(votes)
    if cap is None or len(won) <= cap:
        return won
    value = values[won]
    worth = votes[won].astype(np.float32) + np.float32(0.5) * value / (1 + np.abs(value))
    return won[np.argsort(-worth, kind="stable")[:cap]]

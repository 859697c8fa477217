"""Token-level winners of one text as `WinnerTakeAll` chooses them: the same code from less work.

The module marks winners in arrays of all dimensions for each token, which training needs and an index does not: the
core's `count_votes` finds a token's few winners in one pass over what it was projected to, and keeps only their votes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]
Int64s = NDArray[np.int64]


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

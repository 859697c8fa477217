"""Rankings of several queries merged two by two: what one part of an index found, and what the next one adds.

How high the k-th best stands after one part is a floor for the next, which has less to collect and to sort then.
"""

from __future__ import annotations

import numpy as np

from retrieve.index.arrays import Float64s, Int64s
from retrieve.kernels import kernel


@kernel
def merge_ranked(
    k: int,
    keys: Int64s,
    scores: Float64s,
    bounds: Int64s,
    more_keys: Int64s,
    more_scores: Float64s,
    more_bounds: Int64s,
    floors: Float64s,
) -> tuple[Int64s, Float64s, Int64s]:
    """Two rankings of each query, by falling score → their k best, and all that equal the last of these.

    Query q's stand between bounds[q] and bounds[q + 1]. Of equal scores those of the first ranking come first.
    `floors` (B,) rise to just below the k-th best where there are k.
    """
    queries = len(bounds) - 1
    merged_keys = np.empty(len(keys) + len(more_keys), np.int64)
    merged_scores = np.empty(len(merged_keys), np.float64)
    merged_bounds = np.zeros(queries + 1, np.int64)
    n = 0
    for q in range(queries):
        i, end, j, more_end = bounds[q], bounds[q + 1], more_bounds[q], more_bounds[q + 1]
        last = n + k - 1
        while i < end or j < more_end:
            first = j == more_end or (i < end and scores[i] >= more_scores[j])
            score = scores[i] if first else more_scores[j]
            if n > last and score < merged_scores[last]:
                break
            merged_scores[n] = score
            if first:
                merged_keys[n] = keys[i]
                i += 1
            else:
                merged_keys[n] = more_keys[j]
                j += 1
            n += 1
        if n > last:
            floors[q] = max(floors[q], np.nextafter(merged_scores[last], -np.inf))
        merged_bounds[q + 1] = n
    return merged_keys[:n], merged_scores[:n], merged_bounds

"""The weight of a term in BM25, as Lucene computes it.

It stands apart from the postings because document frequencies are summed over all segments before a weight is taken.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrieve.index.arrays import Float64s


def bm25_idf(df: npt.ArrayLike, n: int) -> Float64s:
    """ln(1 + (n − df + ½) / (df + ½)): df (Q,) among `n` live rows with a term → idf (Q,) float64, positive.

    The idf of Lucene's BM25Similarity: that of Robertson and Spärck Jones, with a 1 that keeps it above zero.
    """
    frequencies = np.asarray(df, np.float64)
    return np.log1p((n - frequencies + 0.5) / (frequencies + 0.5))

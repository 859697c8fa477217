"""Interpolated precision at a recall level (`IPrec@0.1`), by trec_eval 10's rule: the one measure we
compute ourselves.

pytrec_eval carries trec_eval 9, which turned a recall level into a number of relevant documents by adding
.9 and cutting, where version 10 rounds to the nearest. With few relevant documents that moves a query by
tens of points.
"""

from __future__ import annotations

from collections.abc import Iterable


def interpolated_precision(relevant: Iterable[bool], total: int, recall: float) -> float:
    """The highest precision at or after the rank where `recall` (0 … 1) of `total` relevant documents are
    found.

    `relevant` tells of each document of a ranking, best first, whether it is. 0 if the ranking never gets
    so far.
    """
    needed = max(1, int(recall * total + 0.5))
    best, found = 0.0, 0
    for rank, hit in enumerate(relevant, start=1):
        found += hit
        if hit and found >= needed:
            best = max(best, found / rank)
    return best

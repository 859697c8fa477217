"""Interpolated precision at a recall level (`IPrec@0.1`), by trec_eval 10's rule: the one measure we
compute ourselves; the precision–recall curve is its means.

pytrec_eval carries trec_eval 9, which turned a recall level into a number of relevant documents by adding
.9 and cutting, where version 10 rounds to the nearest. With few relevant documents that moves a query by
tens of points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RECALLS = tuple(tenth / 10 for tenth in range(11))
"""Where the curve is drawn: 0, .1, … 1."""


def interpolated_precision(relevant: Iterable[bool], total: int, recall: float) -> float:
    """The highest precision at or after the rank where `recall` (0 … 1) of `total` relevant documents are
    found.

    `relevant` tells of each document of a ranking, best first, whether it is. 0 if the ranking never gets
    so far.
    """
    ranks = [rank for rank, hit in enumerate(relevant, start=1) if hit]
    return at_recalls(ranks, total, (recall,))[0]


def at_recalls(ranks: Sequence[int], total: int, recalls: Sequence[float]) -> list[float]:
    """Interpolated precisions of a ranking whose relevant documents are at `ranks`, rising."""
    best: list[float] = []  # the highest precision from each relevant document on, the last one first
    for found in range(len(ranks), 0, -1):
        best.append(max(found / ranks[found - 1], best[-1] if best else 0.0))
    best.reverse()
    needed = [max(1, int(recall * total + 0.5)) for recall in recalls]
    return [best[number - 1] if number <= len(best) else 0.0 for number in needed]

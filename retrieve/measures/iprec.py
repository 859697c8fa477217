"""Interpolated precision at a recall level (`IPrec@0.1`), by trec_eval 10's rule: the one measure we
compute ourselves; and the precision–recall curve, which is made of it.

pytrec_eval carries trec_eval 9, which turned a recall level into a number of relevant documents by adding
.9 and cutting, where version 10 rounds to the nearest. With few relevant documents that moves a query by
tens of points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from retrieve.trec import trec_eval_order

RECALLS = tuple(tenth / 10 for tenth in range(11))
"""Where the curve is drawn: 0, .1, … 1."""


def interpolated_precision(relevant: Iterable[bool], total: int, recall: float) -> float:
    """The highest precision at or after the rank where `recall` (0 … 1) of `total` relevant documents are
    found.

    `relevant` tells of each document of a ranking, best first, whether it is. 0 if the ranking never gets
    so far.
    """
    ranks = [rank for rank, hit in enumerate(relevant, start=1) if hit]
    return _at_recalls(ranks, total, (recall,))[0]


def recall_curve(
    run: Mapping[str, Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, int]],
    relevance_level: int = 1,
) -> list[tuple[float, float]]:
    """(recall, mean interpolated precision) at the eleven `RECALLS`, over all judged queries: the means of `IPrec`."""
    judged = {query_id: grades for query_id, grades in qrels.items() if grades}
    sums = [0.0] * len(RECALLS)
    for query_id, grades in judged.items():
        relevant = {document_id for document_id, grade in grades.items() if grade >= relevance_level}
        order = trec_eval_order(run.get(query_id, {}))
        ranks = [rank for rank, document_id in enumerate(order, start=1) if document_id in relevant]
        precisions = _at_recalls(ranks, len(relevant), RECALLS)
        sums = [one + other for one, other in zip(sums, precisions, strict=True)]
    return [(recall, total / len(judged)) for recall, total in zip(RECALLS, sums, strict=True)]


def _at_recalls(ranks: Sequence[int], total: int, recalls: Sequence[float]) -> list[float]:
    """Interpolated precisions of a ranking whose relevant documents are at `ranks`, rising."""
    best: list[float] = []  # the highest precision from each relevant document on, the last one first
    for found in range(len(ranks), 0, -1):
        best.append(max(found / ranks[found - 1], best[-1] if best else 0.0))
    best.reverse()
    needed = [max(1, int(recall * total + 0.5)) for recall in recalls]
    return [best[number - 1] if number <= len(best) else 0.0 for number in needed]

"""Where a query's judged documents stand, by any of the orders of `Conventions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.measures.conventions.quicksort import quicksort_order
from retrieve.measures.conventions.values import Placed, Ranked


class Judged(NamedTuple):
    """A query's ranked documents with scores, in the file's order, and its judgments: by document, and all grades.

    A document may be there twice, where two queries were taken for one. `sorts`: how often the unstable sort goes over.
    """

    query_id: str
    documents: Sequence[str]
    scores: Sequence[float]
    grades: Mapping[str, int]
    all_grades: Sequence[int]
    sorts: int = 1


def ranked(query: Judged, order: str) -> Ranked:
    """The query with its judged documents at their ranks."""
    placed: list[Placed] = []
    rank = 0
    for group in _groups(query, order):
        first, last = rank + 1, rank + len(group)
        for place in group:
            rank += 1
            grade = query.grades.get(query.documents[place])
            if grade is not None:
                placed.append(Placed(rank, grade, first, last, wanted=query.scores[place] > 0))
    return Ranked(query.query_id, placed, len(query.documents), query.all_grades)


def has_ties(scores: Sequence[float]) -> bool:
    """Whether two scores are the same in single precision."""
    return len(set(_single(scores))) < len(scores)


def _groups(query: Judged, order: str) -> list[list[int]]:
    """Places of documents, best first; more than one together where a tie is not broken."""
    places = range(len(query.documents))
    if order in ("together", "together, single"):
        values = _single(query.scores) if order == "together, single" else query.scores
        falling = sorted(places, key=lambda place: -values[place])
        return [list(group) for _, group in groupby(falling, key=lambda place: values[place])]
    if order == "quicksort":
        return [[place] for place in _unstable(np.array(query.scores, dtype=np.float64), query.sorts)]
    values = _single(query.scores) if order == "trec_eval" else query.scores
    found = sorted(places, key=lambda place: query.documents[place], reverse=order != "ascending")
    found.sort(key=lambda place: -values[place])
    return [[place] for place in found]


def _single(scores: Sequence[float]) -> list[float]:
    with np.errstate(over="ignore"):
        singles: list[float] = np.array(scores, dtype=np.float64).astype(np.float32).tolist()
    return singles


def _unstable(scores: npt.NDArray[np.float64], sorts: int) -> list[int]:
    order = np.arange(len(scores))
    for _ in range(sorts):
        order = order[quicksort_order(-scores[order])]
    places: list[int] = order.tolist()
    return places

"""The measures of one query, from their definitions, under any conventions.

Under ours they are those of `evaluate` (a test holds them against it on random runs); only what some tool computes
otherwise is here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from retrieve.errors import MeasureError
from retrieve.measures.conventions.order import arranged
from retrieve.measures.conventions.records import Conventions

HIGHEST_OF_GDEVAL = 4
"""gdeval's greatest grade: a document of this grade satisfies with probability 15/16."""


class Asked(NamedTuple):
    """A measure: its `name` without arguments, the `cutoff` (None: none), the least grade that is relevant."""

    name: str
    cutoff: int | None
    level: int


class Judged(NamedTuple):
    """A query's ranked documents with scores, in the file's order, and its judgments: by document, and all grades.

    A document may be there twice, where two queries were taken for one. `sorts`: for the unstable order.
    """

    query_id: str
    documents: list[str]
    scores: list[float]
    grades: Mapping[str, int]
    all_grades: Sequence[int]
    sorts: int = 1


class _Case(NamedTuple):
    """What a measure is computed of. `grades` by rank, None where there is none; `groups`: sizes of the ties;
    `relevant`: by rank; `total`: relevant documents; `known`: the grades that the ideal is made of.
    """

    query: Judged
    asked: Asked
    conventions: Conventions
    cutoff: int | None
    grades: list[int | None]
    groups: list[int]
    relevant: list[bool]
    total: int
    known: list[int]


def value(query: Judged, asked: Asked, conventions: Conventions) -> float:
    """A measure of one query."""
    groups = arranged(query.documents, query.scores, conventions.order, sorts=query.sorts)
    places = [place for group in groups for place in group]
    grades = [query.grades.get(query.documents[place]) for place in places]
    known = list(query.all_grades)
    if conventions.known == "ranked":
        known = [grade or 0 for grade in grades]
    positive = conventions.scores == "any"
    case = _Case(
        query,
        asked,
        conventions,
        asked.cutoff if asked.cutoff is not None else conventions.depth,
        grades,
        [len(group) for group in groups],
        [
            _is_relevant(grade, asked, conventions) and (positive or query.scores[place] > 0)
            for grade, place in zip(grades, places, strict=True)
        ],
        sum(_is_relevant(grade, asked, conventions) for grade in known),
        known,
    )
    return _MEASURES[asked.name](case)


def _is_relevant(grade: int | None, asked: Asked, conventions: Conventions) -> bool:
    if grade is None:
        return False
    return conventions.relevant == "judged" or grade >= asked.level


def _gain(grade: int | None, conventions: Conventions) -> float:
    if grade is None:
        return 0.0
    if conventions.gain == "binary":
        return float(conventions.relevant == "judged" or grade > 0)
    if conventions.gain == "signed":
        return float(grade)
    if conventions.gain == "exponential":
        return 2.0**grade - 1 if grade > 0 else 0.0
    return float(max(grade, 0))


def _ndcg(case: _Case) -> float:
    _check_for_sklearn(case)
    if case.conventions.gain == "signed" and not sum(case.known):
        return 0.0
    gains = [_gain(grade, case.conventions) for grade in case.grades]
    if case.conventions.order.startswith("together"):
        gains = _averaged(gains, case.groups)
    ideal = _dcg(
        sorted((_gain(grade, case.conventions) for grade in case.known), reverse=True)[: case.cutoff]
    )
    return _dcg(gains[: case.cutoff]) / ideal if ideal else 0.0


def _check_for_sklearn(case: _Case) -> None:
    """scikit-learn refuses what cannot be ranked, and negative grades."""
    if case.conventions.order != "together":
        return
    name = case.query.query_id
    if len(case.grades) == 1:
        raise MeasureError(f"query {name!r} has one hit: scikit-learn's nDCG wants two at least")
    if min((grade or 0 for grade in case.grades), default=0) < 0:
        raise MeasureError(f"query {name!r} has a hit of negative grade: scikit-learn's nDCG takes none")


def _dcg(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _averaged(gains: Sequence[float], groups: Sequence[int]) -> list[float]:
    """Each gain replaced by the mean of its tie."""
    made: list[float] = []
    for size in groups:
        start = len(made)
        made.extend([sum(gains[start : start + size]) / size] * size)
    return made


def _average_precision(case: _Case) -> float:
    if case.conventions.order == "together":
        return _average_precision_of_groups(case)
    found = 0
    total = 0.0
    for rank, hit in enumerate(case.relevant[: case.cutoff], start=1):
        if hit:
            found += 1
            total += found / rank
    divisor = case.total
    if case.conventions.divisor == "capped" and case.cutoff is not None:
        divisor = min(divisor, case.cutoff)
    elif case.conventions.divisor == "found":
        divisor = found
    return total / divisor if divisor else 0.0


def _average_precision_of_groups(case: _Case) -> float:
    """The precision at the end of each tie, weighted by the relevant documents in it."""
    end = found = 0
    total = 0.0
    for size in case.groups:
        hits = sum(case.relevant[end : end + size])
        end += size
        found += hits
        total += hits * found / end
    return total / case.total if case.total else 0.0


def _reciprocal_rank(case: _Case) -> float:
    return next((1 / rank for rank, hit in enumerate(case.relevant[: case.cutoff], start=1) if hit), 0.0)


def _precision(case: _Case) -> float:
    return sum(case.relevant[: case.cutoff]) / case.cutoff if case.cutoff else 0.0


def _recall(case: _Case) -> float:
    return sum(case.relevant[: case.cutoff]) / case.total if case.total else 0.0


def _success(case: _Case) -> float:
    return float(any(case.relevant[: case.cutoff]))


def _r_precision(case: _Case) -> float:
    return sum(case.relevant[: case.cutoff][: case.total]) / case.total if case.total else 0.0


def _bpref(case: _Case) -> float:
    counts_negative = case.conventions.negative == "non-relevant"
    other = sum(grade < case.asked.level and (grade >= 0 or counts_negative) for grade in case.known)
    if counts_negative and not (case.total and other):
        raise MeasureError(
            f"query {case.query.query_id!r} has {case.total} relevant and {other} other judgments: the tool's Bpref is "
            "not defined for it"
        )
    before = 0
    total = 0.0
    for grade, hit in zip(case.grades, case.relevant, strict=True):
        if hit:
            total += 1 - min(before, case.total) / min(case.total, other) if before else 1.0
        elif grade is not None and (grade >= 0 or counts_negative):
            before += 1
    return total / case.total if case.total else 0.0


def _expected_reciprocal_rank(case: _Case) -> float:
    total, going_on = 0.0, 1.0
    for rank, grade in enumerate(case.grades[: case.cutoff], start=1):
        satisfied = _gain(grade, case.conventions) / 2**HIGHEST_OF_GDEVAL
        total += satisfied * going_on / rank
        going_on *= 1 - satisfied
    return total


_MEASURES: Mapping[str, Callable[[_Case], float]] = {
    "nDCG": _ndcg,
    "AP": _average_precision,
    "RR": _reciprocal_rank,
    "P": _precision,
    "R": _recall,
    "Success": _success,
    "Rprec": _r_precision,
    "Bpref": _bpref,
    "ERR": _expected_reciprocal_rank,
}

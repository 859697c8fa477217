"""The measures of one query from the ranks of its judged documents, under any conventions.

A document without a judgment only takes up a rank, so a ranking of a thousand is the few places where judged documents
stand. Under our conventions the values are those of `evaluate`: tests hold them against it, and against pytrec_eval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from retrieve.errors import MeasureError
from retrieve.measures.conventions.records import Conventions
from retrieve.measures.iprec import at_recalls

HIGHEST_OF_GDEVAL = 4
"""gdeval's greatest grade: a document of this grade satisfies with probability 15/16."""


class Asked(NamedTuple):
    """A measure: its `name` without arguments, the `cutoff` (None: none), the least grade that is relevant; `recall`
    of `IPrec`.
    """

    name: str
    cutoff: int | None
    level: int
    recall: float = 0.0


class Placed(NamedTuple):
    """A judged document that is ranked: its rank from 1, its grade, and the ranks that its tie takes up where ties are
    not broken (else its own). `wanted`: whether it may count as relevant by its score.
    """

    rank: int
    grade: int
    first: int
    last: int
    wanted: bool = True


class Ranked(NamedTuple):
    """A query: its judged documents by rank, how many documents are ranked, and all grades of the judgments."""

    query_id: str
    placed: Sequence[Placed]
    size: int
    grades: Sequence[int]


class _Case(NamedTuple):
    """What a measure is computed of. `hits`: ranks of relevant documents; `total`: all of them; `known`: grades that
    the ideal is made of.
    """

    query: Ranked
    asked: Asked
    conventions: Conventions
    cutoff: int
    hits: list[int]
    total: int
    known: Sequence[int]

    def found(self) -> int:
        """Relevant documents up to the cut-off."""
        return sum(rank <= self.cutoff for rank in self.hits)


def value(query: Ranked, asked: Asked, conventions: Conventions) -> float:
    """A measure of one query."""
    known = query.grades
    if conventions.known == "ranked":
        graded = [one.grade for one in query.placed]
        known = [*graded, *([0] * (query.size - len(graded)))]
    cutoff = asked.cutoff if asked.cutoff is not None else conventions.depth
    case = _Case(
        query,
        asked,
        conventions,
        max(query.size, len(known)) if cutoff is None else cutoff,
        [
            one.rank
            for one in query.placed
            if (one.wanted or conventions.scores == "any") and _is_relevant(one.grade, asked, conventions)
        ],
        sum(_is_relevant(grade, asked, conventions) for grade in known),
        known,
    )
    return _MEASURES[asked.name](case)


def _is_relevant(grade: int, asked: Asked, conventions: Conventions) -> bool:
    return conventions.relevant == "judged" or grade >= asked.level


def _gain(grade: int, conventions: Conventions) -> float:
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
    ideal_gains = sorted((_gain(grade, case.conventions) for grade in case.known), reverse=True)
    ideal = math.fsum(
        gain / math.log2(rank + 1) for rank, gain in enumerate(ideal_gains[: case.cutoff], start=1)
    )
    if not ideal:
        return 0.0
    found = (
        _gain(one.grade, case.conventions) * _discount(one.first, one.last, case.cutoff)
        for one in case.query.placed
    )
    return math.fsum(found) / ideal


def _discount(first: int, last: int, cutoff: int) -> float:
    """The mean discount of some ranks, 0 beyond the cut-off."""
    if first == last:
        return 1 / math.log2(first + 1) if first <= cutoff else 0.0
    within = range(first, min(last, cutoff) + 1)
    return math.fsum(1 / math.log2(rank + 1) for rank in within) / (last - first + 1)


def _check_for_sklearn(case: _Case) -> None:
    """scikit-learn refuses what cannot be ranked, and negative grades."""
    if case.conventions.order != "together":
        return
    name = case.query.query_id
    if case.query.size == 1:
        raise MeasureError(f"query {name!r} has one hit: scikit-learn's nDCG wants two at least")
    if min((one.grade for one in case.query.placed), default=0) < 0:
        raise MeasureError(f"query {name!r} has a hit of negative grade: scikit-learn's nDCG takes none")


def _average_precision(case: _Case) -> float:
    if case.conventions.order == "together":
        return _average_precision_of_ties(case)
    total = sum(
        found / rank
        for found, rank in enumerate((rank for rank in case.hits if rank <= case.cutoff), start=1)
    )
    divisor = case.total
    if case.conventions.divisor == "capped" and case.asked.cutoff is not None:
        divisor = min(divisor, case.cutoff)
    elif case.conventions.divisor == "found":
        divisor = case.found()
    return total / divisor if divisor else 0.0


def _average_precision_of_ties(case: _Case) -> float:
    """Each relevant document brings the precision at the end of its tie."""
    ends = [one.last for one in case.query.placed if _is_relevant(one.grade, case.asked, case.conventions)]
    total = sum(sum(other <= end for other in ends) / end for end in ends)
    return total / case.total if case.total else 0.0


def _reciprocal_rank(case: _Case) -> float:
    return 1 / case.hits[0] if case.hits and case.hits[0] <= case.cutoff else 0.0


def _precision(case: _Case) -> float:
    return case.found() / case.cutoff


def _recall(case: _Case) -> float:
    return case.found() / case.total if case.total else 0.0


def _success(case: _Case) -> float:
    return float(case.found() > 0)


def _r_precision(case: _Case) -> float:
    return sum(rank <= min(case.total, case.cutoff) for rank in case.hits) / case.total if case.total else 0.0


def _bpref(case: _Case) -> float:
    lowest = -math.inf if case.conventions.negative == "non-relevant" else 0
    other = sum(lowest <= grade < case.asked.level for grade in case.known)
    if case.conventions.negative == "non-relevant" and not (case.total and other):
        raise MeasureError(
            f"query {case.query.query_id!r} has {case.total} relevant and {other} other judgments: the tool's Bpref is "
            "not defined for it"
        )
    before = 0
    total = 0.0
    for one in case.query.placed:
        if one.grade >= case.asked.level:
            total += 1 - min(before, case.total) / min(case.total, other) if before else 1.0
        elif one.grade >= lowest:
            before += 1
    return total / case.total if case.total else 0.0


def _expected_reciprocal_rank(case: _Case) -> float:
    total, going_on = 0.0, 1.0
    for one in case.query.placed:
        if one.rank > case.cutoff:
            break
        satisfied = _gain(one.grade, case.conventions) / 2**HIGHEST_OF_GDEVAL
        total += satisfied * going_on / one.rank
        going_on *= 1 - satisfied
    return total


def _judged(case: _Case) -> float:
    return sum(one.rank <= case.cutoff for one in case.query.placed) / min(case.cutoff, case.query.size)


def _interpolated_precision(case: _Case) -> float:
    return at_recalls(case.hits, case.total, (case.asked.recall,))[0]


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
    "Judged": _judged,
    "IPrec": _interpolated_precision,
}

"""Run and judgments as lists of judged queries, with query ids as they are or cut as gdeval cuts them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from retrieve.errors import MeasureError
from retrieve.measures.conventions.order import Judged
from retrieve.measures.conventions.values import HIGHEST_OF_GDEVAL


class Topics(NamedTuple):
    """The judged queries, with or without hits, and how many queries the run has."""

    judged: list[Judged]
    in_run: int


def whole(run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, int]]) -> Topics:
    """Queries by their ids."""
    ids = {query_id for query_id, hits in run.items() if hits}
    wanted = {query_id for query_id, grades in qrels.items() if grades}
    sorts = 1 if ids == wanted else 2  # ranx sorts again where it has to make the two comparable
    judged = [
        Judged(
            query_id,
            list(run.get(query_id, ())),
            list(run.get(query_id, {}).values()),
            qrels[query_id],
            list(qrels[query_id].values()),
            sorts,
        )
        for query_id in qrels
        if query_id in wanted
    ]
    return Topics(judged, len(ids))


def last_parts(run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, int]]) -> Topics:
    """Queries by what follows the last hyphen of their ids: those of one number are one, with each other's documents.

    Of a document that is judged twice the lowest grade counts where it is found, and every one for the ideal.
    `MeasureError`: what gdeval does not read either (an id that does not end in a number, a grade above 4), or two
    writings of one number (01, 1), which it half merges.
    """
    numbers = _numbers([*qrels, *run])
    grades: dict[str, list[tuple[str, int]]] = {}
    for query_id, of_query in qrels.items():
        for document_id, grade in of_query.items():
            if grade > HIGHEST_OF_GDEVAL:
                raise MeasureError(
                    f"query {query_id!r} has a grade {grade}: gdeval takes {HIGHEST_OF_GDEVAL} at most"
                )
            if grade > 0:
                grades.setdefault(numbers[query_id], []).append((document_id, grade))
    hits: dict[str, list[tuple[str, float]]] = {}
    for query_id, scores in run.items():
        hits.setdefault(numbers[query_id], []).extend(scores.items())
    judged = []
    for number in dict.fromkeys(numbers[query_id] for query_id in qrels):
        falling = sorted(grades.get(number, []), key=lambda pair: -pair[1])
        found = hits.get(number, [])
        judged.append(
            Judged(
                number,
                [document_id for document_id, _ in found],
                [score for _, score in found],
                dict(falling),
                [grade for _, grade in falling],
            )
        )
    return Topics(judged, len(hits))


def _numbers(query_ids: Iterable[str]) -> dict[str, str]:
    numbers: dict[str, str] = {}
    written: dict[int, str] = {}
    for query_id in query_ids:
        number = query_id.rpartition("-")[2]
        if not (number.isascii() and number.isdigit()):
            raise MeasureError(f"query id {query_id!r} does not end in a number: gdeval does not read it")
        if written.setdefault(int(number), number) != number:
            raise MeasureError(
                f"query ids end in {written[int(number)]} and in {number}: gdeval takes them for one in part"
            )
        numbers[query_id] = number
    return numbers

"""Whether a run and judgments that a program hands over are what they should be, before other code takes them as such.

Runs and judgments of files are checked line by line as they are read; of dictionaries nobody has looked at ids, scores
and grades, and pytrec_eval says of a wrong one only that it is wrong, or takes NaN for the best score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from retrieve.errors import UsageError


def check_run(run: Any) -> None:
    """Raise `UsageError` for anything but query id → document id → score that is a number."""
    for query_id, scores in _queries(run, "the run", "document id → score, as `read_run` gives it"):
        _check_ids(scores, f"query {query_id!r} of the run")
        try:
            nan = np.isnan(np.fromiter(scores.values(), np.float64, len(scores)))
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"query {query_id!r} of the run has a score that is no number: {error}"
            ) from None
        if nan.any():
            document_id = list(scores)[int(np.argmax(nan))]
            raise UsageError(
                f"query {query_id!r} of the run has the score NaN for document {document_id!r}: wanted a number, which "
                "has a place in an order"
            )


def check_qrels(qrels: Any) -> None:
    """Raise `UsageError` for anything but query id → document id → whole grade."""
    for query_id, grades in _queries(
        qrels, "the judgments", "document id → grade, as `read_qrels` gives them"
    ):
        _check_ids(grades, f"query {query_id!r} of the judgments")
        for document_id, grade in grades.items():
            if not isinstance(grade, Integral):
                raise UsageError(
                    f"query {query_id!r} has the grade {grade!r} for document {document_id!r}: wanted a whole number"
                )


def _queries(given: Any, what: str, wanted: str) -> Iterable[tuple[str, Mapping[Any, Any]]]:
    if not isinstance(given, Mapping):
        raise UsageError(f"{what}: a {type(given).__name__}, wanted a mapping of query id → {wanted}")
    _check_ids(given, what)
    for query_id, inner in given.items():
        if not isinstance(inner, Mapping):
            raise UsageError(f"{what}, query {query_id!r}: a {type(inner).__name__}, wanted {wanted}")
        yield query_id, inner


def _check_ids(ids: Mapping[Any, Any], where: str) -> None:
    if strange := [kind for kind in set(map(type, ids)) if not issubclass(kind, str)]:
        name = next(one for one in ids if type(one) is strange[0])
        raise UsageError(
            f"{where} has the id {name!r}, a {strange[0].__name__}: ids are strings, as str({name!r})"
        )

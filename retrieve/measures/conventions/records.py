"""What a figure depends on beside run, judgments and the measure's name; the defaults are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Conventions(NamedTuple):
    """Each field's values are the keys of `SAID` under its name.

    `depth`: where a ranking ends if the measure names no cut-off.
    """

    topics: str = "whole"
    queries: str = "judged"
    order: str = "trec_eval"
    depth: int | None = None
    known: str = "judged"
    relevant: str = "grade"
    scores: str = "any"
    gain: str = "grade"
    divisor: str = "relevant"
    negative: str = "unjudged"


OURS = Conventions()

SAID: Mapping[str, Mapping[str, str]] = {
    "topics": {
        "whole": "query ids as they are",
        "last part": "of a query id only what follows its last hyphen",
    },
    "queries": {
        "judged": "all judged queries count",
        "with hits": "queries without hits are left out",
        "with hits and relevant": "queries without hits, and those without a relevant document, are left out",
        "of the run": "the mean is over the queries of the run, judged or not",
    },
    "order": {
        "trec_eval": "scores in single precision, ties by document id, descending",
        "descending": "scores in double precision, ties by document id, descending",
        "ascending": "scores in double precision, ties by document id, ascending",
        "quicksort": "ties as an unstable sort leaves them",
        "together": "the average over all orders of a tie",
        "together, single": "the average over all orders of a tie, scores in single precision",
    },
    "known": {
        "judged": "all judgments are known",
        "ranked": "judgments of documents that are not ranked are unknown",
    },
    "relevant": {
        "grade": "relevant from the relevance level on",
        "judged": "every judged document is relevant, whatever its grade",
    },
    "scores": {
        "any": "a score may be negative",
        "positive": "a document with a score of 0 or less is not relevant",
    },
    "gain": {
        "grade": "gains are grades, negative ones 0",
        "signed": "negative gains are subtracted; grades that add up to 0 are none",
        "exponential": "gains are 2^grade − 1",
        "binary": "gains are 1 or 0",
    },
    "divisor": {
        "relevant": "divided by all relevant documents",
        "capped": "divided by at most the cut-off",
        "found": "divided by the relevant documents that were found",
    },
    "negative": {
        "unjudged": "documents with a negative grade are not judged",
        "non-relevant": "documents with a negative grade are judged non-relevant",
    },
}


def said(field: str, value: object) -> str:
    """A convention in words."""
    if field == "depth":
        return f"a ranking ends at {value}"
    return SAID[field][str(value)]

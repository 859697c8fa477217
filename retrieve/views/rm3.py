"""RM3: a query gets the terms that its best passages say most, and is asked again (pseudo-relevance feedback).

A relevance model (Lavrenko and Croft 2001) is the mean of the language models of what was found, each weighed by its
score; RM3 mixes it with the query's own terms (Abdul-Jaleel et al. 2004). As in Anserini, by whose settings RM3 is
usually reported, a passage is taken for its most frequent terms, a term of more than a tenth of all passages is none,
and the mixture weighs BM25's contributions. Anserini also leaves out what is no word of 2 to 20 ASCII letters and
digits, which would take most words of most languages away; here the analyzer decides what a term is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from retrieve.views.protocol import Feedback

MOST_OF_PASSAGES = 0.1
"""A term of a larger share of the passages says nothing of any of them."""


class FoundText(NamedTuple):
    """How often a passage that was found has each of its terms, and its score."""

    terms: Mapping[str, int]
    score: float


def relevance_model(found: Sequence[FoundText], most: int) -> dict[str, float]:
    """P(term | relevant) of the `most` likeliest terms, which add up to 1; ties by term. {} where there is no term.

    Σ over what was found of score · tf / Σ tf.
    """
    weights: dict[str, float] = {}
    for text in found:
        length = sum(text.terms.values())
        for term, count in text.terms.items():
            weights[term] = weights.get(term, 0.0) + text.score * count / length
    best = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:most]
    total = sum(weight for _, weight in best)
    return {term: weight / total for term, weight in best}


def expand_query(
    query: Mapping[str, float], found: Sequence[FoundText], feedback: Feedback
) -> dict[str, float]:
    """A query's terms and those of the relevance model, with weights: original · q/Σq + (1 − original) · P.

    The query's terms come first. A term of weight 0 is left out, the query's own if there is nothing else too.
    """
    total = sum(query.values())
    model = relevance_model(found, feedback.terms)
    original = feedback.original if model else 1.0
    mixed = {term: original * weight / total for term, weight in query.items()}
    for term, weight in model.items():
        mixed[term] = mixed.get(term, 0.0) + (1.0 - original) * weight
    return {term: weight for term, weight in mixed.items() if weight > 0}

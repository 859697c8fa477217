"""Why a document got its score: each view's terms, cosines or counts, by passage, and what fusion made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieve.retrievers.pool import passages_of
from retrieve.retrievers.search import Ranking, Searcher
from retrieve.store.snapshot import Place


def explain(searcher: Searcher, text: str, ranking: Ranking, place: Place) -> dict[str, Any]:
    """A JSON object. `rank` is None where the document is beyond the k best of this search.

    A view's `score` is None where its pool has not the document; an exact view alone, by best or first passages, makes
    a pool of the k best only. `passages` are scored all the same.
    """
    snapshot = searcher.snapshot
    document = int(snapshot.bases[place.segment]) + place.row
    at = np.flatnonzero(ranking.final.keys == document)
    number, rows = passages_of(snapshot, document)
    views: dict[str, Any] = {}
    for name, scores in ranking.scores.items():
        values = scores.at(number, rows)
        in_pool = ranking.pools[name].mapping().get(document)
        views[name] = {"score": in_pool, "passages": values.tolist()}
        if len(rows):
            best = int(rows[int(np.argmax(values))])
            if name == "bm25":
                views[name] |= _bm25_terms(searcher, text, place.segment, best)
            elif name == "splade":
                views[name] |= _splade_terms(searcher, text, place.segment, best)
    return {
        "rank": int(at[0]) + 1 if len(at) else None,
        "score": float(ranking.final.scores[at[0]]) if len(at) else None,
        "views": views,
    }


def _bm25_terms(searcher: Searcher, text: str, segment: int, row: int) -> dict[str, Any]:
    """Each query term's part in the best passage's score: what that passage would score with the term alone."""
    view = searcher.bm25()
    weighted = view.weigh([text])[0]
    postings = searcher.snapshot.segments[segment].postings
    terms = []
    for at, term in enumerate(weighted.terms):
        alone = postings.bm25_scores(
            weighted.rows[segment][at : at + 1],
            weighted.weights[at : at + 1],
            k1=view.k1,
            b=view.b,
            average_length=view.average_length or 1.0,
        )
        terms.append(
            {
                "term": term,
                "document_frequency": int(weighted.frequencies[at]),
                "weight": float(weighted.weights[at]),
                "contribution": float(alone[row]),
            }
        )
    return {
        "terms": terms,
        "length": int(postings.lengths[row]),
        "average_length": view.average_length,
        "passages_with_terms": view.passages,
        "k1": view.k1,
        "b": view.b,
    }


def _splade_terms(searcher: Searcher, text: str, segment: int, row: int) -> dict[str, Any]:
    """The query terms that the best passage has, with what each adds to its score; largest first."""
    query = searcher.splade_terms(text)
    impacts = searcher.snapshot.segments[segment].impacts
    terms = []
    for at, term in enumerate(query.terms):
        alone = impacts.impact_scores(query.rows[segment][at : at + 1], query.weights[at : at + 1])
        if alone[row] > 0:
            terms.append({"term": term, "contribution": float(alone[row])})
    return {"terms": sorted(terms, key=lambda item: (-item["contribution"], item["term"]))}

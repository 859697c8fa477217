"""BM25's statistics are an argument of scoring: those of two indexes add up to those of one with all documents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from toy_index import corpus, make_index, toy_recipe

from retrieve import Index
from retrieve.views.bm25 import BM25Scores
from retrieve.views.query_terms import QueryTerms

RECIPE = toy_recipe(views=("bm25",)) | {"segments": {"passages": 40}}


def _terms(index: Index, queries: list[str]) -> QueryTerms:
    parts = index._snapshot.live_segments("bm25")
    return QueryTerms.of(queries, index._passage_encoder.analyzer, parts)


def test_scores_of_two_indexes_by_the_statistics_of_both(tmp_path: Path) -> None:
    documents, _ = corpus(60, seed=4)
    parts = {"a": documents[:35], "b": documents[35:], "both": documents}
    indexes = {name: make_index(tmp_path / name, part, None, RECIPE) for name, part in parts.items()}
    gone = {document.id for document in documents[::5]}
    for index in indexes.values():
        index.delete([doc_id for doc_id in gone if doc_id in index])
    queries = [document.text[:30] for document in documents[1:9]] + ["nothing known here"]
    terms = {name: _terms(index, queries) for name, index in indexes.items()}
    whole = terms["both"].statistics()
    together = terms["a"].statistics().plus(terms["b"].statistics())
    assert (together.passages, together.terms) == (whole.passages, whole.terms)
    assert together.frequencies.tolist() == whole.frequencies.tolist()
    for query, text in enumerate(queries):
        expected = {hit.doc_id: hit.score for hit in indexes["both"].search(text, k=1_000)}
        found: dict[str, float] = {}
        for name in ("a", "b"):
            weighed = terms[name].weighted(together)
            scores = BM25Scores(terms[name].segments, weighed, together, k1=0.9, b=0.4, query_terms=100)
            for number, segment in enumerate(indexes[name]._snapshot.segments):
                for row, owner in enumerate(segment.document_of.tolist()):
                    doc_id = segment.ids[owner]
                    if doc_id in indexes[name]:
                        score = float(scores.at(query, number, np.array([row]))[0])
                        found[doc_id] = max(score, found.get(doc_id, 0.0))
        assert {doc_id: score for doc_id, score in found.items() if score > 0} == expected

"""An explanation adds up: terms to the passage's score, passages to the document's, and it names the rank."""

from __future__ import annotations

import json

import pytest
from toy_index import corpus, make_index, toy_recipe

from retrieve import Index
from retrieve.errors import UsageError

QUERY = "wing wing heat the unheard"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    documents, _ = corpus(60, seed=1)
    return make_index(
        tmp_path_factory.mktemp("explain") / "i", documents, None, toy_recipe(views=("bm25",)), commits=3
    )


def test_terms_add_up_to_the_score(index: Index) -> None:
    for hit in index.search(QUERY, k=20):
        answer = index.explain(QUERY, hit.doc_id)
        view = answer["views"]["bm25"]
        assert answer["rank"] == hit.rank
        assert answer["score"] == hit.score == view["score"] == max(view["passages"])
        assert sum(term["contribution"] for term in view["terms"]) == pytest.approx(hit.score)
        assert [term["term"] for term in view["terms"]] == ["wing", "heat", "unheard"]
        assert view["terms"][2]["document_frequency"] == 0
        assert (view["k1"], view["b"], view["passages_with_terms"]) == (0.9, 0.4, index.info()["passages"])
        json.dumps(answer)


def test_an_aggregate_is_made_of_the_passages_shown(index: Index) -> None:
    for hit in index.search(QUERY, k=5, aggregate="sum"):
        answer = index.explain(QUERY, hit.doc_id, aggregate="sum")
        assert answer["score"] == hit.score == pytest.approx(sum(answer["views"]["bm25"]["passages"]))


def test_a_document_that_was_not_found(index: Index) -> None:
    found = {hit.doc_id for hit in index.search("gene", k=1000)}
    stranger = next(doc_id for doc_id in index.ids() if doc_id not in found)
    answer = index.explain("gene", stranger)
    assert (answer["rank"], answer["score"]) == (None, None)
    assert set(answer["views"]["bm25"]["passages"]) == {0.0}
    assert index.explain("gene", index.search("gene", k=2)[1].doc_id, k=1)["rank"] is None


def test_what_cannot_be_explained_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match="no document 'nobody'"):
        index.explain("gene", "nobody")
    with pytest.raises(UsageError, match="query text"):
        index.explain(" ", "0")
    with pytest.raises(UsageError, match="unit='passage'"):
        index.explain("gene", "0", unit="passage")

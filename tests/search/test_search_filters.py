"""A search with a filter is the same search over the documents that a linear scan selects."""

from __future__ import annotations

from typing import Any

import pytest
from toy_index import corpus, make_index, toy_recipe, unit_vectors

from retrieve import Index
from retrieve.store.filters import matches, parse_filter

FILTERS: list[dict[str, Any]] = [
    {"kind": "a"},
    {"kind": {"ne": "a"}},
    {"number": {"gte": 30, "lt": 90}},
    {"or": [{"kind": "b"}, {"number": {"in": [0, 3, 6, 1000]}}]},
    {"not": {"number": {"lt": 100}}},
    {"missing": {"exists": False}},
    {"missing": 1},
    {"and": []},
    {"or": []},
]


@pytest.fixture(scope="module", params=[[], ["kind"], ["number", "kind"]], ids=str)
def index(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Index:
    documents, vectors = corpus(120, seed=1)
    recipe = toy_recipe() | {"filters": {"fields": request.param}}
    index = make_index(tmp_path_factory.mktemp("filters") / "i", documents, vectors, recipe, commits=3)
    with index.writer() as writer:
        writer.delete(where={"number": {"in": list(range(5, 120, 10))}})
    return index


@pytest.mark.parametrize("where", FILTERS, ids=str)
@pytest.mark.parametrize("using", ["bm25", "dense"])
@pytest.mark.parametrize(
    "options", [{}, {"unit": "passage"}, {"aggregate": "sum"}, {"aggregate": "first"}], ids=str
)
def test_a_filter_restricts_the_ranking(
    index: Index, where: dict[str, Any], using: str, options: dict[str, Any]
) -> None:
    query = {"vector": unit_vectors(1, seed=2)[0]} if using == "dense" else {}
    everything = index.search("wing heat court", k=1000, using=using, **query, **options)
    accepted = {hit.doc_id for hit in everything if matches(parse_filter(where), hit.metadata)}
    expected = [(hit.doc_id, hit.score) for hit in everything if hit.doc_id in accepted]
    for k in (3, 1000):
        hits = index.search("wing heat court", k=k, using=using, where=where, **query, **options)
        assert [(hit.doc_id, hit.score) for hit in hits] == expected[:k]


def test_a_filter_selects_before_views_are_fused(index: Index) -> None:
    """Ranges of a fusion are those of the selected documents: the best of each view has 1, the worst 0."""
    vector = unit_vectors(1, seed=2)[0]
    where = {"kind": "b"}
    hits = index.search("wing heat", k=1000, where=where, vector=vector)
    for view in ("bm25", "dense"):
        alone = index.search(
            "wing heat", k=1000, where=where, vector=None if view == "bm25" else vector, using=view
        )
        assert {hit.doc_id: hit.score for hit in alone} == {
            hit.doc_id: hit.scores[view] for hit in hits if view in hit.scores
        }


def test_the_same_filter_again_and_as_text(index: Index) -> None:
    first = index.search("wing", using="bm25", where={"kind": "a", "number": {"lt": 60}})
    assert first
    assert index.search(
        "wing", using="bm25", where='{"number": {"lt": 60}, "kind": {"eq": "a"}}'
    ) == index.search("wing", using="bm25", where={"kind": "a", "number": {"lt": 60}})

"""The answer for a small k is the beginning of the answer for a larger one, whatever is searched and how."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from toy_index import corpus, make_index, toy_recipe, unit_vectors

from retrieve import Document, Index

OPTIONS: list[dict[str, Any]] = [
    {"using": using, "aggregate": aggregate, "fusion": fusion}
    for using, aggregate, fusion in product(
        ("bm25", "dense", "hybrid"), ("max", "first", "sum", "mean", "top3"), ("convex", "z", "rrf")
    )
    if using == "hybrid" or fusion == "convex"
] + [{"using": using, "unit": "passage"} for using in ("bm25", "dense", "hybrid")]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    documents, vectors = corpus(200, seed=1)
    return make_index(tmp_path_factory.mktemp("prefix") / "i", documents, vectors, toy_recipe(), commits=3)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.values()))
def test_ten_hits_begin_a_hundred(index: Index, options: dict[str, Any]) -> None:
    for number, vector in enumerate(unit_vectors(3, seed=2)):
        query = {"vector": vector} if options["using"] != "bm25" else {}
        text = ("wing flow", "court act law law", "gene")[number]
        long = index.search(text, k=100, **query, **options)
        assert len(long) == 100 or (options["using"], options.get("aggregate")) == ("bm25", "first")
        for k in (1, 10, 99):
            assert index.search(text, k=k, **query, **options) == long[:k]


@pytest.mark.parametrize("factory", ["HNSW16", "IVF16,PQ4x8"])
@pytest.mark.parametrize("unit", ["document", "passage"])
def test_also_where_faiss_proposes(tmp_path: Path, factory: str, unit: str) -> None:
    vectors = unit_vectors(2000, seed=3)
    documents = [Document(str(number), "wing") for number in range(2000)]
    recipe = toy_recipe(views=("dense",), factory=factory)
    with make_index(tmp_path / "i", documents, list(vectors), recipe, commits=2) as index:
        for vector in unit_vectors(5, seed=4):
            long = index.search(vector=vector, k=100, unit=unit)
            assert index.search(vector=vector, k=10, unit=unit) == long[:10]


def test_depth_is_documents_even_where_one_of_them_has_all_the_best_passages(tmp_path: Path) -> None:
    """A document of 300 passages, all nearer than any other's, must not fill the pool."""
    near = unit_vectors(1, seed=5)
    documents = [
        Document("many", "wing " * 6 * 300),
        *(Document(str(number), "flow") for number in range(20)),
    ]
    vectors = [near.repeat(300, axis=0), *(-near for _ in range(20))]
    with make_index(tmp_path / "i", documents, vectors, toy_recipe()) as index:
        hits = index.search(vector=near[0], k=21, depth=21)
    assert hits[0].doc_id == "many"
    assert len(hits) == 21

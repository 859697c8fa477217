"""Views fused on an index small enough to do it by hand, and what happens where a view has nothing to say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_index import DIMENSIONS, make_index, toy_recipe

from retrieve import Document, Index
from retrieve.types import Query

TEXTS = {"a": "flow flow", "b": "wing flow", "c": "wing wing", "d": "heat flow"}
COSINES = {"a": 1.0, "b": 0.8, "c": 0.6, "d": 0.0}
QUERY = np.eye(1, DIMENSIONS, dtype=np.float32)[0]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    vectors = np.zeros((4, DIMENSIONS), dtype=np.float32)
    vectors[:, 0] = list(COSINES.values())
    vectors[:, 1] = np.sqrt(1 - vectors[:, 0] ** 2)
    documents = [Document(name, text) for name, text in TEXTS.items()]
    with make_index(tmp_path / "i", documents, list(vectors), toy_recipe(), commits=2) as index:
        yield index


def search(index: Index, text: str = "wing", **options: Any) -> list[tuple[str, float]]:
    return [(hit.doc_id, hit.score) for hit in index.search(text, vector=QUERY, **options)]


def approximately(expected: dict[str, float]) -> list[tuple[str, Any]]:
    return [(name, pytest.approx(score, abs=1e-3)) for name, score in expected.items()]  # float16


def test_convex_is_the_default(index: Index) -> None:
    """bm25 ranks c (1) over b (0); the cosines 1, .8, .6, 0 are their own range; half of each."""
    assert search(index) == approximately({"c": 0.8, "a": 0.5, "b": 0.4, "d": 0.0})


def test_weights_are_scaled_to_one(index: Index) -> None:
    expected = approximately({"c": 0.9, "a": 0.25, "b": 0.2, "d": 0.0})
    assert search(index, weights={"bm25": 6, "dense": 2}) == expected
    assert search(index, weights={"bm25": 3}) == expected
    assert search(index, weights={"bm25": 0}) == approximately({"a": 1, "b": 0.8, "c": 0.6, "d": 0})


def test_reciprocal_ranks(index: Index) -> None:
    """bm25: c b; dense: a b c d."""
    assert search(index, fusion="rrf") == [
        ("c", pytest.approx(1 / 61 + 1 / 63)),
        ("b", pytest.approx(2 / 62)),
        ("a", pytest.approx(1 / 61)),
        ("d", pytest.approx(1 / 64)),
    ]
    weighted = search(index, fusion="rrf", weights={"bm25": 2, "dense": 0.5})
    assert weighted[0] == ("c", pytest.approx(2 / 61 + 0.5 / 63))


def standard(scores: dict[str, float]) -> dict[str, float]:
    mean = sum(scores.values()) / len(scores)
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores.values()) / len(scores))
    return {name: (score - mean) / (deviation or 1) for name, score in scores.items()}


def test_standard_scores(index: Index) -> None:
    """bm25 finds b and c, one deviation off their mean; what it does not find stands with b."""
    places = standard(COSINES)
    by_words = {"a": -1.0, "b": -1.0, "c": 1.0, "d": -1.0}

    def fused(share: float) -> list[tuple[str, Any]]:
        both = {name: share * by_words[name] + (1 - share) * places[name] for name in TEXTS}
        return approximately(dict(sorted(both.items(), key=lambda item: -item[1])))

    assert search(index, fusion="z") == fused(0.5)
    assert search(index, fusion="z", weights={"bm25": 3}) == fused(0.75)
    # A view all of whose scores are equal says nothing, and one without a hit contributes nothing: half is left.
    half = approximately({name: place / 2 for name, place in places.items()})
    assert search(index, "heat", fusion="z") == search(index, "unheard", fusion="z") == half


def test_equal_scores_are_all_the_best(index: Index) -> None:
    """Only d holds "heat": its view's lowest score is its highest, and counts 1."""
    assert search(index, "heat") == approximately({"a": 0.5, "d": 0.5, "b": 0.4, "c": 0.3})


def test_only_the_first_of_each_view_enter_the_pool(index: Index) -> None:
    """At depth 2 the dense view offers a and b; c has bm25 alone, d nothing."""
    assert search(index, k=2, depth=2) == approximately({"a": 0.5, "c": 0.5})


def test_a_hit_says_what_each_view_gave(index: Index) -> None:
    given = {hit.doc_id: hit.scores for hit in index.search("wing", vector=QUERY)}
    assert given["a"] == {"dense": pytest.approx(1.0)}
    assert set(given["b"]) == {"bm25", "dense"}
    alone = {hit.doc_id: hit.score for hit in index.search("wing", using="bm25")}
    assert alone == {name: scores["bm25"] for name, scores in given.items() if "bm25" in scores}


@pytest.mark.parametrize("text", ["the of", "…!", "unheard"])
def test_a_silent_view_contributes_nothing(index: Index, text: str) -> None:
    assert search(index, text) == approximately({"a": 0.5, "b": 0.4, "c": 0.3, "d": 0})
    assert search(index, text, fusion="rrf")[0] == ("a", pytest.approx(1 / 61))
    assert index.search(text, using="bm25") == []


def test_a_run_counts_the_queries_on_which_a_view_was_silent(index: Index) -> None:
    queries = [Query("said", "wing"), Query("stop words", "the of"), Query("unknown", "unheard")]
    result = index.run(queries, using="bm25")
    assert result.silent == {"bm25": ["stop words", "unknown"]}
    assert [(name, [doc_id for doc_id, _ in ranking]) for name, ranking in result.rankings] == [
        ("said", ["c", "b"]),
        ("stop words", []),
        ("unknown", []),
    ]


def test_one_view_of_a_hybrid_index_keeps_its_own_scores(index: Index) -> None:
    assert search(index, using="dense") == approximately(COSINES)
    assert search(index, using=["dense"]) == search(index, using="dense")
    assert search(index, using=["dense", "bm25"]) == search(index)

"""A view of weight 0 is a view not asked: the search is, to the bit, the one that does not name it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_encoder_folder
from toy_index import DIMENSIONS, WORDS, corpus, make_index, toy_recipe, unit_vectors

from retrieve import Index
from retrieve.errors import RecipeError, UsageError
from retrieve.measures.fuse import convex, fuse_runs, rrf, z
from retrieve.types import Hit, Query

VIEWS = ("bm25", "dense", "uhd")
VECTOR = unit_vectors(1, seed=9)[0]
UHD = {"model": "none", "hidden": DIMENSIONS, "dimensions": 64, "winners": 8, "segments": 8}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """BM25, dense and UHD over 40 documents in two segments, vectors of the test's own."""
    documents, vectors = corpus(40, seed=3)
    recipe = toy_recipe() | {"uhd": UHD}
    with make_index(tmp_path_factory.mktemp("three") / "i", documents, vectors, recipe, commits=2) as index:
        yield index


def numbers(hits: list[Hit]) -> list[tuple[Any, ...]]:
    return [(hit.doc_id, hit.score, hit.rank, dict(hit.scores), hit.passages) for hit in hits]


@pytest.mark.parametrize("unit", ["document", "passage"])
@pytest.mark.parametrize("fusion", ["convex", "z", "rrf"])
@pytest.mark.parametrize("text", ["wing heat", "court", "unheard of"])
def test_every_choice_of_views_is_the_search_that_names_the_others(
    three: Index, fusion: Any, unit: Any, text: str
) -> None:
    shares = {"bm25": 0.3, "dense": 2.0, "uhd": 0.7}
    for size in (1, 2):
        for kept in itertools.combinations(VIEWS, size):
            weights = {name: shares[name] if name in kept else 0 for name in VIEWS}
            own = {name: shares[name] for name in kept}
            vector = VECTOR if kept != ("bm25",) else None
            given = three.search(text, 30, vector=VECTOR, weights=weights, fusion=fusion, unit=unit)
            named = three.search(text, 30, vector=vector, using=kept, weights=own, fusion=fusion, unit=unit)
            assert numbers(given) == numbers(named)
            assert all(set(hit.scores) <= set(kept) for hit in given)


def test_what_is_not_asked_is_not_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents, _ = corpus(12, seed=4)
    model = tiny_encoder_folder(tmp_path / "model")
    recipe = toy_recipe() | {"dense": {"model": str(model), "backend": "torch"}}
    with make_index(tmp_path / "i", documents, None, recipe) as index:
        alone = index.search("wing", using="bm25")
        monkeypatch.setattr(type(index._passage_encoder.models), "queries", property(lambda _: 1 / 0))
        assert numbers(index.search("wing", weights={"dense": 0})) == numbers(alone)
        for result in (index.run([Query("q", "wing")], weights={"dense": 0}, parents=True),):
            assert set(result.views) == set(result.silent) == {"bm25"}
            assert result.rankings == index.run([Query("q", "wing")], using="bm25").rankings
        told = index.explain("wing", alone[0].doc_id, weights={"dense": 0})
        assert told == index.explain("wing", alone[0].doc_id, using="bm25")
        ranked = index.rank_passages(["wing"], 5, weights={"dense": 0})
        assert set(ranked.by_view) == {"bm25"}
        assert np.array_equal(ranked.keys, index.rank_passages(["wing"], 5, using="bm25").keys)


def test_the_recipe_can_switch_a_view_off(tmp_path: Path) -> None:
    documents, vectors = corpus(12, seed=4)
    recipe = toy_recipe() | {"search": {"weights": {"dense": 0}}}
    with make_index(tmp_path / "i", documents, vectors, recipe) as index:
        assert numbers(index.search("wing")) == numbers(index.search("wing", using="bm25"))
        assert index.search("wing", weights={}, vector=VECTOR)[0].scores.keys() == {"bm25", "dense"}
        with pytest.raises(
            UsageError, match=r"weights are \{'dense': 0\.0\}: wanted none below 0 and one above"
        ):
            index.search("wing", using="dense", vector=VECTOR)


def test_a_vector_that_is_not_used_is_looked_at_all_the_same(three: Index) -> None:
    off = {"dense": 0, "uhd": 0}
    assert numbers(three.search("wing", vector=VECTOR, weights=off)) == numbers(
        three.search("wing", using="bm25")
    )
    with pytest.raises(UsageError, match="not searched"):
        three.search("wing", vector=VECTOR, using="bm25", weights=off)
    with pytest.raises(UsageError, match=r"does not search \['bm25'\]"):
        three.search(vector=VECTOR, using=VIEWS, weights=off)


@pytest.mark.parametrize("weights", [dict.fromkeys(VIEWS, 0), {"bm25": -0.0, "dense": 0, "uhd": 0}])
def test_nothing_asked_is_refused(three: Index, weights: Mapping[str, float]) -> None:
    for call in (
        lambda: three.search("wing", vector=VECTOR, weights=weights),
        lambda: three.search("wing", using="bm25", weights={"bm25": 0}),
        lambda: three.rank_passages([{"bm25": "wing"}], weights={"bm25": 0}),
        lambda: three.search("wing", vector=VECTOR, weights=dict.fromkeys(VIEWS, 1e308)),
    ):
        with pytest.raises(UsageError, match="one above"):
            call()


def test_an_index_of_own_vectors_needs_none_for_what_it_is_not_asked(three: Index) -> None:
    with pytest.raises(RecipeError, match="vectors of your own"):
        three.search("wing")
    assert three.search("wing", weights={"dense": 0, "uhd": 0})


runs = st.dictionaries(
    st.sampled_from("123"),
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=1),
)


@given(st.lists(st.tuples(runs, st.sampled_from([0.0, 0.0, 0.25, 0.5, 2.0])), min_size=1, max_size=4))
def test_a_run_of_weight_zero_is_as_if_it_were_not_there(
    weighted: list[tuple[dict[str, dict[str, float]], float]],
) -> None:
    all_runs, weights = [run for run, _ in weighted], [weight for _, weight in weighted]
    asked = [(run, weight) for run, weight in weighted if weight]
    for method in ("convex", "z", "rrf"):
        if not asked:
            with pytest.raises(UsageError, match="not all zero"):
                fuse_runs(all_runs, method, weights)
            continue
        others = fuse_runs([run for run, _ in asked], method, [weight for _, weight in asked])
        assert fuse_runs(all_runs, method, weights) == others


@pytest.mark.parametrize("fuse", [convex, z, rrf])
def test_a_pool_of_weight_zero_is_not_even_looked_at(fuse: Any) -> None:
    assert fuse([{"a": 2.0, "b": 1.0}, {"c": float("nan")}], [1, 0]) == fuse([{"a": 2.0, "b": 1.0}], [1])


def test_words_of_the_toy_corpus_are_found(three: Index) -> None:
    """Or the comparisons above would compare nothing."""
    assert all(three.search(word, using="bm25") for word in WORDS[:4])

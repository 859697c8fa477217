"""Views that an encoder reads weigh less for queries whose words it has in pieces alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_encoder_folder

from retrieve import Index
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.load import DEFAULT_MODEL, find_model, load_tokens
from retrieve.errors import UsageError
from retrieve.measures.fuse import convex, rrf, z
from retrieve.search.query_weights import LEAST, known_share
from retrieve.types import Query

FUSE: dict[str, Any] = {"convex": convex, "z": z, "rrf": rrf}
ENGLISH, PIECES, UNKNOWN = "the court of heat", "qzxs vwzed", "ωφ ψχ"
"""Whole words of the tiny vocabulary; words that it has letter by letter; letters that it has not."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    place = tmp_path_factory.mktemp("adapt")
    model = str(tiny_encoder_folder(place / "model"))
    recipe = {
        "name": "toy",
        "bm25": {},
        "dense": {"model": model, "backend": "torch"},
        "search": {"fusion": "z", "adapt": True},
    }
    words = f"{ENGLISH} {PIECES} {UNKNOWN} wing flow law act".split()
    with Index.create(place / "i", recipe) as made:
        made.add([{"id": str(n), "text": " ".join(words[(n * 3 + i * 5) % len(words)] for i in range(6))}
                  for n in range(30)])  # fmt: skip
        yield made


def test_an_encoder_counts_in_full_for_whole_words_and_least_for_pieces() -> None:
    assert [known_share(pieces) for pieces in (0.0, 1.0, 2.0)] == [1.0, 1.0, 1.0]
    assert known_share(2.5) == pytest.approx((1 + LEAST) / 2)
    assert [known_share(pieces) for pieces in (3.0, 9.0)] == pytest.approx([LEAST, LEAST])


@given(st.floats(0, 20), st.floats(0, 20))
def test_more_pieces_never_count_more(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert LEAST - 1e-9 <= known_share(high) <= known_share(low) <= 1


@pytest.mark.parametrize(
    ("query", "share"), [(ENGLISH, 1.0), (PIECES, LEAST), (UNKNOWN, LEAST), (f"{ENGLISH} {UNKNOWN}", None)]
)
def test_weights_of_a_query(index: Index, query: str, share: float | None) -> None:
    weights = index.query_weights(query)
    assert sum(weights.values()) == pytest.approx(2)
    if share is None:
        assert (
            1
            == index.query_weights(ENGLISH)["dense"]
            >= weights["dense"]
            > index.query_weights(UNKNOWN)["dense"]
        )
    else:
        assert weights["dense"] / weights["bm25"] == pytest.approx(share)
    assert index.query_weights(query, adapt=False) == {"bm25": 1, "dense": 1}
    assert index.query_weights(query, using="dense") == {"dense": 1}
    asked = index.query_weights(query, weights={"bm25": 3})
    assert asked["dense"] / asked["bm25"] == pytest.approx(weights["dense"] / weights["bm25"] / 3)


@pytest.mark.parametrize("fusion", ["convex", "z", "rrf"])
@pytest.mark.parametrize("query", [ENGLISH, PIECES, UNKNOWN])
def test_a_search_is_the_fusion_with_these_weights(index: Index, fusion: Any, query: str) -> None:
    weights = index.query_weights(query)
    pools = [{hit.doc_id: hit.score for hit in index.search(query, 30, using=view)} for view in weights]
    wanted = FUSE[fusion](pools, list(weights.values()))
    found = {hit.doc_id: hit.score for hit in index.search(query, 30, fusion=fusion)}
    assert found == pytest.approx(wanted, abs=1e-5)
    assert found == {
        hit.doc_id: hit.score for hit in index.search_many([ENGLISH, query], 30, fusion=fusion)[1]
    }
    [(_, ranking)] = index.run([Query("q", query)], 30, fusion=fusion).rankings
    assert dict(ranking) == pytest.approx(found, abs=1e-5)
    views = index.explain(query, "3", fusion=fusion)["views"]
    assert {name: view["weight"] for name, view in views.items()} == weights


@pytest.mark.parametrize("query", [ENGLISH, PIECES])
def test_passages_are_fused_alike(index: Index, query: str) -> None:
    hits = index.search(query, 10, unit="passage")
    ranking = index.rank_passages([query], 10, fusion="z")
    assert [each.doc_id for each in index.passages_at(ranking.keys[0], layout=ranking.layout)] == [
        hit.doc_id for hit in hits
    ]
    assert ranking.scores[0].tolist() == pytest.approx([hit.score for hit in hits], abs=1e-5)
    shown = index.search(query, 3)
    assert [hit.passages[0].score for hit in shown] == pytest.approx([hit.score for hit in shown], abs=1e-5)


def test_sums_and_vectors_are_weighed_as_was_said(index: Index) -> None:
    plain = index.rank_passages([PIECES], 10, fusion="sum")
    total = sum(plain.by_view.values())
    assert np.allclose(plain.scores, total, atol=1e-5)
    vector = index.vectors(["3"]).of(0)[0]
    for adapt in (True, False):
        assert index.search(PIECES, vector=vector, adapt=adapt) == index.search(PIECES, vector=vector)


def test_what_is_no_answer_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match="adapt is 1: wanted True or False"):
        index.search("wing", adapt=1)  # type: ignore[arg-type]


def test_the_bundled_tokenizer_has_german_in_pieces() -> None:
    tokens = load_tokens(read_encoder_folder(find_model(DEFAULT_MODEL), None))
    assert tokens.pieces("liability of the carrier") == (4, 0)
    known, unknown = tokens.pieces("Haftung des Frachtführers")
    assert known > 3 * 3 - 1 and unknown == 0
    assert tokens.pieces("?!, ()") == (0, 0)

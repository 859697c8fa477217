"""What a generation keeps from one search to the next is never seen in an answer: not what it said before, not what
another call asked, and not in the hits of many queries that are made together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_index import WORDS, corpus, make_index, toy_recipe

from retrieve import Document, Hits, Index
from retrieve.errors import UsageError
from retrieve.views import known_terms

RECIPE = toy_recipe(views=("bm25",))
QUERIES = [
    f"{one} {other} {third}" for one in WORDS[:6] for other in WORDS[3:9] for third in ("gene", "none")
]
WAYS: list[dict[str, Any]] = [
    {},
    {"unit": "passage"},
    {"passages": 0},
    {"passages": 1, "aggregate": "top3"},
    {"aggregate": "first"},
    {"where": {"kind": "a"}},
    {"rm3": True},
]


def told(hits: Hits) -> list[dict[str, Any]]:
    """All that hits say."""
    return [hit.to_dict() for hit in hits]


def test_a_new_generation_answers_for_itself(tmp_path: Path) -> None:
    documents, _ = corpus(60, seed=5)
    with make_index(tmp_path / "i", documents, None, RECIPE, commits=2) as index:
        for number, query in enumerate(QUERIES[:12]):
            before = told(index.search(query, 20))
            index.add([Document(f"new{number}", query * 2)])
            index.delete([before[-1]["doc_id"]])
            found = told(index.search(query, 20))
            assert any(hit["doc_id"] == f"new{number}" for hit in found)
            with Index.open(index.path) as fresh:
                assert found == told(fresh.search(query, 20))


def test_another_handle_says_the_same_until_it_is_refreshed(tmp_path: Path) -> None:
    documents, _ = corpus(30, seed=6)
    with make_index(tmp_path / "i", documents, None, RECIPE) as index, Index.open(index.path) as other:
        before = told(other.search("wing"))
        index.add([Document("new", "wing wing wing")])
        assert told(other.search("wing")) == before
        other.refresh()
        assert told(other.search("wing")) == told(index.search("wing")) != before


def test_a_wrong_option_is_refused_after_one_like_it(tmp_path: Path) -> None:
    documents, _ = corpus(10, seed=7)
    with make_index(tmp_path / "i", documents, None, RECIPE) as index:
        index.search("wing", 1, passages=1)
        for wrong in ({"k": True}, {"k": 1.0}, {"k": 1, "passages": True}):
            with pytest.raises(UsageError):
                index.search("wing", **wrong)


@pytest.mark.parametrize("commits", [pytest.param(1, marks=pytest.mark.long), 3])
def test_queries_together_are_answered_as_alone(tmp_path: Path, commits: int) -> None:
    documents, _ = corpus(90, seed=8)
    with make_index(tmp_path / "i", documents, None, RECIPE, commits=commits) as index:
        index.delete([document.id for document in documents[::7]])
        for way in WAYS:
            for k in (1, 10, 70):
                asked = QUERIES[k % 3 :: 3]  # 24, more than are scored together
                together = index.search_many(asked, k, **way)
                assert [told(hits) for hits in together] == [
                    told(index.search(query, k, **way)) for query in asked
                ]


def test_a_hit_has_metadata_of_its_own(tmp_path: Path) -> None:
    text = " ".join(WORDS)  # two passages
    with make_index(tmp_path / "i", [Document("a", text, "", {"n": [1]})], None, RECIPE) as index:
        hits = [*index.search("wing index", unit="passage"), *index.search_many(["wing"] * 3)[2]]
        assert len(hits) == 3
        assert len({id(hit.metadata["n"]) for hit in hits}) == 3


def test_terms_are_forgotten_when_they_become_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_terms, "_MOST", 3)
    documents, _ = corpus(40, seed=9)
    with make_index(tmp_path / "i", documents, None, RECIPE) as index:
        few = [told(index.search(query)) for query in QUERIES]
        monkeypatch.undo()
        with Index.open(index.path) as other:
            assert few == [told(other.search(query)) for query in QUERIES]

"""The back end rank-bm25: scores are the package's own over the live passages, whatever the segments."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rank_bm25 import BM25L, BM25Okapi, BM25Plus

from retrieve import Document, Index
from retrieve.errors import MissingExtra, RecipeError, UsageError
from retrieve.index.merged_postings import pairs_of
from retrieve.recipe import load_recipe
from retrieve.text.analyze import Analyzer

WORDS = [f"w{number}" for number in range(30)]
CLASSES = {"okapi": BM25Okapi, "l": BM25L, "plus": BM25Plus}


def _recipe(variant: str = "okapi", **more: Any) -> dict[str, Any]:
    return {
        "name": "r",
        "passages": {"unit": "words", "mode": "whole", "title": "none"},
        "bm25": {"backend": "rank-bm25", "variant": variant, "language": "none"},
        "segments": {"passages": 25, "merge_factor": 0},
        **more,
    }


def _rows(count: int, seed: int = 0) -> list[Document]:
    chance = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    return [
        Document(
            f"d{number:03}",
            " ".join(chance.choices(WORDS, weights, k=chance.randint(0, 20))),
            "",
            {"n": number},
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("variant", CLASSES)
@pytest.mark.parametrize("parameters", [{}, {"k1": 1.5, "b": 0.75}])
def test_scores_are_those_of_the_package(tmp_path: Path, variant: str, parameters: dict[str, float]) -> None:
    rows = _rows(90)
    with Index.create(tmp_path / "i", _recipe(variant)) as index:
        index.add(rows)
        index.delete([row.id for row in rows[::7]])
        index.add([Document("d001", "w0 w0 w5", "", {"n": 1})])
        assert index.info()["segments"] > 3
        for merged in (False, True):
            # An empty document has no passage.
            live = [row for row in map(index.get, index.ids()) if row is not None and row.text]
            corpus = [Analyzer("none").terms(row.text) for row in live]
            settings = {"k1": 0.9, "b": 0.4} | parameters
            theirs = CLASSES[variant](corpus, **settings)
            for query in ("w0", "w3 w17", "w1 w1 w29", "w0 w2 w4 w8 w16"):
                terms = query.split()
                scores = theirs.get_scores(terms)
                expected = {
                    row.id: score
                    for row, text, score in zip(live, corpus, scores, strict=True)
                    if set(terms) & set(text)
                }
                hits = index.search(query, k=200, **parameters)
                assert {hit.doc_id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-9)
                ranked = [(-hit.score, hit.doc_id) for hit in hits]
                assert ranked == sorted(ranked)
                few = index.search(query, k=5, where={"n": {"lt": 50}}, **parameters)
                wanted = [(hit.doc_id, hit.score) for hit in hits if hit.metadata["n"] < 50][:5]
                assert [(hit.doc_id, hit.score) for hit in few] == wanted
            if not merged:
                index.merge()
        assert index.search("nothing of it") == []
        assert index.verify() == []


def test_passages_are_scored_by_key_and_with_weights(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", _recipe("plus")) as index:
        index.add(_rows(40))
        ranking = index.rank_passages(["w1 w2"], 10)
        again = index.score_passages(["w1 w2"], ranking)["bm25"]
        assert np.allclose(again, ranking.scores)
        doubled = index.rank_passages([{"bm25": {"w1": 2.0, "w2": 2.0}}], 10)
        assert doubled.keys.tolist() == ranking.keys.tolist()
        assert np.allclose(doubled.scores, 2 * ranking.scores, rtol=1e-6)
        best = index.search("w1 w2", k=1)[0]
        said = index.explain("w1 w2", best.doc_id)
        assert said["views"]["bm25"]["package"] == "rank-bm25" and said["views"]["bm25"]["variant"] == "plus"


def test_a_passage_without_a_term_has_a_lower_bound_under_plus_and_is_no_hit(tmp_path: Path) -> None:
    """rank-bm25 0.2.2: BM25Plus adds idf · δ to every document, with the term or without."""
    with Index.create(tmp_path / "i", _recipe("plus")) as index:
        index.add([Document("with", "w1 w2"), Document("without", "w3 w4"), Document("empty", "")])
        assert [hit.doc_id for hit in index.search("w1", k=10)] == ["with"]
        keys = index.rank_passages(["w1 w3"], 5)
        scores = dict(
            zip(keys.keys[0].tolist(), index.score_passages(["w1"], keys)["bm25"][0].tolist(), strict=True)
        )
        assert sorted(score > 0 for key, score in scores.items() if key >= 0) == [True, True]


def test_postings_are_those_of_the_native_view(tmp_path: Path) -> None:
    rows = _rows(60)
    for name, recipe in (("rank", _recipe()), ("native", _recipe() | {"bm25": {"language": "none"}})):
        with Index.create(tmp_path / name, recipe) as index:
            index.add(rows)
    arrays = []
    for name in ("rank", "native"):
        with Index.open(tmp_path / name) as index:
            arrays.append(sorted(path.read_bytes() for path in index.path.glob("segments/*/arrays")))
            for segment in index._snapshot.segments:
                postings = segment.view(segment.views[0])
                starts, terms, frequencies = pairs_of(postings)
                for row, owner in enumerate(segment.document_of.tolist()):
                    part = slice(starts[row], starts[row + 1])
                    found = {
                        postings.terms[int(term)]: count
                        for term, count in zip(terms[part], frequencies[part].tolist(), strict=True)
                    }
                    text = rows[int(segment.ids[owner][1:])].text.split()
                    assert found == {word: text.count(word) for word in set(text)}
    assert arrays[0] == arrays[1]


def test_what_it_cannot_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r'bm25\.variant = "plus" is one of bm25\.backend = "rank-bm25"'):
        load_recipe({"name": "x", "bm25": {"variant": "plus"}})
    plain = {"name": "x", "bm25": {}}
    assert load_recipe(plain).digest == load_recipe({"name": "x", "bm25": {"backend": "native"}}).digest
    assert load_recipe(plain).digest != load_recipe({"name": "x", "bm25": {"backend": "rank-bm25"}}).digest
    with Index.create(tmp_path / "i", _recipe()) as index:
        index.add(_rows(30))
        with monkeypatch.context() as patch:
            patch.setattr("retrieve.index.rank_bm25.MOST_PASSAGES", 20)
            with pytest.raises(UsageError, match="there are 28: it is for 20 at most"):
                index.search("w1")
    monkeypatch.setitem(sys.modules, "rank_bm25", None)
    with Index.open(tmp_path / "i") as index:
        assert index.info()["documents"] == 30
        with pytest.raises(MissingExtra, match=r"\.\[rank-bm25\]"):
            index.search("w1")
        with pytest.raises(MissingExtra):
            index.add(_rows(40))
        assert len(index) == 30


@pytest.mark.parametrize("variant", CLASSES)
def test_without_saturation_nothing_is_lost(tmp_path: Path, variant: str) -> None:
    """rank-bm25 0.2.2 divides 0 by 0 where k1 is 0 and a document has not the term (Okapi, Plus)."""
    with Index.create(tmp_path / "i", _recipe(variant)) as index:
        index.add(_rows(40))
        usual = {hit.doc_id for hit in index.search("w0 w3", k=100)}
        hits = index.search("w0 w3", k=100, k1=0.0)
        assert {hit.doc_id for hit in hits} == usual
        assert all(np.isfinite(hit.score) for hit in hits)


def test_an_index_of_empty_documents(tmp_path: Path) -> None:
    """The package divides by zero where no passage has a term."""
    with Index.create(tmp_path / "i", _recipe()) as index:
        assert index.search("w1") == []
        index.add([Document("a", ""), Document("b", "...")])
        assert index.search("w1") == []

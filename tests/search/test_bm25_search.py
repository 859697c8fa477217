"""BM25 search against the formula written a second time, and against itself however the corpus is cut."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from bm25_formula import Oracle, check_cuts, check_formula, random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Document, Index
from retrieve.text.analyze import Analyzer
from retrieve.types import Query

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_random_corpora_score_as_the_formula_says(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_formula(Path(folder) / "index", seed)


@settings(max_examples=4, deadline=None)
@given(SEEDS)
def test_cuts_and_a_past_change_nothing_to_the_bit(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_cuts(Path(folder), seed)


def test_a_score_by_hand(tmp_path: Path) -> None:
    """Two passages of 3 and 1 terms, df 1 and 2: ln(1 + 1.5/1.5) and ln(1 + .5/2.5), k1 1, b ½, average 2."""
    with Index.create(tmp_path / "i", {"name": "t", "passages": {"mode": "whole"}, "bm25": {}}) as index:
        with index.writer() as writer:
            writer.add([{"id": "long", "text": "wing wing flow"}, {"id": "short", "text": "flow"}])
        hits = index.search("wing flow", k1=1.0, b=0.5)
    wing = 0.6931471805599453 * 2 / (2 + 1.25)
    flow = 0.1823215567939546 * 1 / (1 + 1.25), 0.1823215567939546 * 1 / (1 + 0.75)
    assert [hit.doc_id for hit in hits] == ["long", "short"]
    assert [hit.score for hit in hits] == pytest.approx([wing + flow[0], flow[1]], abs=1e-12)


def test_a_repeated_word_counts_as_often_as_it_is_asked(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", {"name": "t", "passages": {"mode": "whole"}, "bm25": {}}) as index:
        with index.writer() as writer:
            writer.add([{"id": "a", "text": "wing flow"}, {"id": "b", "text": "flow"}])
        once, thrice = index.search("wing")[0].score, index.search("wing wing wings")[0].score
    assert thrice == pytest.approx(3 * once)


@pytest.fixture(scope="module")
def scifact() -> tuple[list[Document], list[Query]]:
    if "RETRIEVE_DATA" not in os.environ:
        pytest.skip("SciFact is not compared with the formula: RETRIEVE_DATA is not set")
    folder = Path(os.environ["RETRIEVE_DATA"]) / "scifact"
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        documents = [_document(json.loads(line)) for line in file]
    judged = {line.split("\t")[0] for line in (folder / "qrels/test.tsv").read_text().splitlines()[1:]}
    with (folder / "queries.jsonl").open(encoding="utf-8") as file:
        queries = [
            Query(item["_id"], item["text"]) for item in map(json.loads, file) if item["_id"] in judged
        ]
    return documents, queries


def _document(item: dict[str, Any]) -> Document:
    return Document(item["_id"], item["text"], item["title"])


@pytest.mark.data
@pytest.mark.long
def test_scifact_scores_as_the_formula_says_in_1_3_and_17_segments(
    tmp_path: Path, scifact: tuple[list[Document], list[Query]]
) -> None:
    documents, queries = scifact
    assert len(queries) == 300
    oracle = Oracle(((each.id, f"{each.title}\n{each.text}") for each in documents), Analyzer("english"))
    answers = []
    for number in (1, 3, 17):
        size = -(-len(documents) // number)
        with Index.create(tmp_path / str(number), "bm25", [f"segments.passages={size}"]) as index:
            with index.writer() as writer:
                writer.add(documents)
            assert index.info()["segments"] == number
            answers.append(index.run(queries, k=100))
    assert answers[0] == answers[1] == answers[2]
    for query, (query_id, ranking) in zip(queries, answers[0].rankings, strict=True):
        assert query_id == query.id
        oracle.check(ranking, query.text, 100, k1=0.9, b=0.4)


def test_a_random_corpus_has_what_makes_bm25_hard(tmp_path: Path) -> None:
    cases = [random_case(seed) for seed in range(40)]
    texts = [document.text for case in cases for document in case.documents]
    assert any(not text.strip() for text in texts)
    assert any(text.split()[:1] * 255 == text.split()[:255] for text in texts if text.strip())
    assert len(set(texts)) < len(texts)


def test_a_passage_looked_up_scores_as_among_all(tmp_path: Path) -> None:
    """In a segment this large the first score asked for is looked up, after a few those of all passages are made."""
    words = ["wing", "flow", "heat", "jet", "drag"]
    texts = (" ".join(words[: 1 + i % 5] + ["wing"] * (i % 7)) for i in range(1_500))
    with Index.create(tmp_path / "i", {"name": "t", "passages": {"mode": "whole"}, "bm25": {}}) as index:
        with index.writer() as writer:
            writer.add(Document(f"{i:04}", text) for i, text in enumerate(texts))
        queries = [Query(str(i), f"{words[i % 5]} wing") for i in range(20)]
        best = index.run(queries, k=30)
        assert index.run(queries, k=30, aggregate="sum").rankings == best.rankings
        for query, (_, ranking) in zip(queries, best.rankings, strict=True):
            hits = index.search(query.text, k=30)
            assert [(hit.doc_id, hit.score) for hit in hits] == list(ranking)

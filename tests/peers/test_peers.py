"""Each peer alone, in this process: it finds what ours finds, by the scores that are known of it."""

from __future__ import annotations

import importlib.util
import json
import random
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_encoder_folder, tiny_sparse_folder
from toy_peer import WordCount

from retrieve import Document, Index, Query
from retrieve.errors import UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.peers.entrant import PeerEntrant, written_passages
from retrieve.peers.protocol import Peer, Task, Texts, best_rows
from retrieve.peers.registry import _LISTED

WORDS = [
    "wing",
    "flow",
    "heat",
    "court",
    "law",
    "gene",
    "cell",
    "blood",
    "value",
    "running",
    "carriers",
    "the",
]
QUERIES = ["wing flow", "the court of law", "running running genes", "blood cells heat value", "zebra", "the"]


def documents(count: int = 80) -> list[Document]:
    chance = random.Random(0)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    return [
        Document(f"d{number:02}", " ".join(chance.choices(WORDS, weights, k=chance.randint(1, 40))))
        for number in range(count)
    ]


def passages_file(place: Path, rows: Sequence[Document]) -> Path:
    written_passages(place, [(row.id, [row.text]) for row in rows])
    return place


def task(recipe: Any, *overrides: str, k: int = 100, **options: Any) -> Task:
    resolved = PassageEncoder(recipe, overrides).recipe
    return Task(resolved.model_dump(mode="json", exclude_none=True), options, k)


def made(name: str, asked: Task, place: Path, rows: Sequence[Document]) -> Peer:
    """A listed peer that has indexed documents; the test is skipped where it is not installed."""
    for module in _LISTED[name].modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{name} is not installed: {_LISTED[name].install}")
    module, _, kind = _LISTED[name].place.partition(":")
    peer: Peer = getattr(import_module(module), kind)(asked)
    place.mkdir()
    texts = passages_file(place / "passages.jsonl", rows)
    peer.warm_up(Texts(texts, 8), place / "warm")
    peer.build(Texts(texts), place / "index")
    return peer


def scored(peer: Peer, query: str, rows: Sequence[Document], depth: int = 1000) -> dict[str, float]:
    found, scores = peer.search(query, depth)
    assert list(scores) == sorted(scores, reverse=True) and len(set(found.tolist())) == len(found)
    return {rows[row].id: float(score) for row, score in zip(found, scores, strict=True)}


def ours(index: Index, query: str, **options: Any) -> Mapping[str, float]:
    return dict(index.run([Query("q", query)], 1000, **options).rankings[0][1])


@pytest.mark.parametrize("options", [{}, {"k1": 1.5, "b": 0.75}])
def test_bm25s_scores_as_ours_does(tmp_path: Path, options: dict[str, float]) -> None:
    rows = documents()
    peer = made("bm25s", task("bm25", **options), tmp_path / "peer", rows)
    with Index.create(tmp_path / "i", "bm25") as index:
        index.add(rows)
        for query in QUERIES:
            assert scored(peer, query, rows) == pytest.approx(ours(index, query, **options), rel=1e-5)
    assert (peer.stored_bytes(tmp_path / "saved") or 0) > 1000


@pytest.mark.parametrize("variant", ["okapi", "l", "plus"])
def test_rank_bm25_scores_as_our_back_end_of_that_name_does(tmp_path: Path, variant: str) -> None:
    rows = documents()
    asked = task("bm25", "bm25.backend=rank-bm25", f"bm25.variant={variant}")
    peer = made("rank-bm25", asked, tmp_path / "peer", rows)
    with Index.create(tmp_path / "i", "bm25", ["bm25.backend=rank-bm25", f"bm25.variant={variant}"]) as index:
        index.add(rows)
        for query in QUERIES[:4]:
            theirs, own = scored(peer, query, rows), ours(index, query)
            assert {doc_id: theirs[doc_id] for doc_id in own} == pytest.approx(own)
    assert peer.stored_bytes(tmp_path / "saved") is None


def test_lucene_scores_as_our_back_end_of_that_name_does(tmp_path: Path) -> None:
    rows = documents()
    peer = made("lucene", task("bm25", k1=1.2), tmp_path / "peer", rows)
    with Index.create(tmp_path / "i", "lucene") as index:
        index.add(rows)
        for query in QUERIES:
            assert scored(peer, query, rows) == pytest.approx(ours(index, query, k1=1.2), abs=1e-6)


@pytest.mark.parametrize("name", ["tantivy", "pisa"])
def test_the_others_of_bm25_find_the_same_documents(tmp_path: Path, name: str) -> None:
    rows = documents()
    options = {"k1": 1.2, "b": 0.75}  # which tantivy has whatever is asked
    peer = made(name, task("bm25", **options), tmp_path / "peer", rows)
    factor = 2.2 if name == "tantivy" else 1.0
    with Index.create(tmp_path / "i", "bm25") as index:
        index.add(rows)
        for query in QUERIES:
            theirs, own = scored(peer, query, rows), ours(index, query, **options)
            assert theirs.keys() == own.keys()
            if name == "tantivy":  # lengths up to 40 are exact in its byte
                assert theirs == pytest.approx({key: factor * score for key, score in own.items()}, rel=1e-4)
    assert peer.stored_bytes(tmp_path / "saved") == peer.stored_bytes(tmp_path / "saved")


def test_the_peers_of_dense_score_as_ours_does(tmp_path: Path) -> None:
    rows = [row for row in documents(40) if row.text]
    overrides = [
        f"dense.model={tiny_encoder_folder(tmp_path / 'model')}",
        "dense.backend=torch",
        "dense.precision=fp32",
    ]
    asked = task("flat", *overrides)
    with Index.create(tmp_path / "i", "flat", overrides, cache=False) as index:
        index.add(rows)
        for name in ("faiss", "sentence-transformers"):
            peer = made(name, asked, tmp_path / name, rows)
            for query in QUERIES:
                assert scored(peer, query, rows) == pytest.approx(ours(index, query), abs=2e-3)
            assert (peer.stored_bytes(tmp_path / "saved") or 0) >= 40 * 4 * index.info()["encoder"][
                "dimensions"
            ]


def test_faiss_takes_the_recipes_factory(tmp_path: Path) -> None:
    rows = documents(40)
    model = tiny_encoder_folder(tmp_path / "model")
    asked = task("flat", f"dense.model={model}", "dense.factory=HNSW8", "search.dense.ef_search=77")
    peer: Any = made("faiss", asked, tmp_path / "peer", rows)
    assert type(peer._index).__name__ == "IndexHNSWFlat" and peer._index.hnsw.efSearch == 77


def test_seismic_finds_what_ours_finds(tmp_path: Path) -> None:
    rows = documents(40)
    overrides = [f"splade.model={tiny_sparse_folder(tmp_path / 'model')}"]
    peer = made("seismic", task("splade", *overrides), tmp_path / "peer", rows)
    with Index.create(tmp_path / "i", "splade", overrides) as index:
        index.add(rows)
        own = ours(index, QUERIES[0])
        theirs = scored(peer, QUERIES[0], rows, 10)
        assert len(theirs) == 10
        assert theirs == pytest.approx({key: own[key] for key in theirs}, rel=0.05)


def test_what_a_peer_cannot_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieve.index.rank_bm25.MOST_PASSAGES", 5)
    with pytest.raises(UsageError, match="it is for 5 at most"):
        made("rank-bm25", task("bm25"), tmp_path / "peer", documents(6))


def test_documents_are_found_by_their_best_passage(tmp_path: Path) -> None:
    """One document has so many passages that the first k of all are its own."""
    file = tmp_path / "passages.jsonl"
    rows = [
        ("long", ["wing flow heat"] * 50),
        ("b", ["wing flow", "gene"]),
        ("c", ["wing", "wing flow cell"]),
        ("d", []),
    ]
    assert written_passages(file, rows) == 54
    asked = Task(task("bm25").recipe, {}, 3)
    entrant = PeerEntrant(
        f"{WordCount.__module__}:WordCount", "no-such-package", asked, file, tmp_path / "toy"
    )
    entrant.warm_up()
    assert entrant.build() > 0
    assert entrant.rank(Query("q", "wing flow heat"), "bm25") == [("long", 3.0), ("b", 2.0), ("c", 2.0)]
    dropping = PeerEntrant(
        f"{WordCount.__module__}:WordCount",
        "numpy",
        Task(asked.recipe, {}, 2, drop_self=True),
        file,
        tmp_path / "own",
    )
    dropping.build()
    assert dropping.rank(Query("long", "wing flow heat"), "bm25") == [("b", 2.0), ("c", 2.0)]
    assert dropping.describe()["version"] == np.__version__ and entrant.describe()["version"] is None


def test_texts_are_read_at_every_pass(tmp_path: Path) -> None:
    file = passages_file(tmp_path / "p", [Document("a", "one\ntwo"), Document("b", "\u2028 three")])
    texts = Texts(file)
    assert list(texts) == list(texts) == ["one\ntwo", "\u2028 three"] and list(Texts(file, 1)) == ["one\ntwo"]
    assert [json.loads(line)[0] for line in file.read_text().splitlines()] == ["a", "b"]


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 40))
def test_the_best_rows_are_those_of_a_sort(scores: list[int], depth: int) -> None:
    rows, values = best_rows(np.array(scores, float), depth)
    wanted = sorted((row for row, score in enumerate(scores) if score), key=lambda row: (-scores[row], row))[
        :depth
    ]
    assert rows.tolist() == wanted and values.tolist() == [scores[row] for row in wanted]

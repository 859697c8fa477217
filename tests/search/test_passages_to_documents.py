"""Documents' scores from their passages', against brute force over every passage; which passages a hit shows."""

from __future__ import annotations

from collections import defaultdict
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_index import Vectors, corpus, make_index, toy_recipe, unit_vectors

from retrieve import Document, Index

QUERY = unit_vectors(1, seed=2)[0]
TEXT = "wing heat court"
COMBINE: dict[str, Any] = {
    "max": max,
    "first": lambda scores: scores[0],
    "sum": sum,
    "mean": lambda scores: sum(scores) / len(scores),
    "top3": lambda scores: sum(sorted(scores)[-3:]),
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, list[Document], list[Vectors]]:
    documents, vectors = corpus(80, seed=1, longest=6)
    folder = tmp_path_factory.mktemp("passages") / "i"
    return make_index(folder, documents, vectors, toy_recipe(), commits=3), documents, vectors


def ask(index: Index, using: str, **options: Any) -> list[Any]:
    return index.search(TEXT, k=1000, using=using, vector=None if using == "bm25" else QUERY, **options)


def passage_scores(index: Index, using: str, documents: list[Document]) -> dict[str, list[float]]:
    """Document → score of each of its passages, 0 where the view did not find it."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for hit in ask(index, using, unit="passage"):
        found[hit.doc_id][hit.passages[0].position] = hit.score
    return {
        document.id: [found[document.id].get(at, 0.0) for at in range(len(document.text.split()) // 6)]
        for document in documents
        if document.id in found
    }


@pytest.mark.parametrize("aggregate", COMBINE)
@pytest.mark.parametrize("using", ["bm25", "dense"])
def test_aggregates_are_brute_force_over_all_passages(
    toy: tuple[Index, list[Document], list[Vectors]], using: str, aggregate: str
) -> None:
    index, documents, _ = toy
    expected = {
        name: float(COMBINE[aggregate](scores))
        for name, scores in passage_scores(index, using, documents).items()
        if using == "dense" or aggregate != "first" or scores[0] > 0
    }
    hits = ask(index, using, aggregate=aggregate)
    assert {hit.doc_id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-12)
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))


def test_fused_aggregates_are_the_fusion_of_aggregates(
    toy: tuple[Index, list[Document], list[Vectors]],
) -> None:
    index, *_ = toy
    parts = []
    for view in ("bm25", "dense"):
        scores = {hit.doc_id: hit.score for hit in ask(index, view, aggregate="sum")}
        low, high = min(scores.values()), max(scores.values())
        parts.append({name: (score - low) / (high - low) for name, score in scores.items()})
    expected = {name: (parts[0].get(name, 0) + parts[1].get(name, 0)) / 2 for name in parts[0] | parts[1]}
    assert {hit.doc_id: hit.score for hit in ask(index, "hybrid", aggregate="sum")} == pytest.approx(expected)


@pytest.mark.parametrize("using", ["bm25", "dense", "hybrid"])
def test_passages_as_the_unit_are_every_passage_once(
    toy: tuple[Index, list[Document], list[Vectors]], using: str
) -> None:
    index, documents, vectors = toy
    texts = {document.id: document.text for document in documents}
    hits = ask(index, using, unit="passage")
    for hit in hits:
        (passage,) = hit.passages
        assert passage.text == texts[hit.doc_id][passage.start : passage.end]
        assert len(passage.text.split()) == 6
        assert passage.score == hit.score
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.doc_id, hit.passages[0].position))
    places = {(hit.doc_id, hit.passages[0].position) for hit in hits}
    assert len(places) == len(hits)
    if using != "bm25":
        assert len(hits) == sum(map(len, vectors))


@pytest.mark.parametrize("using", ["bm25", "dense"])
def test_a_hit_shows_its_best_passages(toy: tuple[Index, list[Document], list[Vectors]], using: str) -> None:
    index, documents, _ = toy
    texts = {document.id: document.text for document in documents}
    scores = passage_scores(index, using, documents)
    for hit in ask(index, using, passages=2):
        best = sorted(enumerate(scores[hit.doc_id]), key=lambda item: (-item[1], item[0]))[:2]
        assert [(passage.position, passage.score) for passage in hit.passages] == best
        assert hit.passages[0].score == hit.score
        for passage in hit.passages:
            assert passage.text == texts[hit.doc_id][passage.start : passage.end]
    assert all(hit.passages == () for hit in ask(index, using, passages=0))


@pytest.mark.parametrize("fusion", ["convex", "z", "rrf"])
@pytest.mark.parametrize("aggregate", COMBINE)
def test_a_hybrid_hit_shows_passages_that_are_better_in_both_views_first(
    toy: tuple[Index, list[Document], list[Vectors]], fusion: str, aggregate: str
) -> None:
    index, documents, _ = toy
    views = [passage_scores(index, view, documents) for view in ("bm25", "dense")]
    for hit in ask(index, "hybrid", fusion=fusion, aggregate=aggregate, passages=9):
        given = [passage.score for passage in hit.passages]
        assert given == sorted(given, reverse=True)
        assert sorted(passage.position for passage in hit.passages) == list(range(len(given)))
        own = [view.get(hit.doc_id, [0.0] * len(given)) for view in views]
        for one, other in permutations(hit.passages, 2):
            if all(scores[one.position] >= scores[other.position] for scores in own):
                assert one.score >= other.score


@pytest.mark.parametrize("fusion", ["convex", "z", "rrf"])
def test_a_passage_that_carries_its_document_in_every_view_has_its_score(tmp_path: Path, fusion: str) -> None:
    documents = [Document(str(number), f"wing {'heat ' * number}".strip()) for number in range(1, 5)]
    documents.append(Document("unlike", "flow"))
    vectors = list(unit_vectors(5, seed=3))
    with make_index(tmp_path / "i", documents, vectors, toy_recipe()) as index:
        hits = index.search("wing heat", vector=QUERY, fusion=fusion)
    assert len(hits) == 5
    for hit in hits:
        assert hit.passages[0].score == pytest.approx(hit.score)


@pytest.mark.parametrize("fusion", ["convex", "z", "rrf"])
@pytest.mark.parametrize("aggregate", ["sum", "mean", "top3"])
def test_how_documents_are_scored_does_not_change_their_passages(
    toy: tuple[Index, list[Document], list[Vectors]], fusion: str, aggregate: str
) -> None:
    index, *_ = toy
    usual = {hit.doc_id: hit.passages for hit in ask(index, "hybrid", fusion=fusion)}
    assert {
        hit.doc_id: hit.passages for hit in ask(index, "hybrid", fusion=fusion, aggregate=aggregate)
    } == usual


def test_ties_across_segments_go_by_id_then_position(tmp_path: Path) -> None:
    one = unit_vectors(1, seed=4)
    documents = [Document(str(number), "wing " * 12) for number in range(12)]
    vectors = [np.repeat(one, 2, axis=0)] * 12
    with make_index(tmp_path / "i", documents, vectors, toy_recipe(), commits=4) as index:
        for using in ("bm25", "dense", "hybrid"):
            vector = None if using == "bm25" else one[0]
            hits = index.search("wing", k=9, unit="passage", using=using, vector=vector)
            expected = [(name, at) for name in sorted(str(n) for n in range(12)) for at in (0, 1)][:9]
            assert [(hit.doc_id, hit.passages[0].position) for hit in hits] == expected


def test_empty_documents_are_kept_and_never_found(tmp_path: Path) -> None:
    documents = [Document("empty", ""), Document("blank", " \n "), Document("full", "wing")]
    vectors = [np.empty((0, 8), np.float32), np.empty((0, 8), np.float32), unit_vectors(1, seed=5)]
    with make_index(tmp_path / "i", documents, vectors, toy_recipe()) as index:
        assert len(index) == 3
        assert index.info()["passages"] == 1
        for using in ("bm25", "dense", "hybrid"):
            for aggregate in COMBINE:
                vector = None if using == "bm25" else QUERY
                hits = index.search("wing", using=using, aggregate=aggregate, vector=vector)
                assert [hit.doc_id for hit in hits] == ["full"]
        assert index.get("blank") == documents[1]

"""Search over int8 vectors and over sign bits, against brute force over what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_index import Vectors, corpus, make_index, toy_recipe, unit_vectors

from retrieve import Document, Index
from retrieve.errors import UsageError
from retrieve.types import Hit
from retrieve.views import candidates
from retrieve.views.protocol import Asked

D = 100  # neither whole words of bits nor whole lanes
FORMS: list[dict[str, Any]] = [
    {"storage": "int8"},
    {"storage": "binary", "rescore": "int8"},
    {"storage": "binary", "rescore": "float16"},
]


def kept(vectors: Vectors, form: dict[str, Any]) -> np.ndarray:
    """Vectors (S,D) float64 as the form keeps them for scores."""
    if form.get("rescore") == "float16":
        return vectors.astype(np.float16).astype(np.float64)
    scales = np.abs(vectors).max(axis=1, keepdims=True) / np.float32(127)
    return np.rint(vectors / scales).astype(np.float64) * scales.astype(np.float64)


def recipe(form: dict[str, Any], **more: Any) -> dict[str, Any]:
    return toy_recipe(views=("dense",), dimensions=D, **form, **more) | {"filters": {"fields": ["number"]}}


def collection(count: int, seed: int) -> tuple[list[Document], list[Vectors]]:
    """The toy corpus with vectors of D dimensions near a few centres, so that order matters; some repeat."""
    documents, small = corpus(count, seed)
    centres = unit_vectors(5, seed, D)
    found: dict[bytes, Vectors] = {}
    for number, own in enumerate(small):
        if own.tobytes() not in found:
            near = centres[number % 5] + 0.7 * unit_vectors(len(own), seed + number, D)
            found[own.tobytes()] = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    return documents, [found[own.tobytes()] for own in small]


@pytest.fixture(scope="module", params=FORMS, ids=lambda form: "-".join(form.values()))
def built(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """150 documents in one segment and in three, some deleted from both; with each document's stored vectors."""
    form = request.param
    documents, vectors = collection(150, seed=1)
    made = []
    for commits in (1, 3):
        folder = tmp_path_factory.mktemp("forms") / "i"
        index = make_index(folder, documents, vectors, recipe(form), commits=commits)
        with index.writer() as writer:
            writer.delete([str(number) for number in range(0, 150, 7)])
        made.append(index)
    alive = {number: kept(vectors[number], form) for number in range(150) if number % 7}
    return made, alive, form


def bare(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.doc_id, hit.score) for hit in hits]


@settings(max_examples=25)
@given(st.integers(0, 999), st.sampled_from([1, 5, 40, 500]), st.integers(0, 150))
def test_with_candidates_enough_the_search_is_brute_force(built: Any, seed: int, k: int, above: int) -> None:
    (one, three), alive, _ = built
    query = unit_vectors(1, seed, D)[0]
    where = {"number": {"gte": above}}
    hits = one.search(vector=query, k=k, where=where)
    expected = {
        str(number): (own @ query.astype(np.float64)).max()
        for number, own in alive.items()
        if number >= above
    }
    assert len(hits) == min(k, len(expected))
    for hit in hits:
        assert hit.score == pytest.approx(expected[hit.doc_id], abs=1e-6)
    if hits:
        left = expected.keys() - {hit.doc_id for hit in hits}
        assert all(expected[name] <= hits[-1].score + 1e-6 for name in left)
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))
    assert bare(three.search(vector=query, k=k, where=where)) == bare(hits)


def test_several_queries_score_as_each_alone(built: Any) -> None:
    (one, three), _, form = built
    queries = unit_vectors(20, 5, D)
    for index in (one, three):
        snapshot = index._snapshot
        asked = Asked(index._passage_encoder, {"ef_search": 1, "nprobe": 1, "oversample": 4})
        view, parts = snapshot.views["dense"], snapshot.live_segments("dense")
        together = view.scores(asked._replace(vectors=queries), parts)
        rows = np.arange(snapshot.segments[0].passage_rows)
        for number, query in enumerate(queries):
            alone = view.scores(asked._replace(vectors=query[None]), parts)
            assert together.at(number, 0, rows).tobytes() == alone.at(0, 0, rows).tobytes(), form


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, list[Vectors]]:
    """1,500 documents, of which a few hundred are candidates when `depth` is small."""
    documents, vectors = collection(1500, seed=2)
    folder = tmp_path_factory.mktemp("binary") / "i"
    index = make_index(folder, documents, vectors, recipe(FORMS[1]), commits=2)
    with index.writer() as writer:
        writer.delete([str(number) for number in range(0, 1500, 7)])
    return index, vectors


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows the sign bits were asked for, call by call."""
    counts = []

    def spy(distances: Any, count: int, live: Any) -> Any:
        counts.append(count)
        return nearest(distances, count, live)

    nearest = candidates.nearest_rows
    monkeypatch.setattr(candidates, "nearest_rows", spy)
    return counts


def test_candidates_are_the_nearest_by_signs(binary: tuple[Index, list[Vectors]], asked: list[int]) -> None:
    """Each segment's live rows in order of Hamming distance, cut at oversample · depth, then by score."""
    index, vectors = binary
    for query in unit_vectors(5, 3, D):
        scores = {}
        for segment, live in zip(index._snapshot.segments, index._snapshot.live, strict=True):
            assert live is not None
            owners = [int(segment.ids[int(row)]) for row in segment.document_of]
            firsts = segment.first_passage[segment.document_of]
            own = np.stack(
                [vectors[n][row - first] for row, (n, first) in enumerate(zip(owners, firsts, strict=True))]
            )
            rows = np.flatnonzero(live[segment.document_of])
            distances = ((own[rows] > 0) != (query > 0)).sum(axis=1)
            for row in rows[np.argsort(distances, kind="stable")[:120]]:
                score = float(kept(own[row : row + 1], FORMS[1])[0] @ query)
                scores[owners[row]] = max(score, scores.get(owners[row], -1))
        hits = index.search(vector=query, k=10, depth=40, oversample=3)
        best = sorted(scores, key=lambda n: (-scores[n], str(n)))[:10]
        assert [hit.score for hit in hits] == pytest.approx([scores[n] for n in best], abs=1e-6)
    assert asked == [120] * 10


def test_more_candidates_find_more(binary: tuple[Index, list[Vectors]]) -> None:
    """Of queries that have near documents, as queries do."""
    index, vectors = binary
    queries = np.stack([own[0] for own in vectors[:20]]) + 0.7 * unit_vectors(20, 4, D)

    def found(query: Vectors, **options: int) -> set[str]:
        return {hit.doc_id for hit in index.search(vector=query, k=10, **options)}

    recall = [
        np.mean([len(found(query) & found(query, depth=10, oversample=n)) / 10 for query in queries])
        for n in (1, 4, 1000)
    ]
    assert recall[0] < recall[1] < recall[2] == 1
    assert recall[1] > 0.5  # a hundred bits say little


@pytest.mark.parametrize("unit", ["document", "passage"])
def test_ten_hits_begin_a_hundred(binary: tuple[Index, list[Vectors]], unit: str) -> None:
    index, _ = binary
    for query in unit_vectors(5, 5, D):
        long = index.search(vector=query, k=100, depth=100, oversample=1, unit=unit)
        assert len(long) == 100
        for k in (1, 10, 99):
            assert index.search(vector=query, k=k, depth=100, oversample=1, unit=unit) == long[:k]


def test_as_many_hits_as_there_are_documents(binary: tuple[Index, list[Vectors]], asked: list[int]) -> None:
    index, _ = binary
    query = unit_vectors(1, 6, D)[0]
    for k in (1, 700, len(index), 5000):
        for where, there in ((None, len(index)), ({"number": {"lt": 1400}}, 1200)):
            hits = index.search(vector=query, k=k, depth=1, oversample=1, where=where)
            assert len(hits) == min(k, there)
            assert all(int(hit.doc_id) % 7 for hit in hits)
    assert asked


def test_signs_are_asked_again_until_there_are_enough_documents(tmp_path: Path, asked: list[int]) -> None:
    """One document has 600 passages, all nearer than any other's."""
    near, far = unit_vectors(1, 7, D), unit_vectors(600, 8, D)
    documents = [Document("many", "wing " * 6 * 600), *(Document(str(n), "wing") for n in range(600))]
    vectors = [near.repeat(600, axis=0), *far]
    with make_index(tmp_path / "i", documents, vectors, recipe(FORMS[1])) as index:
        names = [hit.doc_id for hit in index.search(vector=near[0], k=20, depth=20, oversample=2)]
    assert asked == [40, 80, 160, 320, 640]
    assert names[0] == "many"
    assert len(names) == 20


def test_few_selected_rows_are_all_scored(binary: tuple[Index, list[Vectors]], asked: list[int]) -> None:
    index, _ = binary
    assert len(index.search(vector=unit_vectors(1, 9, D)[0], depth=5, where={"number": {"lt": 30}})) == 10
    assert asked == []


def test_no_candidates_is_no_search(binary: tuple[Index, list[Vectors]]) -> None:
    with pytest.raises(UsageError, match="oversample is 0"):
        binary[0].search(vector=unit_vectors(1, 9, D)[0], oversample=0)

"""Dense search against brute force over the stored vectors, exact and through FAISS, whole and with few rows left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_index import DIMENSIONS, Vectors, corpus, make_index, stored, toy_recipe, unit_vectors

from retrieve import Document, Index
from retrieve.index import faiss_index
from retrieve.types import Hit

COUNT = 3000
RECALL = {"HNSW16": 0.97, "IVF16,Flat": 0.95, "IVF16,PQ8x4": 0.75, "PCA6,IVF16,Flat": 0.6}
DELETED = [str(number) for number in range(0, COUNT, 3)]


def brute_force(documents: list[Document], vectors: list[Vectors], query: Vectors) -> dict[str, float]:
    """Each document's best inner product, float64."""
    return {
        document.id: float((stored(own) @ query.astype(np.float64)).max())
        for document, own in zip(documents, vectors, strict=True)
    }


def check(hits: list[Hit], expected: dict[str, float], k: int) -> None:
    """The k best, in order, with scores within rounding of float32."""
    assert len(hits) == min(k, len(expected))
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))
    for hit in hits:
        assert hit.score == pytest.approx(expected[hit.doc_id], abs=1e-6)
    if hits:
        left = expected.keys() - {hit.doc_id for hit in hits}
        assert all(expected[name] <= hits[-1].score + 1e-6 for name in left)


@pytest.mark.parametrize("commits", [1, 4])
def test_exact_search_is_brute_force(tmp_path: Path, commits: int) -> None:
    documents, vectors = corpus(120, seed=1)
    with make_index(tmp_path / "i", documents, vectors, toy_recipe(), commits=commits) as index:
        with index.writer() as writer:
            writer.delete([str(number) for number in range(0, 120, 7)])
        kept = [number for number in range(120) if number % 7]
        alive = [documents[number] for number in kept], [vectors[number] for number in kept]
        for query in unit_vectors(10, seed=2):
            expected = brute_force(*alive, query)
            for k in (1, 10, 500):
                check(index.search(vector=query, k=k), expected, k)


def test_twins_tie_and_stand_in_the_order_of_ids_in_any_segment(tmp_path: Path) -> None:
    one = unit_vectors(1, seed=3)[0]
    documents = [Document(str(number), "wing") for number in range(30)]
    with make_index(tmp_path / "i", documents, [one] * 30, toy_recipe(), commits=5) as index:
        names = [hit.doc_id for hit in index.search(vector=one, k=12)]
    assert names == sorted(document.id for document in documents)[:12]


def test_a_query_vector_is_normalised_as_documents_are(tmp_path: Path) -> None:
    documents, vectors = corpus(20, seed=4)
    long = [vector * 7 for vector in vectors]
    with make_index(tmp_path / "i", documents, long, toy_recipe()) as index:
        query = unit_vectors(1, seed=5)[0]
        for asked in (query * 100, query.tolist()):
            check(index.search(vector=asked), brute_force(documents, vectors, query), 10)


def test_inner_products_where_the_recipe_does_not_normalise(tmp_path: Path) -> None:
    documents = [Document("long", "wing"), Document("near", "wing")]
    vectors = np.zeros((2, DIMENSIONS), dtype=np.float32)
    vectors[0, :2] = 3, 4
    vectors[1, 0] = 1
    recipe = toy_recipe(normalize=False)
    with make_index(tmp_path / "i", documents, list(vectors), recipe) as index:
        hits = index.search(vector=2 * vectors[1])
    assert [(hit.doc_id, hit.score) for hit in hits] == [("long", 6.0), ("near", 2.0)]


@pytest.fixture(scope="module", params=["HNSW16", "IVF16,Flat", "IVF16,PQ8x4", "PCA6,IVF16,Flat"])
def approximate(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, Vectors]:
    """3,000 passages in two segments, a third of them deleted again."""
    vectors = unit_vectors(COUNT, seed=6)
    documents = [
        Document(str(number), f"wing {number}", "", {"tenth": number % 10, "number": number})
        for number in range(COUNT)
    ]
    recipe = toy_recipe(views=("dense",), factory=request.param) | {"filters": {"fields": ["tenth"]}}
    folder = tmp_path_factory.mktemp("approximate") / "i"
    index = make_index(folder, documents, list(vectors), recipe, commits=2)
    with index.writer() as writer:
        writer.delete(DELETED)
    assert index.info()["trained"], "the index was to be trained"
    return index, vectors


def exact(vectors: Vectors, query: Vectors, numbers: list[int]) -> list[str]:
    scores = stored(vectors[numbers]) @ query.astype(np.float64)
    return [str(numbers[at]) for at in np.argsort(-scores)]


ALIVE = [number for number in range(COUNT) if number % 3]


@pytest.fixture
def proposals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many candidates FAISS was asked for, call by call."""
    asked = []

    def spy(index: Any, queries: Vectors, k: int, **options: Any) -> Any:
        asked.append(k)
        return search(index, queries, k, **options)

    search = faiss_index.search
    monkeypatch.setattr(faiss_index, "search", spy)
    return asked


def test_what_faiss_proposes_is_near_the_truth_and_rescored(
    approximate: tuple[Index, Vectors], proposals: list[int]
) -> None:
    """With a pool this shallow the 1,000 live rows of a segment are not few, and FAISS is asked."""
    index, vectors = approximate
    found = []
    for query in unit_vectors(20, seed=7):
        hits = index.search(vector=query, k=50, depth=50, nprobe=8)
        assert len(hits) == 50
        for hit in hits:
            assert hit.score == pytest.approx(stored(vectors[int(hit.doc_id)]) @ query, abs=1e-6)
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))
        truth = exact(vectors, query, ALIVE)[:50]
        found.append(len({hit.doc_id for hit in hits} & set(truth)) / 50)
    assert len(proposals) >= 40
    assert np.mean(found) >= RECALL[index.recipe.dense.factory]  # type: ignore[union-attr]


def test_deleted_documents_never_come_back(approximate: tuple[Index, Vectors]) -> None:
    index, vectors = approximate
    for name in DELETED[:20]:
        for options in ({}, {"depth": 50}):
            for hit in index.search(vector=vectors[int(name)], k=50, **options):
                assert int(hit.doc_id) % 3


@pytest.mark.parametrize("where", [{"tenth": 4}, {"number": {"lt": 12}}, {"number": {"in": [1, 2]}}])
def test_few_selected_rows_are_scored_exactly_and_all_found(
    approximate: tuple[Index, Vectors], where: dict[str, Any]
) -> None:
    index, vectors = approximate
    numbers = [
        number
        for number in ALIVE
        if ("tenth" in where and number % 10 == 4)
        or ("number" in where and (number < 12 if "lt" in where["number"] else number in (1, 2)))
    ]
    for query in unit_vectors(5, seed=8):
        hits = index.search(vector=query, k=1000, where=where)
        assert [hit.doc_id for hit in hits] == exact(vectors, query, numbers)


def test_as_many_hits_as_there_are_documents(approximate: tuple[Index, Vectors]) -> None:
    index, _ = approximate
    query = unit_vectors(1, seed=9)[0]
    assert len(index) == len(ALIVE)
    for k in (1, 10, 1500, len(ALIVE), 5000):
        assert len(index.search(vector=query, k=k, nprobe=1, ef_search=1)) == min(k, len(ALIVE))
        assert len(index.search(vector=query, k=k, unit="passage", nprobe=1)) == min(k, len(ALIVE))


def test_where_faiss_leaves_slots_empty_the_rows_are_scored_exactly(
    tmp_path: Path, proposals: list[int]
) -> None:
    """One list of four holds far fewer rows than are asked for."""
    vectors = unit_vectors(1200, seed=14)
    documents = [Document(str(number), "wing") for number in range(1200)]
    recipe = toy_recipe(views=("dense",), factory="IVF4,Flat")
    with make_index(tmp_path / "i", documents, list(vectors), recipe) as index:
        query = unit_vectors(1, seed=15)[0]
        names = [hit.doc_id for hit in index.search(vector=query, k=1000, nprobe=1)]
    assert proposals == [1000]
    assert names == exact(vectors, query, list(range(1200)))[:1000]


def test_faiss_is_asked_again_until_there_are_enough_documents(tmp_path: Path, proposals: list[int]) -> None:
    """One document has 600 passages, all nearer than any other's."""
    near = unit_vectors(1, seed=16)
    far = unit_vectors(600, seed=17)
    documents = [Document("many", "wing " * 6 * 600), *(Document(str(n), "wing") for n in range(600))]
    vectors = [near.repeat(600, axis=0), *far]
    recipe = toy_recipe(views=("dense",), factory="IVF4,Flat")
    with make_index(tmp_path / "i", documents, vectors, recipe) as index:
        names = [hit.doc_id for hit in index.search(vector=near[0], k=20, depth=20, nprobe=4)]
    assert proposals == [20, 40, 80, 160, 320, 640]
    assert names == ["many", *exact(far, near[0], list(range(600)))[:19]]


def test_a_segment_sealed_before_training_is_searched_with_the_others(tmp_path: Path) -> None:
    vectors = unit_vectors(1400, seed=10)
    documents = [Document(str(number), "wing") for number in range(1400)]
    index = Index.create(tmp_path / "i", toy_recipe(views=("dense",), factory="IVF4,Flat"))
    for start, end in ((0, 300), (300, 1400)):
        with index.writer() as writer:
            writer.add(documents[start:end], vectors[start:end])
        assert bool(index.info()["trained"]) == (end == 1400)
    query = unit_vectors(1, seed=11)[0]
    names = [hit.doc_id for hit in index.search(vector=query, k=1400, nprobe=4)]
    assert names == exact(vectors, query, list(range(1400)))


def test_without_kept_vectors_scores_come_from_the_faiss_index(tmp_path: Path) -> None:
    vectors = unit_vectors(1200, seed=12)
    documents = [Document(str(number), "wing", "", {"number": number}) for number in range(1200)]
    recipe = toy_recipe(views=("dense",), factory="IVF4,SQ8", keep_vectors=False)
    with make_index(tmp_path / "i", documents, list(vectors), recipe) as index:
        query = unit_vectors(1, seed=13)[0]
        hits = index.search(vector=query, k=10, nprobe=4)
        few = index.search(vector=query, k=10, where={"number": {"lt": 5}})
    assert {hit.doc_id for hit in few} == {"0", "1", "2", "3", "4"}
    for hit in [*hits, *few]:
        assert hit.score == pytest.approx(vectors[int(hit.doc_id)] @ query, abs=0.02)
    truth = exact(vectors, query, list(range(1200)))[:10]
    assert len({hit.doc_id for hit in hits} & set(truth)) >= 9

"""What LangChain's suites leave open: scores, thresholds, filters, refusals, passages with their offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieve import Document, Index, IndexExists, InputError, UsageError

pytest.importorskip("langchain_core", reason="needs the extra langchain")

from langchain_core.documents import Document as TheirDocument
from langchain_core.embeddings import DeterministicFakeEmbedding

from retrieve.bridges.langchain import IndexRetriever, IndexVectorStore

WORDS = {"name": "words", "passages": {"unit": "words", "mode": "whole"}, "bm25": {}}
TEXTS = ["wing flow", "wing heat", "court law", "cell blood"]
YEARS: list[dict[str, Any]] = [{"year": 2000 + number} for number in range(len(TEXTS))]
IDS = ["a", "b", "c", "d"]


@pytest.fixture
def words(tmp_path: Path) -> Iterator[IndexVectorStore]:
    with Index.create(tmp_path / "words", WORDS) as index:
        store = IndexVectorStore(index)
        store.add_texts(iter(TEXTS), YEARS, ids=IDS)
        yield store


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[IndexVectorStore]:
    embedding = DeterministicFakeEmbedding(size=16)
    store = IndexVectorStore.from_texts(TEXTS, embedding, YEARS, ids=IDS, path=tmp_path / "vectors")
    with store.index:
        yield store


def ids(found: list[TheirDocument]) -> list[str | None]:
    return [document.id for document in found]


def test_scores_fall_and_what_was_not_found_scores_zero(words: IndexVectorStore) -> None:
    found = words.similarity_search_with_score("heat", 9)
    assert found[0][0].id == "b" and len(found) == len(TEXTS)
    scores = [score for _, score in found]
    assert scores[0] > 0 and scores[1:] == [0.0, 0.0, 0.0]
    assert scores[0] == words.index.search("heat")[0].score
    with pytest.raises(UsageError, match="k is 0"):
        words.similarity_search("heat", 0)


def test_filters_are_ours_and_fill_within_themselves(words: IndexVectorStore) -> None:
    late = {"year": {"gte": 2002}}
    assert ids(words.similarity_search("heat court", 9, filter=late)) == ["c", "d"]
    assert ids(words.as_retriever(search_kwargs={"filter": late, "k": 1}).invoke("court")) == ["c"]
    with pytest.raises(UsageError, match="filter is a function"):
        words.similarity_search("heat", filter=lambda document: True)
    with pytest.raises(UsageError, match="unknown search options"):
        words.similarity_search("heat", fetch_k=20)
    with pytest.raises(UsageError, match="IndexRetriever"):
        words.similarity_search("heat", unit="passage")


def test_delete_by_filter_and_not_by_nothing(words: IndexVectorStore) -> None:
    assert words.delete(["a", "unknown"])
    assert words.delete(filter={"year": 2001})
    assert sorted(words.index.ids()) == ["c", "d"]
    with pytest.raises(UsageError, match="nothing to delete"):
        words.delete()
    with pytest.raises(UsageError, match="namespace"):
        words.delete(["c"], namespace="x")


@pytest.mark.parametrize("threshold", [0.0, 0.4, 1.0])
def test_a_threshold_cuts_relevance_between_0_and_1(
    words: IndexVectorStore, vectors: IndexVectorStore, threshold: float
) -> None:
    for store in (words, vectors):
        found = store.similarity_search_with_relevance_scores("wing heat", 4)
        assert all(0 <= score <= 1 for _, score in found)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        kept = store.as_retriever(
            search_type="similarity_score_threshold", search_kwargs={"score_threshold": threshold}
        )
        expected = [document.id for document, score in found if score >= threshold]
        assert ids(kept.invoke("wing heat")) == expected == ids(asyncio.run(kept.ainvoke("wing heat")))


@pytest.mark.parametrize(
    ("options", "mapped"),
    [
        ({"using": "dense"}, lambda score: max(score, 0.0)),
        ({"using": "bm25"}, lambda score: score / (1 + score)),
        ({"fusion": "convex"}, lambda score: score),
        ({"fusion": "z"}, lambda score: 0.5 + 0.5 * score / (1 + abs(score))),
        ({"fusion": "rrf"}, lambda score: score * 61 / 2),
        ({"fusion": "rrf", "weights": {"bm25": 3, "dense": 1}}, lambda score: score * 61 / 4),
    ],
)
def test_relevance_follows_the_way_of_searching(vectors: IndexVectorStore, options: Any, mapped: Any) -> None:
    raw = vectors.similarity_search_with_score("wing heat", 4, **options)
    found = vectors.similarity_search_with_relevance_scores("wing heat", 4, **options)
    assert [score for _, score in found] == pytest.approx([mapped(score) for _, score in raw])
    best = found[0][1]
    assert best == pytest.approx(1, abs=1e-3) or options in ({"using": "bm25"}, {"fusion": "z"})


def test_scores_without_a_range_are_refused(vectors: IndexVectorStore) -> None:
    for options in ({"using": "dense", "aggregate": "sum"}, {"reranker": "model"}):
        with pytest.raises(UsageError, match=r"0…1"):
            vectors.similarity_search_with_relevance_scores("wing", **options)


def test_marginal_relevance_is_refused_by_name(words: IndexVectorStore) -> None:
    with pytest.raises(UsageError, match="marginal relevance"):
        words.as_retriever(search_type="mmr").invoke("wing")
    with pytest.raises(UsageError, match="marginal relevance"):
        words.max_marginal_relevance_search_by_vector([0.0])


def test_own_vectors_are_ranked_by_cosine(vectors: IndexVectorStore) -> None:
    embedding = DeterministicFakeEmbedding(size=16)
    rows = np.array(embedding.embed_documents(TEXTS))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    asked = np.array(embedding.embed_query("anything"))
    order = [IDS[at] for at in np.argsort(-(rows @ asked))]
    assert ids(vectors.similarity_search_by_vector(asked.tolist(), 4)) == order
    assert ids(vectors.similarity_search("anything", 4, using="dense")) == order
    assert ids(asyncio.run(vectors.asimilarity_search_by_vector(asked.tolist(), 2))) == order[:2]
    assert vectors.embeddings == embedding


def test_from_texts_makes_an_index_that_opens_again(tmp_path: Path) -> None:
    embedding = DeterministicFakeEmbedding(size=16)
    documents = [TheirDocument(text, id=name) for text, name in zip(TEXTS, IDS, strict=True)]
    with IndexVectorStore.from_documents(documents, embedding, path=tmp_path / "index").index:
        pass
    with Index.open(tmp_path / "index") as index:
        assert ids(IndexVectorStore(index, embedding).similarity_search("court law", 1)) == ["c"]
    with pytest.raises(IndexExists):
        IndexVectorStore.from_texts(TEXTS, embedding, path=tmp_path / "index")
    with pytest.raises(UsageError, match="path="):
        IndexVectorStore.from_texts(TEXTS, embedding)
    with IndexVectorStore.from_texts(TEXTS, recipe=WORDS, path=tmp_path / "words").index as index:
        assert len(index) == len(TEXTS)


def test_an_embedding_and_an_encoder_do_not_go_together(
    words: IndexVectorStore, vectors: IndexVectorStore
) -> None:
    with pytest.raises(UsageError, match="leave embedding out"):
        IndexVectorStore(words.index, DeterministicFakeEmbedding(size=16))
    with pytest.raises(UsageError, match="give embedding="):
        IndexVectorStore(vectors.index)


def test_what_cannot_be_added_is_said(words: IndexVectorStore) -> None:
    with pytest.raises(UsageError, match="2 texts and 1 ids"):
        words.add_texts(["x", "y"], ids=["x"])
    with pytest.raises(UsageError, match="2 texts and 1 metadatas"):
        words.add_texts(["x", "y"], [{}])
    with pytest.raises(InputError, match=r"metadata\.at"):
        words.add_texts(["x"], [{"at": np.float32(1)}], ids=["x"])
    with pytest.raises(UsageError, match="batch_size"):
        words.add_texts(["x"], batch_size=3)
    assert len(words.index) == len(TEXTS)
    assert words.add_texts([]) == []


def test_many_at_once_wait_for_each_other(words: IndexVectorStore) -> None:
    async def add() -> None:
        await asyncio.gather(*(words.aadd_texts(["module"], ids=[f"m{n}"]) for n in range(5)))

    asyncio.run(add())
    assert len(words.index) == len(TEXTS) + 5


@pytest.fixture
def long_documents(tmp_path: Path) -> Iterator[Index]:
    recipe = {"name": "windows", "passages": {"unit": "words", "size": 8, "overlap": 2}, "bm25": {}}
    text = "The carrier is liable for damage. " * 4 + "A passenger pays the fare. " * 4
    with Index.create(tmp_path / "long", recipe) as index:
        index.add([Document("law", text, "Carriage", {"year": 1999}), Document("other", "Nothing here.")])
        yield index


def test_a_retriever_gives_passages_that_are_there(long_documents: Index) -> None:
    found = IndexRetriever(index=long_documents, k=3, filter={"year": 1999}).invoke("fare of a passenger")
    assert len(found) == 3
    document = long_documents.get("law")
    assert document is not None
    for passage in found:
        place = passage.metadata["retrieve"]
        assert passage.page_content == document.text[place["start"] : place["end"]]
        assert (place["doc_id"], place["title"], passage.metadata["year"]) == ("law", "Carriage", 1999)
    hits = long_documents.search("fare of a passenger", 3, unit="passage")
    assert [passage.metadata["retrieve"]["score"] for passage in found] == [hit.score for hit in hits]
    assert found[0].id == f"law#{hits[0].passages[0].position}"


def test_a_retriever_of_documents_shows_their_titles(long_documents: Index) -> None:
    (found,) = IndexRetriever(index=long_documents, options={"unit": "document"}).invoke("fare")
    assert found.id == "law" and found.metadata == {"title": "Carriage", "year": 1999}
    assert found.page_content == getattr(long_documents.get("law"), "text")  # noqa: B009
    assert IndexRetriever(index=long_documents).invoke("zebra") == []


def test_a_key_of_ours_in_the_metadata_is_said(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", WORDS) as index:
        index.add([Document("x", "wing", "", {"retrieve": 1})])
        with pytest.raises(UsageError, match="'retrieve'"):
            IndexRetriever(index=index).invoke("wing")

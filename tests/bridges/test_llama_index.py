"""The LlamaIndex vector store: nodes come back whole, updates and deletes as theirs, modes, k nodes always."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from toy_index import unit_vectors

from retrieve import Document, Index, UsageError

pytest.importorskip("llama_index.core", reason="needs the extra llama-index")

from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import Document as TheirDocument
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from retrieve.bridges.llama_index import IndexVectorStore

WORDS = {"name": "words", "passages": {"unit": "words", "mode": "whole"}, "bm25": {}}
DIMENSIONS = 8
VECTORS = {**WORDS, "dense": {"model": "none", "dimensions": DIMENSIONS, "storage": "float32"}}
TEXTS = ["wing flow", "wing heat", "court law", "cell blood", "gene query"]


def nodes(*, vectors: bool = False) -> list[TextNode]:
    """Five nodes, the first two of the source s0, the next two of s1, the last of none."""
    own = unit_vectors(len(TEXTS), 0)
    made = [
        TextNode(
            id_=f"n{number}",
            text=text,
            metadata={"year": 2000 + number, "doc_id": "mine"},
            embedding=own[number].tolist() if vectors else None,
        )
        for number, text in enumerate(TEXTS)
    ]
    for number, node in enumerate(made[:4]):
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"s{number // 2}")
    return made


@pytest.fixture
def words(tmp_path: Path) -> Iterator[IndexVectorStore]:
    with Index.create(tmp_path / "words", WORDS) as index:
        store = IndexVectorStore(index)
        assert store.add(nodes()) == ["n0", "n1", "n2", "n3", "n4"]
        yield store


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[IndexVectorStore]:
    with Index.create(tmp_path / "vectors", VECTORS) as index:
        store = IndexVectorStore(index)
        store.add(nodes(vectors=True))
        yield store


def query(store: IndexVectorStore, text: str | None = "wing", k: int = 2, **asked: object) -> list[str]:
    result = store.query(VectorStoreQuery(query_str=text, similarity_top_k=k, **asked))
    assert result.nodes is not None and result.ids is not None and result.similarities is not None
    assert [node.node_id for node in result.nodes] == result.ids
    assert len(result.similarities) == len(result.ids)
    assert all(type(score) is float for score in result.similarities)
    assert result.similarities == sorted(result.similarities, reverse=True)
    return result.ids


@pytest.mark.parametrize(
    "node",
    [
        TextNode(id_="x", text="wing", metadata={"a": [1, "b"], "_node_type": "mine", "ref_doc_id": None}),
        TextNode(id_="x", text="wing", excluded_embed_metadata_keys=["a"], text_template="{content}!"),
        IndexNode(id_="x", text="wing", index_id="other"),
        ImageNode(id_="x", text="wing", image_url="https://example.org/wing.png"),
        Node(id_="x", text_resource={"text": "wing"}),
    ],
    ids=lambda node: type(node).__name__,
)
def test_a_node_comes_back_whole(tmp_path: Path, node: TextNode) -> None:
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="s", metadata={"page": 3})
    before = node.model_dump()
    with Index.create(tmp_path / "index", WORDS) as index:
        store = IndexVectorStore(index)
        store.add([node])
        assert node.model_dump() == before  # and nothing was put on it
        (found,) = store.get_nodes(["x", "unknown"])
    assert type(found) is type(node)
    assert found.model_dump() == before


def test_the_same_id_again_replaces_text_and_metadata_whole(words: IndexVectorStore) -> None:
    words.add([TextNode(id_="n0", text="first"), TextNode(id_="n0", text="pressure", metadata={"new": 1})])
    (found,) = words.get_nodes(["n0"])
    assert found.get_content() == "pressure" and found.metadata == {"new": 1} and found.ref_doc_id is None
    assert query(words, "pressure", 1) == ["n0"]
    assert len(words.get_nodes()) == 5


def test_delete_is_by_source_and_silent_of_unknown_ones(words: IndexVectorStore) -> None:
    words.delete("s0")
    words.delete("unknown")
    words.delete("n2")  # a node's id is no source's
    assert {node.node_id for node in words.get_nodes()} == {"n2", "n3", "n4"}


def test_delete_nodes_is_by_id_and_filter(words: IndexVectorStore) -> None:
    late = MetadataFilters(filters=[MetadataFilter(key="year", operator=">=", value=2002)])
    words.delete_nodes(["n0", "unknown"])
    words.delete_nodes(["n1", "n2"], late)  # both must hold
    assert {node.node_id for node in words.get_nodes()} == {"n1", "n3", "n4"}
    words.delete_nodes([])
    words.delete_nodes(filters=late)
    assert {node.node_id for node in words.get_nodes()} == {"n1"}
    with pytest.raises(UsageError, match=r"clear\(\)"):
        words.delete_nodes()
    with pytest.raises(UsageError, match=r"clear\(\)"):
        words.delete_nodes(filters=MetadataFilters(filters=[]))
    words.clear()
    assert words.get_nodes() == []
    words.clear()


def test_k_nodes_always_the_unfound_ones_last_at_zero(words: IndexVectorStore) -> None:
    assert query(words, "wing", 2) == ["n0", "n1"]
    result = words.query(VectorStoreQuery(query_str="heat", similarity_top_k=3))
    assert result.ids is not None and result.ids[0] == "n1" and len(set(result.ids)) == 3
    assert result.similarities is not None and result.similarities[0] > 0 == result.similarities[1]
    assert len(query(words, "heat", 9)) == 5
    early = MetadataFilters(filters=[MetadataFilter(key="year", operator="<", value=2002)])
    assert query(words, "court", 9, filters=early) == ["n0", "n1"]
    with pytest.raises(UsageError, match="k is 0"):  # theirs gives everything
        query(words, "heat", 0)


def test_node_and_source_ids_restrict_a_query(words: IndexVectorStore) -> None:
    assert query(words, "wing", 5, doc_ids=["s1", "unknown"]) == ["n2", "n3"]
    assert query(words, "wing", 5, node_ids=["n1", "n4"]) == ["n1", "n4"]
    assert query(words, "wing", 5, node_ids=["n1", "n4"], doc_ids=["s0"]) == ["n1"]
    assert query(words, "wing", 5, doc_ids=[]) == []
    assert len(query(words, "wing", 5, node_ids=[])) == 5  # as their index asks of a store that keeps text


def test_vectors_are_ranked_as_their_store_ranks_them(vectors: IndexVectorStore) -> None:
    theirs = SimpleVectorStore()
    theirs.add(nodes(vectors=True))
    for seed in range(5):
        asked = VectorStoreQuery(query_embedding=unit_vectors(1, 50 + seed)[0].tolist(), similarity_top_k=4)
        ours, reference = vectors.query(asked), theirs.query(asked)
        assert ours.ids == reference.ids
        assert np.allclose(ours.similarities, reference.similarities, atol=1e-6)


def test_alpha_weighs_words_against_vectors(vectors: IndexVectorStore) -> None:
    asked = {"query_embedding": unit_vectors(len(TEXTS), 0)[3].tolist(), "mode": VectorStoreQueryMode.HYBRID}
    assert query(vectors, "court law", 1, alpha=1.0, **asked) == ["n3"]
    assert query(vectors, "court law", 1, alpha=0.0, **asked) == ["n2"]
    assert len(query(vectors, "court law", 1, hybrid_top_k=3, **asked)) == 3
    with pytest.raises(UsageError, match="alpha is 2"):
        query(vectors, "court law", 1, alpha=2.0, **asked)


def test_modes_of_words_and_those_there_are_not(vectors: IndexVectorStore) -> None:
    for mode in (VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE):
        assert query(vectors, "court law", 1, mode=mode) == ["n2"]
    for mode in ("mmr", "svm", "semantic_hybrid", "linear_regression", "logistic_regression"):
        with pytest.raises(UsageError, match=mode):
            query(vectors, mode=VectorStoreQueryMode(mode), query_embedding=[0.0] * DIMENSIONS)
    with pytest.raises(UsageError, match="query_embedding"):
        query(vectors, "court")
    with pytest.raises(UsageError, match="output_fields"):
        query(vectors, "court", output_fields=["text"])


def test_an_index_with_an_encoder_is_asked_by_text(tmp_path: Path, tiny_encoder: Path) -> None:
    with Index.create(tmp_path / "index", "hybrid", [f"dense.model={tiny_encoder}"], cache=False) as index:
        store = IndexVectorStore(index)
        assert not store.is_embedding_query
        store.add(nodes())
        hits = index.search("court law", 5)
        assert query(store, "court law", 5) == [hit.doc_id for hit in hits]
        with pytest.raises(UsageError, match="query_str"):
            query(store, None, query_embedding=[0.0] * 32)


def test_a_document_that_came_another_way_is_a_text_node(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", WORDS) as index:
        index.add([Document("d", "wing flow", "Wings", {"tags": ["a"]})])
        store = IndexVectorStore(index)
        (node,) = store.get_nodes()
        assert (node.node_id, node.get_content()) == ("d", "wing flow")
        assert node.metadata == {"title": "Wings", "tags": ["a"]}
        tagged = MetadataFilters(filters=[MetadataFilter(key="tags", operator="contains", value="a")])
        assert query(store, "wing", 1, filters=tagged) == ["d"]


def test_their_index_over_our_store(words: IndexVectorStore) -> None:
    """What an application does: from documents, inserts, deletes by source, retrieves; also in its event loop."""
    index = VectorStoreIndex.from_documents(
        [TheirDocument(text="pressure of a boundary layer", id_="source", metadata={"year": 1950})],
        storage_context=StorageContext.from_defaults(vector_store=words),
        embed_model=MockEmbedding(embed_dim=1),
    )
    retriever = index.as_retriever(similarity_top_k=1)
    assert retriever.retrieve("boundary layer")[0].node.ref_doc_id == "source"
    assert asyncio.run(retriever.aretrieve("boundary layer"))[0].node.metadata == {"year": 1950}
    index.delete_ref_doc("source")
    assert retriever.retrieve("boundary layer")[0].node.ref_doc_id != "source"
    opened = VectorStoreIndex.from_vector_store(words, embed_model=MockEmbedding(embed_dim=1))
    assert opened.as_retriever(similarity_top_k=2).retrieve("wing")[0].node.node_id == "n0"


def test_async_variants_do_the_same(words: IndexVectorStore) -> None:
    async def use() -> list[str]:
        await asyncio.gather(*(words.async_add([TextNode(id_=f"m{n}", text="module")]) for n in range(3)))
        await words.adelete("s0")
        await words.adelete_nodes(["n2"])
        result = await words.aquery(VectorStoreQuery(query_str="module", similarity_top_k=3))
        assert result.ids == ["m0", "m1", "m2"]
        return [node.node_id for node in await words.aget_nodes()]

    assert sorted(asyncio.run(use())) == ["m0", "m1", "m2", "n3", "n4"]


def test_what_is_not_known_is_refused(words: IndexVectorStore) -> None:
    with pytest.raises(UsageError, match="batch"):
        words.add([], batch=3)
    with pytest.raises(UsageError, match="_retrieve"):
        words.add([TextNode(id_="x", text="wing", metadata={"_retrieve": 1})])

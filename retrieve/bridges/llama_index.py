"""LlamaIndex over an index: a vector store that keeps the nodes themselves, text and all.

A node is one document; what a node has beside text and metadata (relationships, templates, its class) stands under one
metadata key of ours, so that its metadata are the user's own and filters reach them by their names.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retrieve.api import Index
from retrieve.bridges.filled import filled
from retrieve.errors import MissingExtra, UsageError
from retrieve.fork_safety import ForkSafeLock
from retrieve.types import Document, Hit
from retrieve.views.registry import vector_views

try:
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import BaseNode, TextNode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
except ImportError as error:
    raise MissingExtra("retrieve.bridges.llama_index", "llama-index") from error

from retrieve.bridges.llama_filters import OWN, Where, both, shapes, strings_looked_into, where_of


class IndexVectorStore(BasePydanticVectorStore):
    """An index as a LlamaIndex vector store. Similarities are the index's scores: larger is better.

    An index of own vectors (`dense.model = "none"`) takes the embeddings of nodes and queries. Any other one encodes
    for itself, or searches words, and leaves embeddings alone: `is_embedding_query` is False then, and
    `MockEmbedding(embed_dim=1)` spares LlamaIndex the work. A query gives k nodes if there are k that its filters
    select: those in which nothing was found come last, at 0. Its modes are `default`, `hybrid`, `text_search` and
    `sparse`.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    _index: Index = PrivateAttr()
    _writing: ForkSafeLock = PrivateAttr(default_factory=ForkSafeLock)

    def __init__(self, index: Index) -> None:
        encoding = index.recipe.encoding
        super().__init__(stores_text=True, is_embedding_query=encoding is not None and encoding.own_vectors)
        self._index = index

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex writes for this class."""
        return "RetrieveIndexVectorStore"

    @property
    def client(self) -> Index:
        """The index."""
        return self._index

    # -- writing ----------------------------------------------------------------------------------------------

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add or replace nodes by their ids, as one commit; returns the ids in the nodes' order.

        Raises `InputError` for metadata that JSON cannot hold.
        """
        _refuse_unknown("add", kwargs)
        vectors = None
        if self.is_embedding_query:
            vectors = [np.asarray(node.get_embedding(), dtype=np.float32) for node in nodes]
        with self._writing:
            self._index.add([_document(node) for node in nodes], vectors)
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete all nodes of a source document (`node.ref_doc_id`); an unknown one is passed over."""
        _refuse_unknown("delete", delete_kwargs)
        self._delete({f"{OWN}.ref_doc_id": {"eq": ref_doc_id}})

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete nodes by id, by filter, or those of the ids that the filter selects; unknown ids are passed over.

        Raises `UsageError` without either: `clear` deletes all.
        """
        _refuse_unknown("delete_nodes", delete_kwargs)
        where = self._where(filters)
        if node_ids is None and not where:
            raise UsageError("nothing to delete: give node_ids, filters, or both; clear() deletes every node")
        self._delete(where, node_ids)

    def clear(self) -> None:
        """Delete every node."""
        with self._writing:
            self._index.delete(list(self._index.ids()))

    def _delete(self, where: Where, ids: Sequence[str] | None = None) -> None:
        with self._writing:
            selected = set(self._index.ids(both(where)))
            self._index.delete(selected if ids is None else [one for one in ids if one in selected])

    # -- reading ----------------------------------------------------------------------------------------------

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """The nodes of these ids that are there and that the filter selects; without either, all of them."""
        selected = self._index.ids(both(self._where(filters)))
        if node_ids is not None:
            known = set(selected)
            selected = (one for one in node_ids if one in known)
        return [_node(document) for document in self._index.get_many(selected) if document is not None]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The best nodes of a query, with their scores; `kwargs` are options of `Index.search`.

        `default`: by the query's vector where the index has own vectors, else by its text in all views. `hybrid`: all
        views, weighted by `alpha` (1: vectors alone) if it is given; `text_search`: BM25; `sparse`: learned sparse
        weights where there are any, else BM25. Raises `UsageError` for other modes and for what a query lacks.
        """
        if refused := [name for name in ("output_fields", "embedding_field") if getattr(query, name)]:
            raise UsageError(f"a query's {refused} are not known to an index: leave them out")
        where = both(
            self._where(query.filters),
            # Their index asks with an empty list of every store that keeps text: it means no restriction.
            _among("node_id", query.node_ids or None),
            _among("ref_doc_id", query.doc_ids),
        )
        k, hits = self._hits(query, where, kwargs)
        found = filled(self._index, hits, k, where)
        documents = self._index.get_many(doc_id for doc_id, _ in found)
        there = [
            (document, score)
            for document, (_, score) in zip(documents, found, strict=True)
            if document is not None  # deleted since the search
        ]
        return VectorStoreQueryResult(
            nodes=[_node(document) for document, _ in there],
            similarities=[score for _, score in there],
            ids=[document.id for document, _ in there],
        )

    def _hits(
        self, query: VectorStoreQuery, where: Where | None, options: dict[str, Any]
    ) -> tuple[int, list[Hit]]:
        """How many are asked for, and the hits."""
        k = query.similarity_top_k
        text, vector = query.query_str, query.query_embedding if self.is_embedding_query else None
        views = self._index.recipe.views
        match query.mode:
            case VectorStoreQueryMode.DEFAULT:
                if self.is_embedding_query:
                    text = None
            case VectorStoreQueryMode.HYBRID:
                k = query.hybrid_top_k or k
                options = {"using": "hybrid", **self._weights(query.alpha), **options}
            case VectorStoreQueryMode.TEXT_SEARCH:
                vector, options = None, {"using": "bm25", **options}
            case VectorStoreQueryMode.SPARSE:
                k = query.sparse_top_k or k
                vector, options = None, {"using": "splade" if "splade" in views else "bm25", **options}
            case _:
                raise UsageError(
                    f"an index has no query mode {query.mode.value!r}: take default, hybrid, text_search or sparse"
                )
        wants_vector = self.is_embedding_query and query.mode in (
            VectorStoreQueryMode.DEFAULT,
            VectorStoreQueryMode.HYBRID,
        )
        if wants_vector and vector is None:
            raise UsageError(
                f"a query of mode {query.mode.value!r} wants query_embedding: this index has no encoder"
            )
        if vector is None and text is None:
            raise UsageError(
                f"a query of mode {query.mode.value!r} wants query_str: {self._index!r} takes texts"
            )
        given = None if vector is None else np.asarray(vector, dtype=np.float32)
        fixed = {"unit": "document", "passages": 1}
        return k, self._index.search(text, k, vector=given, where=where, **{**options, **fixed})

    def _weights(self, alpha: float | None) -> dict[str, Any]:
        """`alpha` for the views of vectors, the rest for the others."""
        if alpha is None:
            return {}
        if not 0 <= alpha <= 1:
            raise UsageError(f"alpha is {alpha}: wanted a number from 0 (words) to 1 (vectors)")
        of_vectors = vector_views(self._index.recipe)
        views = self._index.recipe.views
        return {"weights": {name: alpha if name in of_vectors else 1 - alpha for name in views}}

    def _where(self, filters: MetadataFilters | None) -> Where:
        where = where_of(filters)
        for key, strings in strings_looked_into(filters):
            for node_id in self._index.ids(strings):
                raise UsageError(
                    f"the metadata {key!r} of node {node_id!r} is a string: contains, any and all look for parts "
                    f"of it, which filters of an index do not; take == or in, or store a list"
                )
        return where

    # -- in a thread ------------------------------------------------------------------------------------------

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """`add`, in a thread."""
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """`delete`, in a thread."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """`delete_nodes`, in a thread."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    async def aclear(self) -> None:
        """`clear`, in a thread."""
        await asyncio.to_thread(self.clear)

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """`get_nodes`, in a thread."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """`query`, in a thread."""
        return await asyncio.to_thread(self.query, query, **kwargs)


def _document(node: BaseNode) -> Document:
    written = node_to_metadata_dict(node, remove_text=True)
    content = json.loads(written["_node_content"])
    metadata = content.pop("metadata")
    if OWN in metadata:
        raise UsageError(
            f"node {node.node_id!r} has metadata {OWN!r}, where its own parts are kept: rename it"
        )
    own = {
        "node": json.dumps(content, ensure_ascii=False),
        "type": written["_node_type"],
        "node_id": node.node_id,
        "ref_doc_id": node.ref_doc_id,
        **shapes(metadata),
    }
    return Document(node.node_id, node.get_content(), "", {**metadata, OWN: own})


def _node(document: Document) -> BaseNode:
    """A node as it was added; of a document that came another way a `TextNode`, its title in the metadata."""
    metadata = dict(document.metadata)
    own = metadata.pop(OWN, None)
    if own is None:
        title = {"title": document.title} if document.title else {}
        return TextNode(id_=document.id, text=document.text, metadata={**title, **metadata})
    content = {**json.loads(own["node"]), "metadata": metadata}
    return metadata_dict_to_node(
        {"_node_content": json.dumps(content), "_node_type": own["type"]}, text=document.text
    )


def _among(field: str, wanted: Sequence[str] | None) -> Where:
    return {} if wanted is None else {f"{OWN}.{field}": {"in": list(wanted)}}


def _refuse_unknown(name: str, kwargs: Mapping[str, Any]) -> None:
    if kwargs:
        raise UsageError(f"{name} does not know {sorted(kwargs)}: leave them out")

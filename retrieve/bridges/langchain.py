"""LangChain over an index: a vector store of its documents, and a retriever of its passages.

The store is what LangChain's own suite wants: a document comes back as it was added, and a search gives k of them. The
retriever is what a prompt wants: passages with their offsets, and only those that were found.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.api import Index
from retrieve.api.runs import passage_id
from retrieve.bridges.filled import filled
from retrieve.bridges.relevance import relevance
from retrieve.errors import MissingExtra, UsageError
from retrieve.fork_safety import ForkSafeLock
from retrieve.recipe import Recipe
from retrieve.search.options import SearchOptions, options_by_name
from retrieve.types import Document as StoredDocument
from retrieve.types import Hit
from retrieve.views.registry import vector_views

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore
    from pydantic import ConfigDict, Field
except ImportError as error:
    raise MissingExtra("retrieve.bridges.langchain", "langchain") from error

PLACE = "retrieve"
"""The metadata key under which a passage of `IndexRetriever` says where it is from."""

_OF_PASSAGES = frozenset({"unit", "passages"})


class IndexVectorStore(VectorStore):
    """An index as a LangChain vector store: one `Document` of theirs is one document of ours.

    Ids are strings; a document whose id is there replaces it whole; metadata come back as they were given, and must be
    JSON. Scores: larger is better. `filter=` takes the filter language of `Index.search`, and further keyword arguments
    of a search are its options (`using=`, `fusion=`, …). A search gives k documents if there are k that the filter
    selects: those in which nothing was found come last, with score 0.
    """

    def __init__(self, index: Index, embedding: Embeddings | None = None) -> None:
        """`embedding`: for an index of own vectors (`dense.model = "none"`) alone, which has no encoder."""
        own = _takes_own_vectors(index.recipe)
        if own and embedding is None:
            raise UsageError(f"{index!r} has no encoder: give embedding=, which makes its vectors")
        if not own and embedding is not None:
            raise UsageError(
                f"{index!r} does not take vectors of others: leave embedding out, or build it with "
                f'dense.model = "none" and dense.dimensions'
            )
        self.index = index
        self._embedding = embedding
        self._writing = ForkSafeLock()

    @classmethod
    def from_texts(  # type: ignore[override]
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | Path | None = None,
        recipe: str | Path | Mapping[str, Any] | Recipe | None = None,
    ) -> IndexVectorStore:
        """Make an index at `path` and add the texts, in one commit.

        Without a recipe it is BM25 and the vectors of `embedding`, whole texts as they are; without an embedding either
        it is the recipe `hybrid`. Raises `IndexExists` where there is one: open that, and `add_texts`.
        """
        if path is None:
            raise UsageError(
                "from_texts makes an index on the disk: give path=, such as path='laws.index' or a temporary folder's"
            )
        texts = list(texts)
        vectors = None if embedding is None else embedding.embed_documents(texts)
        if recipe is None and embedding is not None:
            width = len(vectors[0] if vectors else embedding.embed_query("dimensions"))
            recipe = {
                "name": "langchain",
                "passages": {"unit": "words", "mode": "whole"},
                "bm25": {},
                "dense": {"model": "none", "dimensions": width},
            }
        store = cls(Index.create(path, "hybrid" if recipe is None else recipe), embedding)
        store._add(texts, metadatas, ids, vectors)
        return store

    @property
    def embeddings(self) -> Embeddings | None:
        """What makes the vectors, if that is not the index's own encoder."""
        return self._embedding

    # -- writing ----------------------------------------------------------------------------------------------

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add or replace, as one commit; returns the ids in the texts' order. Of an id given twice the last one stays.

        A text without an id (None) gets a random one. Raises `InputError` for metadata that JSON cannot hold.
        """
        _refuse_unknown("add_texts", kwargs)
        texts = list(texts)
        vectors = None if self._embedding is None else self._embedding.embed_documents(texts)
        return self._add(texts, metadatas, ids, vectors)

    def _add(
        self,
        texts: Sequence[str],
        metadatas: Sequence[Mapping[str, Any]] | None,
        ids: Sequence[str | None] | None,
        vectors: Sequence[Sequence[float]] | None,
    ) -> list[str]:
        for name, given in (("metadatas", metadatas), ("ids", ids)):
            if given and len(given) != len(texts):
                raise UsageError(f"{len(texts)} texts and {len(given)} {name}: give one for each text")
        names = [str(uuid.uuid4()) if name is None else str(name) for name in ids or [None] * len(texts)]
        documents = [
            StoredDocument(name, text, "", dict(metadata or {}))
            for name, text, metadata in zip(names, texts, metadatas or [{}] * len(texts), strict=True)
        ]
        with self._writing:
            self.index.add(documents, None if vectors is None else map(_vector, vectors))
        return names

    def delete(self, ids: list[str] | None = None, *, filter: Any = None, **kwargs: Any) -> bool:
        """Delete by id, by filter, or both; unknown ids are passed over. Raises `UsageError` without either."""
        _refuse_unknown("delete", kwargs)
        with self._writing:
            self.index.delete(ids, _where(filter))
        return True

    # -- reading ----------------------------------------------------------------------------------------------

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents that are there, in the order of their ids."""
        return [_theirs(document) for document in self.index.get_many(ids) if document is not None]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The k best documents, best first."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        *,
        filter: Any = None,
        **options: Any,
    ) -> list[tuple[Document, float]]:
        """The k best documents with their scores, as the index gives them: larger is better."""
        vector = None
        if self._embedding is not None and set(self._asked(options).named) & set(
            vector_views(self.index.recipe)
        ):
            vector = _vector(self._embedding.embed_query(query))
        return self._search(query, vector, k, filter, options)

    def similarity_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Any = None,
        **options: Any,
    ) -> list[Document]:
        """The k best documents for a vector, by the index's vectors alone."""
        return [document for document, _ in self._search(None, _vector(embedding), k, filter, options)]

    def _search(
        self,
        query: str | None,
        vector: npt.NDArray[np.float32] | None,
        k: int,
        wanted: Any,
        options: dict[str, Any],
    ) -> list[tuple[Document, float]]:
        self._asked(options)
        where = _where(wanted)
        hits = self.index.search(
            query, k, vector=vector, where=where, **{**options, "unit": "document", "passages": 1}
        )
        found = filled(self.index, hits, k, where)
        documents = self.index.get_many(doc_id for doc_id, _ in found)
        return [
            (_theirs(document), score)
            for document, (_, score) in zip(documents, found, strict=True)
            if document is not None  # deleted since the search
        ]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return self._relevance({})

    def _relevance(self, options: Mapping[str, Any]) -> Callable[[float], float]:
        asked = {name: value for name, value in options.items() if name != "filter"}
        return relevance(self.index.recipe, self._asked(asked))

    def _asked(self, options: Mapping[str, Any]) -> SearchOptions:
        """The options of a search for documents, checked."""
        if refused := sorted(options.keys() & _OF_PASSAGES):
            raise UsageError(
                f"{refused} are of passages, a vector store gives documents: take IndexRetriever"
            )
        return options_by_name(self.index.recipe, 1, {**options, "unit": "document"})

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """With scores brought to 0…1 for `score_threshold`: `retrieve.bridges.relevance` says how."""
        scored = self._relevance(kwargs)
        found = self.similarity_search_with_score(query, k, **kwargs)
        return [(document, scored(score)) for document, score in found]

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        scored = self._relevance(kwargs)
        found = await self.asimilarity_search_with_score(query, k, **kwargs)
        return [(document, scored(score)) for document, score in found]

    def max_marginal_relevance_search(self, *_: Any, **__: Any) -> list[Document]:
        """Refused."""
        raise UsageError(
            "an index does not search by marginal relevance: take search_type='similarity' (passages that repeat each "
            "other are joined by retrieve.rag.context), or langchain_core's maximal_marginal_relevance over "
            "index.vectors(ids)"
        )

    def max_marginal_relevance_search_by_vector(self, *_: Any, **__: Any) -> list[Document]:
        """Refused, as `max_marginal_relevance_search`."""
        return self.max_marginal_relevance_search()


class IndexRetriever(BaseRetriever):
    """The k best passages of an index, or documents; fewer where fewer are found.

    A passage's `page_content` is its text, its id the document's, `#` and its position, its metadata those of the
    document and under `retrieve` the place: `doc_id`, `title`, `start` and `end` in characters, `score`. `filter` and
    `options` are those of `Index.search`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: Index
    k: int = 4
    filter: Mapping[str, Any] | str | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        passages = self.options.get("unit") in (None, "passage")
        options = {"aggregate": "max", **self.options, "unit": "passage"} if passages else self.options
        hits = self.index.search(query, self.k if k is None else k, where=_where(self.filter), **options)
        if passages:
            return [_passage(hit) for hit in hits]
        found = self.index.get_many(hit.doc_id for hit in hits)
        return [_theirs(document) for document in found if document is not None]


def _takes_own_vectors(recipe: Recipe) -> bool:
    return recipe.encoding is not None and recipe.encoding.own_vectors


def _vector(values: Sequence[float]) -> npt.NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _where(given: Any) -> Mapping[str, Any] | str | None:
    if callable(given):
        raise UsageError(
            "filter is a function, which an index would have to ask for every document: wanted a filter such as "
            '{"year": {"gte": 2015}}'
        )
    return given  # type: ignore[no-any-return]


def _refuse_unknown(name: str, kwargs: Mapping[str, Any]) -> None:
    if kwargs:
        raise UsageError(f"{name} does not know {sorted(kwargs)}: leave them out")


def _theirs(document: StoredDocument) -> Document:
    """A document as it was added through the store; a title, which it then has not, stands in its metadata."""
    title = {"title": document.title} if document.title else {}
    return Document(id=document.id, page_content=document.text, metadata={**title, **document.metadata})


def _passage(hit: Hit) -> Document:
    (passage,) = hit.passages
    if PLACE in hit.metadata:
        raise UsageError(
            f"document {hit.doc_id!r} has metadata {PLACE!r}, where a passage says its place: rename it, or take "
            f"options={{'unit': 'document'}}"
        )
    place = {
        "doc_id": hit.doc_id,
        "title": hit.title,
        "start": passage.start,
        "end": passage.end,
        "score": hit.score,
    }
    return Document(
        id=passage_id(hit.doc_id, passage.position),
        page_content=passage.text,
        metadata={**hit.metadata, PLACE: place},
    )

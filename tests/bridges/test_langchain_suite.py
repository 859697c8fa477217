"""LangChain's own suites for vector stores and retrievers, over indexes of words, own vectors and an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_models import WORDS

from retrieve import Document, Index

suites = pytest.importorskip(
    "langchain_tests.integration_tests", reason="needs the extra dev (langchain-tests)"
)

from langchain_core.embeddings import DeterministicFakeEmbedding  # noqa: E402

from retrieve.bridges.langchain import IndexRetriever, IndexVectorStore  # noqa: E402

WORDS_ALONE = {"name": "words", "passages": {"unit": "words", "mode": "whole"}, "bm25": {}}


class TestStoreOfWords(suites.VectorStoreIntegrationTests):
    """BM25 alone: it finds nothing in a document without a word of the query, and gives it all the same."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[IndexVectorStore]:
        with Index.create(tmp_path / "index", WORDS_ALONE) as index:
            yield IndexVectorStore(index)


class TestStoreOfOwnVectors(suites.VectorStoreIntegrationTests):
    """Their embeddings in our index, as `from_texts` makes it."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[IndexVectorStore]:
        store = IndexVectorStore.from_texts([], self.get_embeddings(), path=tmp_path / "index")
        with store.index:
            yield store


class TestStoreWithEncoder(suites.VectorStoreIntegrationTests):
    """An index that encodes for itself."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path, tiny_encoder: Path) -> Iterator[IndexVectorStore]:
        index = Index.create(tmp_path / "index", "hybrid", [f"dense.model={tiny_encoder}"], cache=False)
        with index:
            yield IndexVectorStore(index)


class _Retriever(suites.RetrieversIntegrationTests):
    options: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _index(self, tmp_path: Path) -> Iterator[None]:
        with Index.create(tmp_path / "index", WORDS_ALONE) as self._opened:
            self._opened.add([Document(str(number), f"wing {word}") for number, word in enumerate(WORDS[:6])])
            yield

    @property
    def retriever_constructor(self) -> type[IndexRetriever]:
        return IndexRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"index": self._opened, "options": self.options}

    @property
    def retriever_query_example(self) -> str:
        return "wing"


class TestRetrieverOfPassages(_Retriever):
    options: dict[str, Any] = {}  # noqa: RUF012


class TestRetrieverOfDocuments(_Retriever):
    options = {"unit": "document"}  # noqa: RUF012


def test_their_embeddings_are_of_the_right_kind() -> None:
    """The suite's own embeddings are what `TestStoreOfOwnVectors` is about; another kind would test something else."""
    assert isinstance(TestStoreOfOwnVectors.get_embeddings(), DeterministicFakeEmbedding)

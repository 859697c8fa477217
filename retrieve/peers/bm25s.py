"""bm25s: BM25 scores computed beforehand, in a sparse matrix; its numba back end is the fastest it has."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts, folder_bytes
from retrieve.text.stemmers import make_stemmer


class BM25S(Peer):
    """Lucene's formula, its own tokenizer with PyStemmer and the stop words that ours has."""

    differences = (
        "analyzer: its own, words of two characters and more, by the same stemmer and stop words",
        "scores in single precision; passages without a term count in N and in the average length",
    )

    def __init__(self, task: Task) -> None:
        import bm25s

        super().__init__(task)
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        self._package: Any = bm25s
        self._stemmer = make_stemmer(task.language)

    def _terms(self, texts: list[str], *, ids: bool) -> Any:
        return self._package.tokenize(
            texts,
            stopwords=self.task.stopwords,
            stemmer=self._stemmer,
            show_progress=False,
            return_ids=ids,
        )

    def build(self, texts: Texts, folder: Path) -> None:
        """Its own tokenizer, then the scores of all postings."""
        terms = self._terms(list(texts), ids=True)
        self._index = self._package.BM25(method="lucene", k1=self.task.k1, b=self.task.b, backend="numba")
        self._index.index(terms, show_progress=False)

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """Look the scores up."""
        terms = self._terms([query], ids=False)
        if not terms[0]:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        found = self._index.retrieve(
            terms,
            k=min(depth, self._index.scores["num_docs"]),
            show_progress=False,
            backend_selection="numba",
            n_threads=1,
        )
        rows, scores = found.documents[0], found.scores[0]
        matching = scores > 0
        return rows[matching].astype(np.int64), scores[matching]

    def stored_bytes(self, folder: Path) -> int | None:
        """Of what `save` writes."""
        self._index.save(str(folder), show_progress=False)
        return folder_bytes(folder)

"""Lucene 9.9, as Anserini asks it: its analyzer and a bag of words, in a Java machine in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieve.index.lucene import LuceneSearcher, LuceneSegment, make_analyzer, write_lucene
from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts, folder_bytes


class Lucene(Peer):
    """One segment, opened by one reader."""

    differences = (
        "analyzer: Lucene's (older stemmer, other words)",
        "lengths in one byte, scores in single precision",
        "hits come from Java one by one, which is a part of its time",
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._analyzer = make_analyzer(task.language, stopwords=bool(task.recipe["bm25"]["stopwords"]))

    def build(self, texts: Texts, folder: Path) -> None:
        """Its IndexWriter, then one merge."""
        write_lucene(folder, texts, self._analyzer)
        self._folder = folder
        opened = LuceneSegment(folder, -1)
        self._searcher = LuceneSearcher([opened], self._analyzer, self.task.k1, self.task.b)

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """Its IndexSearcher."""
        asked = self._searcher.query(query)
        if asked is None:
            return np.empty(0, np.int64), np.empty(0)
        found = self._searcher.best(asked, depth)
        return found.rows, found.scores

    def stored_bytes(self, folder: Path) -> int | None:
        """Of its index."""
        return folder_bytes(self._folder)

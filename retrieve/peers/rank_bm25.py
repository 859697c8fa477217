"""rank-bm25: every passage is looked into for every term, in Python; for small collections."""

from __future__ import annotations

from pathlib import Path

from retrieve.index.rank_bm25 import check_installed, check_size, make_ranker
from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts, best_rows
from retrieve.recipe import BM25, load_section
from retrieve.text.analyze import analyzer_of


class RankBM25(Peer):
    """The class of the recipe's variant, Okapi where it names none."""

    differences = (
        "formula: its own (Okapi: Robertson's idf with a floor, times k1 + 1)",
        "analyzer: it has none and is given our terms",
        "it can be kept only by pickling",
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        check_installed()
        self._analyzer = analyzer_of(load_section(BM25, "bm25", task.recipe["bm25"]))

    def build(self, texts: Texts, folder: Path) -> None:
        """Our terms, then its counts."""
        terms = [self._analyzer.terms(text) for text in texts]
        check_size(len(terms))
        variant = self.task.recipe["bm25"]["variant"]
        self._index = make_ranker(variant, terms, self.task.k1, self.task.b)

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """Scores of all passages, and the best of them."""
        return best_rows(self._index.get_scores(self._analyzer.asked(query)), depth)

    def stored_bytes(self, folder: Path) -> int | None:
        """None."""
        return None

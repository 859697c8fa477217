"""The BM25 view: analyse the query, weigh its terms by statistics over all live segments, add up contributions.

Lucene's formula (Robertson and Zaragoza 2009, without the constant factor k1 + 1):
score = Σ ln(1 + (N − df + ½)/(df + ½)) · tf / (tf + k1·(1 − b + b·length/average length)), lengths exact.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from retrieve.index.bm25 import bm25_idf
from retrieve.retrievers.pool import FloatArray, Pool, Scope, merge
from retrieve.retrievers.views import NoScores, ViewScores
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot
from retrieve.text.analyze import Analyzer


class Weighted(NamedTuple):
    """A query's terms in order of first appearance, with document frequency and weight (idf × query frequency)."""

    terms: list[str]
    frequencies: IntArray
    weights: FloatArray
    rows: list[IntArray]  # per segment, the term's number or −1


class BM25View:
    """BM25 over one snapshot."""

    def __init__(self, snapshot: Snapshot, analyzer: Analyzer, *, k1: float, b: float) -> None:
        self._snapshot = snapshot
        self._analyzer = analyzer
        self.k1 = k1
        self.b = b
        totals = snapshot.manifest.totals
        self.passages = totals.passages
        self.average_length = totals.length / totals.passages if totals.passages else 0.0

    def weigh(self, text: str) -> Weighted:
        """Terms of a query and what each is worth."""
        counts = Counter(self._analyzer.terms(text))
        terms = list(counts)
        frequencies, rows = self._snapshot.document_frequencies(terms)
        idf = bm25_idf(frequencies, self.passages)
        query = np.array([counts[term] for term in terms], dtype=np.float64)
        return Weighted(terms, frequencies, idf * query, rows)

    def scores(self, text: str) -> ViewScores:
        """Scores of one query; none for a query without terms that occur."""
        weighted = self.weigh(text)
        if not (weighted.frequencies > 0).any() or self.average_length == 0:
            return NoScores()
        return BM25Scores(self, self._snapshot, weighted)

    def parameters(self) -> dict[str, float]:
        """What the kernels take beside terms and weights."""
        return {"k1": self.k1, "b": self.b, "average_length": self.average_length}


class BM25Scores:
    """One query's BM25 scores: the best are chosen while they are computed, all are written down only if asked for."""

    def __init__(self, view: BM25View, snapshot: Snapshot, weighted: Weighted) -> None:
        self._snapshot = snapshot
        self._weights = weighted.weights
        self._rows = [np.where(weighted.frequencies > 0, rows, -1) for rows in weighted.rows]
        self._parameters = view.parameters()
        self._all: dict[int, FloatArray] = {}

    def top(self, depth: int, scope: Scope) -> Pool:
        """Exact, ties by document id."""
        parts = []
        for number, segment in enumerate(self._snapshot.segments):
            chosen, _, best = segment.postings.bm25_top(
                self._rows[number],
                self._weights,
                depth,
                groups=segment.document_of if scope.unit == "document" else None,
                live=scope.passages[number],
                **self._parameters,
            )
            parts.append((number, chosen, best))
        return merge(self._snapshot, parts, depth, scope.unit)

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows; those of a segment are computed together."""
        if segment not in self._all:
            postings = self._snapshot.segments[segment].postings
            self._all[segment] = postings.bm25_scores(self._rows[segment], self._weights, **self._parameters)
        return self._all[segment][rows]

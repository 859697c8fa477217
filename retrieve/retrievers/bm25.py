"""The BM25 view: analyse the query, weigh its terms by statistics over all live segments, add up contributions.

Lucene's formula (Robertson and Zaragoza 2009, without the constant factor k1 + 1):
score = Σ ln(1 + (N − df + ½)/(df + ½)) · tf / (tf + k1·(1 − b + b·length/average length)), lengths exact.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from retrieve.index.bm25 import bm25_idf
from retrieve.retrievers.pool import FloatArray
from retrieve.retrievers.views import ExactScores, NoScores, ViewScores
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
        arrays = [
            segment.postings.bm25_scores(
                np.where(weighted.frequencies > 0, rows, -1),
                weighted.weights,
                k1=self.k1,
                b=self.b,
                average_length=self.average_length,
            )
            for segment, rows in zip(self._snapshot.segments, weighted.rows, strict=True)
        ]
        return ExactScores(self._snapshot, arrays, floor=0.0)

"""The BM25 view: analyse the query, weigh its terms by statistics over all live segments, add up contributions.

Lucene's formula (Robertson and Zaragoza 2009, without the constant factor k1 + 1):
score = Σ ln(1 + (N − df + ½)/(df + ½)) · tf / (tf + k1·(1 − b + b·length/average length)), lengths exact. N and the
average are Lucene's too (`docCount`, `sumTotalTermFreq / docCount`): a passage without a term, of stop words and marks
alone, counts in neither. rank-bm25 and bm25s count it in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, compress, count
from typing import ClassVar, NamedTuple

import numpy as np

from retrieve.index.bm25 import bm25_idf
from retrieve.retrievers.pool import Best, FloatArray, Pool, Scope
from retrieve.retrievers.threads import in_parts
from retrieve.retrievers.views import NoScores, ViewScores
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot
from retrieve.store.stemmer import check_analyzer
from retrieve.text.analyze import Analyzer

_FEW = 1_024
"""Looking up one row costs as much as scoring so many rows in turn, roughly: below that share rows are looked up."""


class Weighted(NamedTuple):
    """A query's terms in order of first appearance, with document frequency and weight (idf × query frequency)."""

    terms: list[str]
    frequencies: IntArray
    weights: FloatArray
    rows: IntArray  # (S,Q): in each segment the term's number, or −1


class BM25View:
    """BM25 over one snapshot."""

    def __init__(self, snapshot: Snapshot, analyzer: Analyzer, *, k1: float, b: float) -> None:
        """Raises `StemmerMismatch` where the installed stemmer gives other stems than the index holds."""
        check_analyzer(snapshot.folder, snapshot.manifest, analyzer)
        self._snapshot = snapshot
        self._analyzer = analyzer
        self.k1 = k1
        self.b = b
        self.passages = snapshot.termed_passages
        """N: live passages that have a term."""
        self.average_length = snapshot.manifest.totals.length / self.passages if self.passages else 0.0

    def weigh(self, asked: Sequence[str | Mapping[str, float]]) -> list[Weighted]:
        """Terms of queries and what each is worth; each term is looked up once for all of them.

        A query is a text, or several with weights: a term then counts as often as they have it, times their weights.
        """
        queries = [self._counted(query) for query in asked]
        places = {term: place for place, term in enumerate(dict.fromkeys(chain.from_iterable(queries)))}
        frequencies, rows = self._snapshot.document_frequencies(list(places))
        idf = bm25_idf(frequencies, self.passages)
        by_segment = (
            np.where(frequencies > 0, np.stack(rows), -1) if rows else np.empty((0, len(places)), np.int64)
        )
        weighted = []
        for query in queries:
            at = np.array([places[term] for term in query], dtype=np.int64)
            counts = np.array(list(query.values()), dtype=np.float64)
            weighted.append(Weighted(list(query), frequencies[at], idf[at] * counts, by_segment[:, at]))
        return weighted

    def _counted(self, query: str | Mapping[str, float]) -> Mapping[str, float]:
        if isinstance(query, str):
            return Counter(self._analyzer.terms(query))
        counted: dict[str, float] = {}
        for text, weight in query.items():
            for term, times in Counter(self._analyzer.terms(text)).items():
                counted[term] = counted.get(term, 0.0) + weight * times
        return counted

    def scores(self, asked: Sequence[str | Mapping[str, float]]) -> list[ViewScores]:
        """Scores of queries; none for a query without terms that occur."""
        queries = self.weigh(asked)
        told = [self.average_length > 0 and bool((query.frequencies > 0).any()) for query in queries]
        group = BM25Group(self, self._snapshot, list(compress(queries, told)))
        numbers = count()
        return [BM25Scores(group, next(numbers)) if found else NoScores() for found in told]

    def parameters(self) -> dict[str, float]:
        """What the kernels take beside terms and weights."""
        return {"k1": self.k1, "b": self.b, "average_length": self.average_length}


class BM25Group:
    """Queries whose best are chosen together: each segment calls compiled code once for all of them."""

    def __init__(self, view: BM25View, snapshot: Snapshot, queries: Sequence[Weighted]) -> None:
        self._snapshot = snapshot
        self._parameters = view.parameters()
        self._queries = len(queries)
        self._terms = [
            [(query.rows[number], query.weights) for query in queries]
            for number in range(len(snapshot.segments))
        ]
        self._top: tuple[int, Scope, bool, list[Pool]] | None = None

    def top(self, query: int, depth: int, scope: Scope, *, ordered: bool) -> Pool:
        """Exact, ties by document id; the first query of the group answers for the others."""
        if self._top is None or self._top[:3] != (depth, scope, ordered):
            self._top = depth, scope, ordered, self._choose(depth, scope, ordered=ordered)
        return self._top[3][query]

    def _choose(self, depth: int, scope: Scope, *, ordered: bool) -> list[Pool]:
        """Segment by segment, so that what one of them gives need not be beaten by all of the next."""

        def part_of(part: slice) -> list[Best]:
            best = Best(part.stop - part.start, depth, scope.unit, 0.0)
            for number, segment in enumerate(self._snapshot.segments):
                rows, _, scores, bounds = segment.postings.bm25_best(
                    self._terms[number][part],
                    depth,
                    floors=best.floors,
                    groups=segment.document_of if scope.unit == "document" else None,
                    live=scope.passages[number],
                    **self._parameters,
                )
                best.add(self._snapshot, number, rows, scores, bounds)
            return [best]

        parts = in_parts(self._queries, part_of)
        return [pool for best in parts for pool in best.pools(self._snapshot, ordered=ordered)]

    def rows(self, segment: int) -> int:
        """How many passages a segment has."""
        return self._snapshot.segments[segment].passage_rows

    def at(self, query: int, segment: int, rows: IntArray | None) -> FloatArray:
        """Scores of rows of a segment, or of all of them."""
        postings = self._snapshot.segments[segment].postings
        terms, weights = self._terms[segment][query]
        if rows is None:
            return postings.bm25_scores(terms, weights, **self._parameters)
        return postings.bm25_at(rows, terms, weights, **self._parameters)


class BM25Scores:
    """One query's BM25 scores: the best are chosen while they are computed, all are written down only if asked for."""

    exact: ClassVar[bool] = True

    def __init__(self, group: BM25Group, query: int) -> None:
        self._group = group
        self._query = query
        self._all: dict[int, FloatArray] = {}
        self._asked: Counter[int] = Counter()

    def top(self, depth: int, scope: Scope, *, ordered: bool = True) -> Pool:
        """Exact, ties by document id."""
        return self._group.top(self._query, depth, scope, ordered=ordered)

    def at(self, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows: looked up while few were asked for, then those of the whole segment, once."""
        if segment not in self._all:
            self._asked[segment] += len(rows)
            if self._asked[segment] * _FEW < self._group.rows(segment):
                return self._group.at(self._query, segment, rows)
            self._all[segment] = self._group.at(self._query, segment, None)
        return self._all[segment][rows]

"""The terms of queries: counted, looked up in the segments of an index, and what they are worth there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np

from retrieve.index.idf import bm25_idf
from retrieve.text.analyze import Analyzer
from retrieve.views.protocol import FloatArray, IntArray, LiveSegment


class Statistics(NamedTuple):
    """What scores depend on beside the passages themselves; those of several indexes add up.

    `passages`: how many have a term; `terms`: how many those have. `frequencies` (Q,): in how many passages each term
    of the queries is.
    """

    passages: int
    terms: int
    frequencies: IntArray

    @property
    def average_length(self) -> float:
        """Terms of a passage that has any, in the mean."""
        return self.terms / self.passages if self.passages else 0.0

    def plus(self, other: Statistics) -> Statistics:
        """Those of two indexes together, of the same terms."""
        return Statistics(
            self.passages + other.passages, self.terms + other.terms, self.frequencies + other.frequencies
        )


class Weighted(NamedTuple):
    """A query's terms in order of first appearance, with document frequency and weight (idf × query frequency)."""

    terms: list[str]
    frequencies: IntArray
    weights: FloatArray
    rows: IntArray  # (S,Q): in each segment the term's number, or −1
    left_out: int = 0

    def largest(self, most: int) -> Weighted:
        """The `most` terms of largest weight, still in their order; of equal ones those that appear first.

        Terms that no passage has weigh nothing here, whatever their idf.
        """
        if len(self.terms) <= most:
            return self
        worth = np.where(self.frequencies > 0, self.weights, -1.0)
        kept = np.sort(np.argsort(-worth, kind="stable")[:most])
        return Weighted(
            [self.terms[at] for at in kept.tolist()],
            self.frequencies[kept],
            self.weights[kept],
            self.rows[:, kept],
            len(self.terms) - most,
        )


class QueryTerms:
    """Terms of queries, each looked up once for all of them, in the segments of an index.

    A query is a text, or several with weights: a term then counts as often as they have it, times their weights.
    """

    def __init__(
        self, counts: Sequence[Mapping[str, float]], terms: Sequence[str], segments: Sequence[LiveSegment]
    ) -> None:
        self.segments = segments
        self._counts = counts
        self._terms = terms
        self._numbers = [segment.opened.lookup(list(terms)) for segment in segments]

    @classmethod
    def of(
        cls, queries: Sequence[str | Mapping[str, float]], analyzer: Analyzer, segments: Sequence[LiveSegment]
    ) -> QueryTerms:
        """Analysed and looked up."""
        return cls.counted([counted_terms(query, analyzer) for query in queries], segments)

    @classmethod
    def counted(cls, counts: Sequence[Mapping[str, float]], segments: Sequence[LiveSegment]) -> QueryTerms:
        """Of queries whose terms are counted, or weighed."""
        return cls(counts, list(dict.fromkeys(chain.from_iterable(counts))), segments)

    def statistics(self) -> Statistics:
        """Those of the live passages of all segments."""
        frequencies = np.zeros(len(self._terms), dtype=np.int64)
        for segment, numbers in zip(self.segments, self._numbers, strict=True):
            present = numbers >= 0
            found = numbers[present]
            frequencies[present] += segment.opened.frequencies[found]
            if len(gone := segment.deleted.get("terms", ())):
                at = np.searchsorted(gone, found).clip(max=len(gone) - 1)
                frequencies[present] -= np.where(gone[at] == found, segment.deleted["counts"][at], 0)
        return Statistics(
            sum(segment.termed for segment in self.segments),
            sum(segment.terms for segment in self.segments),
            frequencies,
        )

    def weighted(self, statistics: Statistics) -> list[Weighted]:
        """What each query's terms are worth."""
        frequencies = statistics.frequencies
        idf = bm25_idf(frequencies, statistics.passages)
        places = {term: place for place, term in enumerate(self._terms)}
        by_segment = self.numbers(frequencies)
        # The terms of all queries one after the other: arrays are made once, and each query has its part of them.
        at = np.array([places[term] for query in self._counts for term in query], dtype=np.int64)
        counts = np.array([count for query in self._counts for count in query.values()], dtype=np.float64)
        found, weights, rows = frequencies[at], idf[at] * counts, np.take(by_segment, at, axis=1)
        ends = accumulate(map(len, self._counts))
        return [
            Weighted(list(query), found[part], weights[part], rows[:, part])
            for query, end in zip(self._counts, ends, strict=True)
            for part in [slice(end - len(query), end)]
        ]

    def numbers(self, frequencies: IntArray) -> IntArray:
        """(S,Q) int64: each term's number in each segment; −1 where there is none, or only deleted passages have it."""
        if not self._numbers:
            return np.empty((0, len(self._terms)), np.int64)
        return np.where(frequencies > 0, np.stack(self._numbers), -1)


def counted_terms(query: str | Mapping[str, float], analyzer: Analyzer) -> Mapping[str, float]:
    """How often a query has each of its terms, times the weight of the text that has it."""
    if isinstance(query, str):
        return analyzer.counted(query)
    counted: dict[str, float] = {}
    for text, weight in query.items():
        for term, times in analyzer.counted(text).items():
            counted[term] = counted.get(term, 0.0) + weight * times
    return counted

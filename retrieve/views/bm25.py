"""The BM25 view: analyse the query, weigh its terms by statistics over all live segments, add up contributions.

Lucene's formula (Robertson and Zaragoza 2009, without the constant factor k1 + 1):
score = Σ ln(1 + (N − df + ½)/(df + ½)) · tf / (tf + k1·(1 − b + b·length/average length)), lengths exact. N and the
average are Lucene's too (`docCount`, `sumTotalTermFreq / docCount`): a passage without a term, of stop words and marks
alone, counts in neither. rank-bm25 and bm25s count it in both.

A query of very many terms, as a document is, keeps those of largest tf·idf: it is answered sooner, and better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from retrieve.index.idf import bm25_idf
from retrieve.index.merged_postings import merge_postings
from retrieve.index.postings import Postings
from retrieve.recipe import Recipe
from retrieve.views.known_terms import KnownTerms, LookedUp, arrays_of
from retrieve.views.last_made import LastMade
from retrieve.views.postings import build_postings, rows_hold, write_postings
from retrieve.views.protocol import (
    Asked,
    Best,
    BoolArray,
    Built,
    Deleted,
    Eligible,
    Feedback,
    FloatArray,
    Found,
    IntArray,
    LiveSegment,
    Material,
    Output,
    Scores,
    SegmentFiles,
    VectorMaterial,
    View,
)
from retrieve.views.query_terms import QueryTerms, Statistics, Weighted, counted_terms
from retrieve.views.rm3 import MOST_OF_PASSAGES, FoundText, expand_query

_FEW = 1_024
"""Looking up one row costs as much as scoring so many rows in turn, roughly: below that share rows are looked up."""


_READ = 64
"""Terms of a found passage that are looked up together, the most frequent first."""


class BM25View(View):
    """Postings with term frequencies."""

    name = "bm25"
    takes_terms = True
    holds_best_alone = True
    expands = True

    def __init__(self, recipe: Recipe) -> None:
        # A view belongs to one generation of an index, whose segments are always the same.
        self._generation: LastMade[_Generation] = LastMade()

    def build(self, material: Material, output: Output) -> Built:
        """Postings of the analysed passages."""
        return _write(build_postings(material.terms()), output)

    def merge(
        self,
        parts: Sequence[Any],
        maps: Sequence[IntArray],
        rows: int,
        material: VectorMaterial,
        output: Output,
    ) -> Built:
        """Postings are copied."""
        return _write(merge_postings(parts, maps, rows), output)

    def open(self, files: SegmentFiles) -> Postings:
        """The postings."""
        return Postings.from_arrays(files.arrays(self.name))

    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> Scores:
        """Scores by the statistics of these segments."""
        return self._scores(_counted(asked), asked, segments)

    def expanded(
        self,
        asked: Asked,
        segments: Sequence[LiveSegment],
        found: Sequence[Sequence[Found]],
        feedback: Feedback,
    ) -> Scores:
        """By RM3, from the terms that the postings have of what was found; a query that found nothing stays."""
        texts = FoundTexts(segments, feedback)
        counts = [
            expand_query(query, texts.read(passages), feedback) if passages else query
            for query, passages in zip(_counted(asked), found, strict=True)
        ]
        return self._scores(counts, asked, segments)

    def _scores(
        self, counts: Sequence[Mapping[str, float]], asked: Asked, segments: Sequence[LiveSegment]
    ) -> BM25Scores:
        """Of queries whose terms are counted, or weighed."""
        # It holds these segments, so that no others have their id.
        generation = self._generation.of(id(segments), lambda: _Generation(segments))
        return BM25Scores(
            segments,
            generation.weighted(counts),
            generation.totals,
            k1=asked.parameters["k1"],
            b=asked.parameters["b"],
            query_terms=asked.parameters["query_terms"],
        )

    def deleted(self, opened: Postings, passages: BoolArray) -> Deleted:
        """Document frequencies of the passages, and their lengths."""
        terms, counts = opened.deleted_frequencies(passages)
        lengths = opened.lengths[passages]
        return Deleted(
            int(lengths.sum(dtype=np.int64)),
            int(np.count_nonzero(lengths)),
            {"terms": terms, "counts": counts},
        )

    def termed(self, opened: Postings, passages: BoolArray | None) -> int:
        """Those of some length."""
        return int(np.count_nonzero(opened.lengths if passages is None else opened.lengths[passages]))

    def verify(self, opened: Postings, passages: int) -> Iterator[str]:
        """As many rows as passages."""
        return rows_hold(opened.rows, passages)


class _Generation:
    """The segments of one generation, and what the terms asked so far are worth in them."""

    def __init__(self, segments: Sequence[LiveSegment]) -> None:
        self.segments = segments
        self.totals = QueryTerms([], [], segments).statistics()
        self._known = KnownTerms(self._look_up)

    def weighted(self, counts: Sequence[Mapping[str, float]]) -> list[Weighted]:
        """What each query's terms are worth: what `QueryTerms` gives."""
        arrays = arrays_of(self._known.of(counts), counts, len(self.segments))
        return [Weighted(list(query), *own) for query, own in zip(counts, arrays, strict=True)]

    def _look_up(self, terms: Sequence[str]) -> LookedUp:
        found = QueryTerms([], terms, self.segments)
        frequencies = found.statistics().frequencies
        return LookedUp(frequencies, bm25_idf(frequencies, self.totals.passages), found.numbers(frequencies))


class BM25Scores:
    """Scores of queries: the best are chosen while they are computed, all are written down only if asked for."""

    exact = True
    floor = 0.0

    def __init__(
        self,
        segments: Sequence[LiveSegment],
        queries: Sequence[Weighted],
        statistics: Statistics,
        *,
        k1: float,
        b: float,
        query_terms: int,
    ) -> None:
        """Of queries weighed by these statistics; of each `query_terms` at most."""
        self._segments = segments
        self._statistics = statistics
        self._queries = [query.largest(query_terms) for query in queries]
        self._parameters = {"k1": k1, "b": b, "average_length": statistics.average_length}
        self._all: dict[tuple[int, int], FloatArray] = {}
        self._asked: dict[tuple[int, int], int] = {}

    def matches(self, query: int) -> bool:
        """Whether any of its terms occurs."""
        return self._statistics.average_length > 0 and any(self._queries[query].frequencies.tolist())

    def best(
        self, segment: int, queries: Sequence[int], depth: int, eligible: Eligible, floors: FloatArray
    ) -> Best:
        """Compiled code is called once for all of the queries."""
        rows, _, scores, bounds = self._segments[segment].opened.bm25_best(
            [(query.rows[segment], query.weights) for query in (self._queries[number] for number in queries)],
            depth,
            floors=floors,
            groups=eligible.groups,
            live=eligible.live,
            **self._parameters,
        )
        return Best(rows, scores, bounds)

    def at(self, query: int, segment: int, rows: IntArray) -> FloatArray:
        """Scores of rows: looked up while few were asked for, then those of the whole segment, once."""
        place = query, segment
        if place not in self._all:
            postings = self._segments[segment].opened
            terms, weights = self._queries[query].rows[segment], self._queries[query].weights
            self._asked[place] = self._asked.get(place, 0) + len(rows)
            if self._asked[place] * _FEW < postings.rows:
                looked_up: FloatArray = postings.bm25_at(rows, terms, weights, **self._parameters)
                return looked_up
            self._all[place] = postings.bm25_scores(terms, weights, **self._parameters)
        return self._all[place][rows]

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """Each term's part in a passage's score: what it would score with that term alone."""
        weighted, postings = self._queries[query], self._segments[segment].opened
        average = self._parameters["average_length"]
        alone = self._parameters | {"average_length": average or 1.0}
        terms = []
        for at, term in enumerate(weighted.terms):
            one = slice(at, at + 1)
            scored = postings.bm25_scores(weighted.rows[segment][one], weighted.weights[one], **alone)
            terms.append(
                {
                    "term": term,
                    "document_frequency": int(weighted.frequencies[at]),
                    "weight": float(weighted.weights[at]),
                    "contribution": float(scored[row]),
                }
            )
        return {
            "terms": terms,
            "terms_left_out": weighted.left_out,
            "length": int(postings.lengths[row]),
            "average_length": average,
            "passages_with_terms": self._statistics.passages,
            "k1": self._parameters["k1"],
            "b": self._parameters["b"],
        }


class FoundTexts:
    """What passages say, read off the postings: of each its most frequent terms, without those that are everywhere."""

    def __init__(self, segments: Sequence[LiveSegment], feedback: Feedback) -> None:
        self._segments = segments
        self._most = feedback.terms
        # In a collection of fewer than ten times as many passages a tenth is less than what is read.
        passages = sum(segment.termed for segment in segments)
        self._everywhere = max(passages * MOST_OF_PASSAGES, feedback.documents)
        self._frequencies: dict[str, int] = {}

    def read(self, passages: Sequence[Found]) -> list[FoundText]:
        """In the order given."""
        texts: list[FoundText] = []
        for found in passages:
            ids, counts = self._segments[found.segment].opened.terms_of(np.array([found.row]))[0]
            table = self._segments[found.segment].opened.terms
            ranked = np.lexsort((ids, -counts))  # ids are in the order of the terms
            chosen: dict[str, int] = {}
            for start in range(0, len(ranked), _READ):
                part = ranked[start : start + _READ]
                terms = table.get_many(ids[part])
                self._look_up(terms)
                for term, count in zip(terms, counts[part].tolist(), strict=True):
                    if len(chosen) < self._most and self._frequencies[term] <= self._everywhere:
                        chosen[term] = count
                if len(chosen) == self._most:
                    break
            texts.append(FoundText(chosen, found.score))
        return texts

    def _look_up(self, terms: Sequence[str]) -> None:
        new = [term for term in terms if term not in self._frequencies]
        if not new:
            return
        counted = QueryTerms([], new, self._segments).statistics().frequencies
        self._frequencies.update(zip(new, counted.tolist(), strict=True))


def _counted(asked: Asked) -> list[Mapping[str, float]]:
    return [counted_terms(query, asked.encoder.analyzer) for query in asked.texts]


def _write(postings: Postings, output: Output) -> Built:
    write_postings(postings, output)
    lengths = postings.lengths
    return Built(terms=int(lengths.sum(dtype=np.int64)), termed=int(np.count_nonzero(lengths)))

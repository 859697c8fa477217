"""BM25 as the package rank-bm25 scores it, over the postings of the BM25 view: Okapi, L and Plus.

The formulas, and what is peculiar in them, are the package's own: idf by Robertson with a floor for frequent terms
(Okapi), BM25L that multiplies by the raw frequency once more, BM25Plus that gives a passage without a term its lower
bound. It counts passages without a term in N and in the average length. Statistics are those of live passages. The
package looks into every passage for every term, so it is for small collections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrieve.index.merged_postings import pairs_of
from retrieve.index.postings import Postings
from retrieve.index.rank_bm25 import check_installed, check_size, make_ranker
from retrieve.recipe import Recipe
from retrieve.text.analyze import Analyzer
from retrieve.views.all_scores import ExactScores
from retrieve.views.bm25 import BM25View
from retrieve.views.last_made import LastMade
from retrieve.views.protocol import (
    Asked,
    Best,
    BoolArray,
    Built,
    Deleted,
    Eligible,
    FloatArray,
    IntArray,
    LiveSegment,
    Material,
    Output,
)
from retrieve.views.query_terms import QueryTerms, counted_terms

_DELETED = "passages"


class RankBM25View(BM25View):
    """The same postings, scored by the package."""

    holds_best_alone = False
    expands = False

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        assert recipe.bm25 is not None
        self._variant = recipe.bm25.variant
        # A view belongs to one generation of an index, whose segments are always the same.
        self._models: LastMade[_Model] = LastMade()

    def build(self, material: Material, output: Output) -> Built:
        """Postings of the analysed passages. Raises `MissingExtra` where the package is not there."""
        check_installed()
        return super().build(material, output)

    def deleted(self, opened: Postings, passages: BoolArray) -> Deleted:
        """Which passages are deleted, beside what the BM25 view keeps of them."""
        kept = super().deleted(opened, passages)
        rows = np.flatnonzero(passages).astype(np.int64)
        return kept._replace(arrays={**kept.arrays, _DELETED: rows})

    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> RankBM25Scores:
        """Scores of all live passages, query by query."""
        k1, b = asked.parameters["k1"], asked.parameters["b"]
        model = self._models.of((k1, b), lambda: _Model(segments, self._variant, k1, b))
        return RankBM25Scores(model, asked.texts, asked.encoder.analyzer, segments)


class _Model:
    """The package's object over all live passages, and where the scores of each segment are in its own."""

    def __init__(self, segments: Sequence[LiveSegment], variant: str, k1: float, b: float) -> None:
        self.variant = variant
        self.live = [_live(segment) for segment in segments]
        self.bounds = np.cumsum([0, *(len(rows) for rows in self.live)])
        check_size(int(self.bounds[-1]))
        corpus = [
            terms
            for segment, rows in zip(segments, self.live, strict=True)
            for terms in _rows_of(segment.opened, rows)
        ]
        # Of nothing but empty passages the package divides by zero.
        self.ranker: Any = make_ranker(variant, corpus, k1, b) if any(corpus) else None

    def of_query(self, counts: dict[str, float]) -> FloatArray:
        """Scores (N,) of all live passages: the package's of every term, as often as the query has it."""
        total = np.zeros(int(self.bounds[-1]))
        for term, count in counts.items():
            # With k1 = 0 the package divides 0 by 0 where the term is not.
            with np.errstate(invalid="ignore"):
                scores = self.ranker.get_scores([term])
            undefined = np.isnan(scores)
            if undefined.any():
                least = self.ranker.idf.get(term, 0.0) * self.ranker.delta if self.variant == "plus" else 0.0
                scores = np.where(undefined, least, scores)
            total += count * scores
        return total


class RankBM25Scores(ExactScores):
    """What the package makes of queries; hits are passages that have a term of the query."""

    def __init__(
        self,
        model: _Model,
        texts: Sequence[Any],
        analyzer: Analyzer,
        segments: Sequence[LiveSegment],
    ) -> None:
        self._model = model
        found: list[list[FloatArray] | None] = []
        self._having: list[list[BoolArray]] = []
        terms = QueryTerms.of(texts, analyzer, segments)
        for query, weighed in zip(texts, terms.weighted(terms.statistics()), strict=True):
            present = weighed.frequencies > 0
            if model.ranker is None or not present.any():
                found.append(None)
                self._having.append([])
                continue
            total = model.of_query(dict(counted_terms(query, analyzer)))
            by_segment, having = [], []
            for number, (segment, rows) in enumerate(zip(segments, model.live, strict=True)):
                scores = np.zeros(segment.opened.rows)
                scores[rows] = total[model.bounds[number] : model.bounds[number + 1]]
                by_segment.append(scores)
                having.append(segment.opened.rows_having(weighed.rows[number][present]))
            found.append(by_segment)
            self._having.append(having)
        super().__init__(found)

    def best(
        self, segment: int, queries: Sequence[int], depth: int, eligible: Eligible, floors: FloatArray
    ) -> Best:
        """Of passages that have a term, whatever they score: it may be nothing, or below."""
        matching = ExactScores(
            [
                [
                    np.where(having, scores, -np.inf)
                    for scores, having in zip(self._of(query), self._having[query], strict=True)
                ]
                for query in queries
            ]
        )
        return matching.best(segment, range(len(queries)), depth, eligible, floors)

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """Who scored it."""
        return {"package": "rank-bm25", "variant": self._model.variant}


def _live(segment: LiveSegment) -> IntArray:
    live = np.ones(segment.opened.rows, np.bool_)
    live[segment.deleted.get(_DELETED, np.empty(0, np.int64))] = False
    return np.flatnonzero(live)


def _rows_of(postings: Postings, rows: IntArray) -> list[list[str]]:
    """The terms of some rows, each as often as it occurs."""
    starts, terms, frequencies = pairs_of(postings)
    names = list(postings.terms)
    found = []
    for row in rows.tolist():
        part = slice(starts[row], starts[row + 1])
        row_terms: list[str] = []
        for term, count in zip(terms[part].tolist(), frequencies[part].tolist(), strict=True):
            row_terms += [names[term]] * count
        found.append(row_terms)
    return found

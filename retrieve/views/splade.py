"""The SPLADE view: a query's learned weights against the impacts of passages, in the postings that BM25 has.

score = Σ weight · impact / scale over the terms of the query, in the order of the model's vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from retrieve.encoders.sparse.encoder import SparseRows
from retrieve.index.merged_postings import merge_postings
from retrieve.index.postings import Postings
from retrieve.recipe import Recipe
from retrieve.views.all_scores import ExactScores
from retrieve.views.dimension_usage import usage_figures
from retrieve.views.postings import ImpactTaker, rows_hold, write_postings
from retrieve.views.protocol import (
    Asked,
    Built,
    FloatArray,
    IntArray,
    LiveSegment,
    Material,
    Output,
    SegmentFiles,
    VectorMaterial,
    View,
)


class Impacts(NamedTuple):
    """A query's terms with their weights, and each term's number in every segment, or −1."""

    terms: list[str]
    weights: FloatArray
    rows: list[IntArray]


class SpladeView(View):
    """Postings with impacts: one stands where BM25 has a term frequency."""

    name = "splade"
    encoding = "sparse"

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.splade is not None
        self._scale = recipe.splade.scale

    def build(self, material: Material, output: Output) -> Built:
        """Postings of the impacts of all passages."""
        taker = ImpactTaker(material.encoder.models.sparse_documents.vocabulary(), self._scale)
        material.encode(taker.take)
        write_postings(taker.finish(), output)
        return Built()

    def merge(
        self,
        parts: Sequence[Any],
        maps: Sequence[IntArray],
        rows: int,
        material: VectorMaterial,
        output: Output,
    ) -> Built:
        """Postings are copied."""
        write_postings(merge_postings(parts, maps, rows), output)
        return Built()

    def open(self, files: SegmentFiles) -> Postings:
        """The postings."""
        return Postings.from_arrays(files.arrays(self.name))

    def scores(self, asked: Asked, segments: Sequence[LiveSegment]) -> SpladeScores:
        """Scores of what the encoder made of the queries."""
        assert asked.rows is not None
        names = asked.encoder.models.sparse_queries.vocabulary()
        postings = [segment.opened for segment in segments]
        return SpladeScores(postings, list(_weigh(asked.rows, names, self._scale, postings)))

    def verify(self, opened: Postings, passages: int) -> Iterator[str]:
        """As many rows as passages."""
        return rows_hold(opened.rows, passages)

    def describe(self, parts: Sequence[Any], dimensions: int) -> dict[str, float]:
        """How the vocabulary is used."""
        by_term: Counter[str] = Counter()
        for postings in parts:
            by_term.update(dict(zip(postings.terms, postings.frequencies.tolist(), strict=True)))
        used = np.array(list(by_term.values()), np.int64)
        return usage_figures(used, dimensions, sum(postings.rows for postings in parts))


class SpladeScores(ExactScores):
    """Scores of all passages; those that share no term with the query have none."""

    def __init__(self, postings: Sequence[Postings], queries: Sequence[Impacts]) -> None:
        def scores(query: Impacts) -> list[FloatArray]:
            return [
                part.impact_scores(rows, query.weights)
                for part, rows in zip(postings, query.rows, strict=True)
            ]

        found = [any((rows >= 0).any() for rows in query.rows) for query in queries]
        super().__init__(
            [scores(query) if there else None for query, there in zip(queries, found, strict=True)], floor=0.0
        )
        self._postings = postings
        self._queries = queries

    def explain(self, query: int, segment: int, row: int) -> dict[str, Any]:
        """The query's terms that the passage has, with what each adds to its score; largest first."""
        asked, postings = self._queries[query], self._postings[segment]
        terms = []
        for at, term in enumerate(asked.terms):
            alone = postings.impact_scores(asked.rows[segment][at : at + 1], asked.weights[at : at + 1])
            if alone[row] > 0:
                terms.append({"term": term, "contribution": float(alone[row])})
        return {"terms": sorted(terms, key=lambda item: (-item["contribution"], item["term"]))}


def _weigh(
    encoded: SparseRows, names: Sequence[str], scale: float, postings: Sequence[Postings]
) -> Iterator[Impacts]:
    """Each query's terms, as looked up in the segments; `names` are the terms of the encoder's dimensions."""
    for start, end in zip(encoded.starts[:-1], encoded.starts[1:], strict=True):
        terms = [names[dimension] for dimension in encoded.dims[start:end]]
        weights = encoded.weights[start:end].astype(np.float64) / scale
        yield Impacts(terms, weights, [part.lookup(terms) for part in postings])

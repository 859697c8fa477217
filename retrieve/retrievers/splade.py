"""The SPLADE view: a query's learned weights against the impacts of passages, in the postings that BM25 has.

score = Σ weight · impact / scale over the terms of the query, in the order of the model's vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from retrieve.encoders.sparse import SparseRows
from retrieve.retrievers.pool import FloatArray
from retrieve.retrievers.views import ExactScores, NoScores, ViewScores
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot


class Impacts(NamedTuple):
    """A query's terms with their weights, and each term's number in every segment, or −1."""

    terms: list[str]
    weights: FloatArray
    rows: list[IntArray]


class SpladeView:
    """Impacts over one snapshot; `names` are the terms of the encoder's dimensions."""

    def __init__(self, snapshot: Snapshot, names: Sequence[str], scale: float) -> None:
        self._snapshot = snapshot
        self._names = names
        self._scale = scale

    def weigh(self, encoded: SparseRows) -> Iterator[Impacts]:
        """Each query's terms, as looked up in the segments."""
        for start, end in zip(encoded.starts[:-1], encoded.starts[1:], strict=True):
            terms = [self._names[dimension] for dimension in encoded.dims[start:end]]
            weights = encoded.weights[start:end].astype(np.float64) / self._scale
            rows = [segment.impacts.lookup(terms) for segment in self._snapshot.segments]
            yield Impacts(terms, weights, rows)

    def scores(self, encoded: SparseRows) -> Iterator[ViewScores]:
        """Scores of each query; none for a query without terms that occur."""
        for query in self.weigh(encoded):
            if not any((rows >= 0).any() for rows in query.rows):
                yield NoScores()
                continue
            arrays = [
                segment.impacts.impact_scores(rows, query.weights)
                for segment, rows in zip(self._snapshot.segments, query.rows, strict=True)
            ]
            yield ExactScores(self._snapshot, arrays, floor=0.0)

"""A search from query to ranking: each view's pool, passages to documents, fusion, one tie order, the cut at k.

Every view supplies `depth` = max(k, 1,000) distinct documents whatever k is, so the answer for a small k is the
beginning of the answer for a larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.measures.fuse import convex, rrf
from retrieve.retrievers.aggregate import aggregate_pool, in_scope
from retrieve.retrievers.bm25 import BM25View
from retrieve.retrievers.options import SearchOptions
from retrieve.retrievers.pool import FloatArray, Pool, order
from retrieve.retrievers.views import NoScores, ViewScores
from retrieve.store.filters import Filter
from retrieve.store.pipeline import Pipeline
from retrieve.store.snapshot import Snapshot

Vectors = npt.NDArray[np.float32]

_GROUP = 32


class Ranking(NamedTuple):
    """One query's answer in numbers: the final pool, each view's own pool, and its scores for reading off passages."""

    final: Pool
    pools: dict[str, Pool]
    scores: dict[str, ViewScores]

    @property
    def silent(self) -> tuple[str, ...]:
        """Views that had no hit for this query."""
        return tuple(name for name, pool in self.pools.items() if not len(pool.keys))


class Searcher:
    """Ranks queries over one snapshot with one set of options. Safe in many threads."""

    def __init__(
        self, snapshot: Snapshot, pipeline: Pipeline, options: SearchOptions, where: Filter | None
    ) -> None:
        self.snapshot = snapshot
        self.options = options
        self._pipeline = pipeline
        self._scope = in_scope(snapshot, snapshot.select(where), options.unit, options.aggregate)

    def rank(self, texts: Sequence[str], vectors: Vectors | None = None) -> list[Ranking]:
        """Rankings of several queries. `vectors` (B,D) stand for encoding the texts."""
        rankings: list[Ranking] = []
        for start in range(0, len(texts), _GROUP):
            part = texts[start : start + _GROUP]
            own = None if vectors is None else vectors[start : start + _GROUP]
            by_view = [self._view_scores(name, part, own) for name in self.options.views]
            for scores in zip(*by_view, strict=True):
                rankings.append(self._rank_one(dict(zip(self.options.views, scores, strict=True))))
        return rankings

    def bm25(self) -> BM25View:
        """The BM25 view under these options."""
        return BM25View(self.snapshot, self._pipeline.analyzer, k1=self.options.k1, b=self.options.b)

    def _view_scores(self, name: str, texts: Sequence[str], vectors: Vectors | None) -> list[ViewScores]:
        if not self.snapshot.segments:
            return [NoScores() for _ in texts]
        if name == "bm25":
            view = self.bm25()
            return [view.scores(text) for text in texts]
        from retrieve.retrievers.dense import DenseView

        if vectors is None:
            vectors = self._pipeline.encoder.encode_queries(texts).vectors
        dense = DenseView(self.snapshot, ef_search=self.options.ef_search, nprobe=self.options.nprobe)
        return dense.scores(vectors)

    def _rank_one(self, scores: dict[str, ViewScores]) -> Ranking:
        options = self.options
        pools = {
            name: aggregate_pool(self.snapshot, view, view.top(options.depth, self._scope), options.aggregate)
            for name, view in scores.items()
        }
        final = self._fuse(list(pools.values())) if len(pools) > 1 else next(iter(pools.values()))
        return Ranking(Pool(final.keys[: options.k], final.scores[: options.k]), pools, scores)

    def _fuse(self, pools: Sequence[Pool]) -> Pool:
        fused = fuse_pools(pools, self.options)
        keys = np.fromiter(fused.keys(), dtype=np.int64, count=len(fused))
        scores = np.fromiter(fused.values(), dtype=np.float64, count=len(fused))
        best = order(self.snapshot, keys, scores, self.options.unit)
        return Pool(keys[best], scores[best])


def fuse_pools(pools: Sequence[Pool], options: SearchOptions) -> dict[int, float]:
    """Fused score of every key of any pool. RRF's ranks are the pools' own order, whose ties went by document id."""
    if options.fusion == "convex":
        return convex([pool.mapping() for pool in pools], options.weights)
    ranks = [dict(zip(pool.keys.tolist(), range(0, -len(pool.keys), -1), strict=True)) for pool in pools]
    return rrf(ranks, options.weights)


def passage_fusion(ranking: Ranking, options: SearchOptions) -> Callable[[Sequence[FloatArray]], FloatArray]:
    """A function from the views' passage scores (one array a view, aligned) to one score a passage.

    One view: its score. `convex`: the pools' own ranges, clipped to 0 … 1, so that a passage that carries its document
    has the document's score. `rrf`: ranks among the passages given.
    """
    if len(ranking.pools) == 1:
        return lambda scores: scores[0]
    weights = np.array(options.weights) / (sum(options.weights) if options.fusion == "convex" else 1.0)
    if options.fusion == "rrf":

        def by_rank(scores: Sequence[FloatArray]) -> FloatArray:
            ranks = [np.argsort(np.argsort(-values, kind="stable"), kind="stable") for values in scores]
            parts = [weight / (61.0 + rank) for weight, rank in zip(weights, ranks, strict=True)]
            return np.asarray(np.sum(parts, axis=0), dtype=np.float64)

        return by_rank
    ranges = [
        (float(pool.scores.min()), float(pool.scores.max())) if len(pool.keys) else None
        for pool in ranking.pools.values()
    ]

    def by_range(scores: Sequence[FloatArray]) -> FloatArray:
        total = np.zeros(len(scores[0]))
        for weight, bounds, values in zip(weights, ranges, scores, strict=True):
            if bounds is not None:
                low, high = bounds
                total += weight * ((values - low) / (high - low) if high > low else values >= high).clip(0, 1)
        return total

    return by_range


def check_query(text: str) -> None:
    """Raise `UsageError` for a query that is empty or blank."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"the query text is {text!r}: wanted at least one word")

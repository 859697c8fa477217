"""A search from query to ranking: each view's pool, passages to documents, fusion, one tie order, the cut at k.

Every view supplies `depth` = max(k, 1,000) distinct documents whatever k is, so the answer for a small k is the
beginning of the answer for a larger one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.index.codes import Codes
from retrieve.measures.fuse import convex, rrf
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import kept
from retrieve.retrievers.aggregate import aggregate_pool, in_scope
from retrieve.retrievers.bm25 import BM25View
from retrieve.retrievers.options import SearchOptions
from retrieve.retrievers.pool import FloatArray, Pool, order
from retrieve.retrievers.uhd import UHDView, codes_by_segment
from retrieve.retrievers.views import NoScores, ViewScores
from retrieve.store.filters import Filter
from retrieve.store.snapshot import Snapshot

if TYPE_CHECKING:
    from retrieve.encoders.sparse import SparseRows
    from retrieve.retrievers.splade import Impacts, SpladeView

Vectors = npt.NDArray[np.float32]

VECTOR_VIEWS = frozenset({"dense", "uhd"})
"""Views that take a query's vector, unless UHD is of the token level."""

_ALWAYS_EXACT = (("bm25",), ("uhd",), ("splade",))
_GROUP = 16

_log = logging.getLogger("retrieve")
_RRF_CONSTANT = 60


class Ranking(NamedTuple):
    """One query's answer in numbers. By view: its pool, the pool by best passages, its scores for reading off passages.

    `pools` and `tops` differ where documents are not scored by their best passage (`sum`, `mean`, `top3`).
    """

    final: Pool
    pools: dict[str, Pool]
    tops: dict[str, Pool]
    scores: dict[str, ViewScores]

    @property
    def silent(self) -> tuple[str, ...]:
        """Views that had no hit for this query."""
        return tuple(name for name, pool in self.pools.items() if not len(pool.keys))


class Searcher:
    """Ranks queries over one snapshot with one set of options. Safe in many threads."""

    def __init__(
        self,
        snapshot: Snapshot,
        passage_encoder: PassageEncoder,
        options: SearchOptions,
        where: Filter | None,
    ) -> None:
        self.snapshot = snapshot
        self.options = options
        self.truncated = 0  # queries that the encoder cut
        self._passage_encoder = passage_encoder
        self._scope = in_scope(snapshot, where, options.unit, options.aggregate)

    def rank(self, texts: Sequence[str], vectors: Vectors | None = None) -> Iterator[Ranking]:
        """Rankings of several queries, one after the other. `vectors` (B,D) stand for encoding the texts.

        Exact views hold a score for every passage, so only a few queries are in memory at a time.
        """
        for start in range(0, len(texts), _GROUP):
            group = texts[start : start + _GROUP]
            if not self.snapshot.segments:
                for _ in group:
                    yield self._rank_one({name: NoScores() for name in self.options.views})
                continue
            own = None if vectors is None else vectors[start : start + _GROUP]
            if own is None and not VECTOR_VIEWS.isdisjoint(self.options.views) and self._has_vectors:
                own = self._encode(group)
            by_view = [self._view_scores(name, group, own) for name in self.options.views]
            for scores in zip(*by_view, strict=True):
                yield self._rank_one(dict(zip(self.options.views, scores, strict=True)))

    def bm25(self) -> BM25View:
        """The BM25 view under these options."""
        return BM25View(self.snapshot, self._passage_encoder.analyzer, k1=self.options.k1, b=self.options.b)

    def splade_terms(self, text: str) -> Impacts:
        """A query's terms in the SPLADE view, with their weights."""
        return next(self._splade().weigh(self._encode_sparse([text])))

    def _splade(self) -> SpladeView:
        from retrieve.retrievers.splade import SpladeView

        section = self._passage_encoder.recipe.splade
        assert section is not None
        vocabulary = self._passage_encoder.models.sparse_queries.vocabulary()
        return SpladeView(self.snapshot, vocabulary, section.scale)

    @property
    def _has_vectors(self) -> bool:
        return self._passage_encoder.recipe.vectors is not None

    def _encode(self, texts: Sequence[str]) -> Vectors:
        encoded = self._passage_encoder.models.queries.encode_queries(texts)
        self._tell_cut(encoded.cut)
        form = self._passage_encoder.recipe.vectors
        assert form is not None
        return np.asarray(kept(encoded.vectors, form.dimensions, normalize=form.normalize), np.float32)

    def _tell_cut(self, cut: npt.NDArray[np.int64]) -> None:
        if texts := int(np.count_nonzero(cut)):
            self.truncated += texts
            _log.warning(
                "the encoder cut off %d tokens of %d queries that were longer than its limit",
                cut.sum(),
                texts,
            )

    def _encode_sparse(self, texts: Sequence[str]) -> SparseRows:
        encoded = self._passage_encoder.models.sparse_queries.encode_queries(texts)
        self._tell_cut(encoded.cut)
        return encoded

    def _view_scores(self, name: str, texts: Sequence[str], vectors: Vectors | None) -> Iterable[ViewScores]:
        if name == "bm25":
            return self.bm25().scores(texts)
        if name == "splade":
            return self._splade().scores(self._encode_sparse(texts))
        if name == "uhd":
            return UHDView(self.snapshot).scores(self._codes(texts, vectors))
        from retrieve.retrievers.dense import DenseView

        assert vectors is not None
        dense = DenseView(
            self.snapshot,
            ef_search=self.options.ef_search,
            nprobe=self.options.nprobe,
            oversample=self.options.oversample,
        )
        return dense.scores(vectors)

    def _codes(self, texts: Sequence[str], vectors: Vectors | None) -> list[Codes]:
        """The queries' codes for each segment."""
        if vectors is not None:
            return codes_by_segment(self.snapshot, self._passage_encoder, vectors, self.options.query_winners)
        encoded = self._encode_sparse(texts)
        return [Codes(encoded.starts, encoded.dims)] * len(self.snapshot.segments)

    def _rank_one(self, scores: dict[str, ViewScores]) -> Ranking:
        options = self.options
        # Such a view alone is exact and in the order of the answer: whatever its depth, its best are the beginning.
        alone = options.views in _ALWAYS_EXACT and options.aggregate in ("max", "first")
        depth = options.reach if alone else max(options.depth, options.reach)
        tops = {name: view.top(depth, self._scope) for name, view in scores.items()}
        pools = {
            name: aggregate_pool(self.snapshot, scores[name], top, options.aggregate)
            for name, top in tops.items()
        }
        final = self._fuse(list(pools.values())) if len(pools) > 1 else next(iter(pools.values()))
        best = Pool(final.keys[: options.reach], final.scores[: options.reach])
        return Ranking(best, pools, tops, scores)

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
    return rrf(ranks, options.weights, _RRF_CONSTANT)


def fuse_passages(ranking: Ranking, scores: Sequence[FloatArray], options: SearchOptions) -> FloatArray:
    """The views' scores of passages (one array a view, aligned) → one score a passage, whatever k is.

    One view: its score. Otherwise a passage stands where a document with that score would stand in the view's pool,
    so that one which carries its document in every view has the document's score; below the pool it gets nothing.
    """
    if len(scores) == 1:
        return scores[0]
    convex = options.fusion == "convex"
    share = sum(options.weights) if convex else 1.0
    place = _place_in_range if convex else _reciprocal_rank
    total = np.zeros(len(scores[0]))
    for weight, top, values in zip(options.weights, ranking.tops.values(), scores, strict=True):
        if len(top.scores):
            total += weight / share * place(top.scores, values)
    return total


def _place_in_range(top: FloatArray, values: FloatArray) -> FloatArray:
    high, low = top[0], top[-1]
    if high == low:
        return np.asarray(values >= high, dtype=np.float64)
    return np.asarray(((values - low) / (high - low)).clip(min=0), dtype=np.float64)


def _reciprocal_rank(top: FloatArray, values: FloatArray) -> FloatArray:
    better = np.searchsorted(-top, -values)
    return np.where(better < len(top), 1.0 / (_RRF_CONSTANT + 1 + better), 0.0)


def check_query(text: str) -> None:
    """Raise `UsageError` for a query that is no string, empty, blank, or not valid Unicode."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"the query text is {text!r}: wanted at least one word")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(f"the query text {text!r} has half a character: it is not valid Unicode")

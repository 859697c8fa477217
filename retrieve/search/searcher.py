"""A search from query to ranking: each view's pool, passages to documents, fusion, one tie order, the cut at k.

Every view supplies `depth` = max(k, 1,000) distinct documents whatever k is, so the answer for a small k is the
beginning of the answer for a larger one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import prepare, truncated_vectors
from retrieve.recipe import Recipe
from retrieve.search.aggregate import aggregate_pool, in_scope
from retrieve.search.feedback import found_passages
from retrieve.search.fusion import fuse_pools
from retrieve.search.options import SearchOptions
from retrieve.search.pool import Pool, order
from retrieve.search.query_weights import QueryWeights
from retrieve.search.view_scores import NoScores, ViewScores, scores_of_group
from retrieve.store.filters import Filter
from retrieve.store.segment import BoolArray
from retrieve.store.snapshot import Snapshot
from retrieve.store.stemmer import check_analyzer
from retrieve.views.protocol import Asked

if TYPE_CHECKING:
    from retrieve.encoders.sparse.encoder import SparseRows

Vector: TypeAlias = npt.NDArray[np.float32]
Vectors: TypeAlias = npt.NDArray[np.float32]
Ask: TypeAlias = str | Mapping[str, float] | Vector | Vectors
"""What one query asks of a view: a text, texts with weights where it takes terms, a vector (D,), or the vectors (W,D)
of several windows, whose scores are added up."""

GROUP = 16
"""Queries scored at a time, of which exact views hold a score for every passage."""

_MANY = 64
"""And of views that hold the best alone; up to four times as many where that is no more than their best 1,000."""

_log = logging.getLogger("retrieve")


class Ranking(NamedTuple):
    """One query's answer in numbers. By view: its pool, the pool by best passages, its scores for reading off passages.

    `pools` and `tops` differ where documents are not scored by their best passage (`sum`, `mean`, `top3`). `cut`:
    whether the encoder cut the query at its limit. `weights`: of its views, for this query.
    """

    final: Pool
    pools: dict[str, Pool]
    tops: dict[str, Pool]
    scores: dict[str, ViewScores]
    weights: tuple[float, ...]
    cut: bool


class _Encoded(NamedTuple):
    """What an encoder made of a group of queries: vectors (W,D) of their windows by text, sparse rows, and which
    queries it `cut` (B,).
    """

    vectors: Mapping[str, Vectors]
    rows: SparseRows | None
    cut: BoolArray

    def windows(self, ask: Ask) -> Vectors:
        """The vectors (W,D) of one query's windows: of most queries there is one."""
        if isinstance(ask, str):
            return self.vectors[ask]
        assert isinstance(ask, np.ndarray)
        return ask.reshape(-1, ask.shape[-1])


class Searcher:
    """Ranks queries over one snapshot with one set of options. Safe in many threads."""

    def __init__(
        self,
        snapshot: Snapshot,
        passage_encoder: PassageEncoder,
        options: SearchOptions,
        where: Filter | None,
        without: int | None = None,
    ) -> None:
        """`without`: a document that is not found, by its snapshot-wide number."""
        self.snapshot = snapshot
        self.options = options
        self._passage_encoder = passage_encoder
        self._scope = in_scope(snapshot, where, options.unit, options.aggregate, without)
        views = [snapshot.views[name] for name in options.views]
        self._by_best = options.aggregate in ("max", "first")
        self._reach = options.reach
        self._parameters = options.of_views
        self._feedback = options.feedback
        encoded = [view.name for view in views if view.encoding is not None]
        self._encodes = bool(encoded)
        self._weights = QueryWeights(passage_encoder, options, encoded)

    def rank(self, texts: Sequence[str], vectors: Vectors | None = None) -> Iterator[Ranking]:
        """Rankings of several queries, one after the other. `vectors` (B,D) stand for encoding the texts."""
        by_view: dict[str, Sequence[Ask]] = {
            name: texts if vectors is None or not self.takes_vectors(name) else list(vectors)
            for name in self.options.views
        }
        return self.rank_asks(len(texts), by_view)

    def rank_asks(self, count: int, asks: Mapping[str, Sequence[Ask]]) -> Iterator[Ranking]:
        """Rankings of `count` queries, one after the other; `asks`: for each view what they ask of it."""
        for number, (scores, cut) in enumerate(self.score(count, asks)):
            yield self._rank_one(scores, cut, self.weights(asks, number))

    def weights(self, asks: Mapping[str, Sequence[Ask]], number: int) -> tuple[float, ...]:
        """What the views weigh for one of the queries."""
        if not (self._weights.adapts and self.snapshot.segments):
            return self.options.weights
        return self._weights.of({name: own[number] for name, own in asks.items()})

    def score(
        self, count: int, asks: Mapping[str, Sequence[Ask]], *, lookup: bool = False
    ) -> Iterator[tuple[dict[str, ViewScores], bool]]:
        """What each view makes of `count` queries, one after the other, and whether the encoder cut the query.

        `asks`: for each view what the queries ask of it. With `lookup` scores are only read off passages. Exact views
        hold a score for every passage, so only a few queries are in memory at a time.
        """
        most = GROUP
        if all(self.snapshot.views[name].holds_best_alone for name in asks):
            most = _MANY * min(max(1_000 // self.options.reach, 1), 4)
        for start in range(0, count, most):
            group = {name: queries[start : start + most] for name, queries in asks.items()}
            size = min(most, count - start)
            if not self.snapshot.segments:
                for _ in range(size):
                    yield {name: NoScores() for name in group}, False
                continue
            yield from self._score_group(group, lookup=lookup)

    def _score_group(
        self, group: Mapping[str, Sequence[Ask]], *, lookup: bool
    ) -> Iterator[tuple[dict[str, ViewScores], bool]]:
        """Apart, so that nothing of a group is held while the next one is scored."""
        encoded = self._encode(group)
        by_view = [self._view_scores(name, asks, encoded, lookup=lookup) for name, asks in group.items()]
        for number, scores in enumerate(zip(*by_view, strict=True)):
            yield dict(zip(group, scores, strict=True)), bool(encoded.cut[number])

    @property
    def recipe(self) -> Recipe:
        """The recipe of the index that is searched."""
        return self._passage_encoder.recipe

    def takes_vectors(self, name: str) -> bool:
        """Whether a view is searched by a query's vector."""
        return self.snapshot.views[name].encoding == "vectors"

    def prepare(self, vectors: Vectors) -> Vectors:
        """Queries' vectors (B,D), checked and scaled as stored ones are. Raises `BadVectors`, `DimensionMismatch`."""
        form, record = self._passage_encoder.recipe.vectors, self.snapshot.manifest.encoder
        assert form is not None and record is not None
        return prepare(vectors, "the query", record.dimensions, normalize=form.normalize)

    def _encode(self, group: Mapping[str, Sequence[Ask]]) -> _Encoded:
        """All that the group asks of an encoder, each text once; one that is too long for vectors window by window."""
        size = len(next(iter(group.values())))
        cut = np.zeros(size, dtype=np.bool_)
        if not self._encodes:
            return _Encoded({}, None, cut)
        by_vector = {name: asks for name, asks in group.items() if self.takes_vectors(name)}
        sparse = [name for name in group if self.snapshot.views[name].encoding == "sparse"]
        texts = list(
            dict.fromkeys(ask for asks in by_vector.values() for ask in asks if isinstance(ask, str))
        )
        vectors: dict[str, Vectors] = {}
        if texts:
            windows = self._passage_encoder.query_windows(texts)
            firsts = np.cumsum([0, *map(len, windows)])
            encoded = self._passage_encoder.models.queries.encode_queries(list(chain.from_iterable(windows)))
            _warn_truncated(encoded.cut)
            form = self._passage_encoder.recipe.vectors
            assert form is not None
            ours = np.asarray(
                truncated_vectors(encoded.vectors, form.dimensions, normalize=form.normalize), np.float32
            )
            bounds = list(pairwise(firsts.tolist()))
            vectors = {text: ours[slice(*part)] for text, part in zip(texts, bounds, strict=True)}
            lost = np.add.reduceat(encoded.cut, firsts[:-1])
            shortened = {text for text, tokens in zip(texts, lost.tolist(), strict=True) if tokens}
            for asks in by_vector.values():
                cut |= [isinstance(ask, str) and ask in shortened for ask in asks]
        rows: SparseRows | None = None
        for name in sparse:  # an index has one sparse encoder at most
            texts = [ask for ask in group[name] if isinstance(ask, str)]
            rows = self._passage_encoder.models.sparse_queries.encode_queries(texts)
            _warn_truncated(rows.cut)
            cut |= rows.cut > 0
        return _Encoded(vectors, rows, cut)

    def _view_scores(
        self, name: str, asks: Sequence[Ask], encoded: _Encoded, *, lookup: bool
    ) -> list[ViewScores]:
        view = self.snapshot.views[name]
        if view.takes_terms:
            check_analyzer(self.snapshot.folder, self.snapshot.manifest, self._passage_encoder.analyzer)
        asked = Asked(self._passage_encoder, self._parameters, lookup=lookup)
        if view.encoding == "vectors":
            windows = [encoded.windows(ask) for ask in asks]
            asked = asked._replace(
                vectors=np.stack([own[0] if len(own) == 1 else own.sum(axis=0) for own in windows]),
                windows={number: own for number, own in enumerate(windows) if len(own) > 1},
            )
        elif view.encoding == "sparse":
            asked = asked._replace(rows=encoded.rows)
        else:
            texts = [ask for ask in asks if not isinstance(ask, np.ndarray)]
            asked = Asked(self._passage_encoder, self._parameters, texts, lookup=lookup)
        segments = self.snapshot.live_segments(name)
        found = scores_of_group(self.snapshot, view.scores(asked, segments), len(asks))
        feedback = self._feedback
        if feedback is None or not view.expands or not self.snapshot.segments:
            return found
        aggregate = self.options.aggregate
        passages = [
            found_passages(self.snapshot, each, self._scope, feedback.documents, aggregate) for each in found
        ]
        return scores_of_group(self.snapshot, view.expanded(asked, segments, passages, feedback), len(asks))

    def tops(self, scores: Mapping[str, ViewScores], *, ordered: bool = True) -> dict[str, Pool]:
        """Each view's best documents or passages: as deep as the answer needs them, and `ordered` if it needs that."""
        depth = self._reach
        # An exact view alone is in the order of the answer: whatever its depth, its best are the beginning.
        if len(scores) > 1 or not self._by_best or not all(view.exact for view in scores.values()):
            depth = max(self.options.depth, depth)
        return {name: view.top(depth, self._scope, ordered=ordered) for name, view in scores.items()}

    def _rank_one(self, scores: dict[str, ViewScores], cut: bool, weights: tuple[float, ...]) -> Ranking:
        pools = tops = self.tops(scores)
        if not self._by_best:
            pools = {
                name: aggregate_pool(self.snapshot, scores[name], top, self.options.aggregate)
                for name, top in tops.items()
            }
        final = self._fuse(list(pools.values()), weights) if len(pools) > 1 else next(iter(pools.values()))
        if len(final.keys) > self._reach:
            final = Pool(final.keys[: self._reach], final.scores[: self._reach])
        return Ranking(final, pools, tops, scores, weights, cut)

    def _fuse(self, pools: Sequence[Pool], weights: Sequence[float]) -> Pool:
        keys, scores = fuse_pools(pools, weights, self.options.fusion)
        best = order(self.snapshot, keys, scores, self.options.unit, self.options.reach)
        return Pool(keys[best], scores[best])


def _warn_truncated(cut: npt.NDArray[np.int64]) -> None:
    if texts := int(np.count_nonzero(cut)):
        _log.warning(
            "the encoder cut off %d tokens of %d queries that were longer than its limit", cut.sum(), texts
        )


def check_query(text: object) -> None:
    """Raise `UsageError` for a query that is no string, empty, blank, or not valid Unicode."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"the query text is {text!r}: wanted at least one word")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the query text {text!r} has half a character: it is not valid Unicode") from None

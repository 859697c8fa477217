"""Rankings of many queries, one after the other: ids and scores, so that a run of any length fits in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from retrieve.api.open_state import Held
from retrieve.api.searching import Scorers, hits_of, searcher_of
from retrieve.errors import UsageError
from retrieve.search.passage_rankings import places_of
from retrieve.search.pool import Pool
from retrieve.search.searcher import Searcher, check_query
from retrieve.store.filters import Where
from retrieve.types import Hit, Progress, Query

_TOLD = 32
"""Queries between two words on how far the run is."""


class QueryRanking(NamedTuple):
    """One query's answer in a run: (id, score) pairs, best first, ties already in order.

    `found`: how many hits each view had for it, before fusion and the cut. `views`: each view's own ranking, if asked
    for. `truncated`: whether the encoder cut the query at its limit.
    """

    query_id: str
    ranking: list[tuple[str, float]]
    found: dict[str, int]
    views: dict[str, list[tuple[str, float]]]
    truncated: bool

    @property
    def silent(self) -> tuple[str, ...]:
        """The views that had no hit for this query."""
        return tuple(name for name, hits in self.found.items() if not hits)


class RunResult(NamedTuple):
    """Many queries' rankings: (query id, [(document id, score)…]) in query order, ties already in order.

    `silent`: per view, the ids of queries for which it had no hit. `views`: each view's own rankings, if asked for.
    `truncated`: queries that the encoder cut at its limit.
    """

    rankings: list[tuple[str, list[tuple[str, float]]]]
    silent: dict[str, list[str]]
    views: dict[str, list[tuple[str, list[tuple[str, float]]]]]
    truncated: int = 0

    @classmethod
    def of(cls, answers: Iterable[QueryRanking], views: Sequence[str]) -> RunResult:
        """All answers of a run together; `views` are those that were searched."""
        silent: dict[str, list[str]] = {name: [] for name in views}
        rankings: list[tuple[str, list[tuple[str, float]]]] = []
        by_view: dict[str, list[tuple[str, list[tuple[str, float]]]]] = {}
        truncated = 0
        for answer in answers:
            rankings.append((answer.query_id, answer.ranking))
            for name in answer.silent:
                silent[name].append(answer.query_id)
            for name, ranking in answer.views.items():
                by_view.setdefault(name, []).append((answer.query_id, ranking))
            truncated += answer.truncated
        return cls(rankings, silent, by_view, truncated)


class RunSettings(NamedTuple):
    """What a run asks beside its queries and the options of its searches: see `Index.iter_run`."""

    k: int
    where: Where
    parents: bool
    drop_self: bool
    progress: Progress | None


def start_run(
    held: Held,
    queries: Iterable[Query],
    asked: RunSettings,
    options: Mapping[str, Any],
    scorers: Scorers,
) -> tuple[Searcher, Iterator[QueryRanking]]:
    """What ranks, and the answers to come. Whatever is wrong with the call is said now, not at some query's turn."""
    queries = _listed(queries)
    k = asked.k + 1 if asked.drop_self and asked.k > 0 else asked.k
    searcher = searcher_of(held, k, asked.where, options)
    if asked.drop_self and searcher.options.unit == "passage":
        raise UsageError("drop_self leaves out a document: unit='passage' does not go with it")
    return searcher, _answers(searcher, queries, asked, scorers)


def _listed(queries: Iterable[Query]) -> list[Query]:
    """The queries, checked. They are gone through twice, which one after the other would not bear."""
    if isinstance(queries, Query | str | Mapping) or not isinstance(queries, Iterable):
        raise UsageError(
            f"wanted a list of queries, got one {type(queries).__name__}: write [Query(id, text)]"
        )
    listed = list(queries)
    for number, query in enumerate(listed):
        if not isinstance(query, Query):
            raise UsageError(
                f"query {number} is of type {type(query).__name__}: wanted a retrieve.Query(id, text)"
            )
        check_query(query.text)
    return listed


def _answers(
    searcher: Searcher, queries: Sequence[Query], asked: RunSettings, scorers: Scorers
) -> Iterator[QueryRanking]:
    rankings = searcher.rank([query.text for query in queries])
    for number, (query, ranking) in enumerate(zip(queries, rankings, strict=True), start=1):
        if searcher.options.reranker:
            hits = hits_of(searcher, query.text, ranking, scorers)
            final = [(_hit_id(hit, searcher), hit.score) for hit in hits]
        else:
            final = _pairs(searcher, ranking.final)
        pools = ranking.pools.items() if asked.parents else ()
        views = {name: _pairs(searcher, pool, asked.k + asked.drop_self) for name, pool in pools}
        dropped = query.id if asked.drop_self else None
        yield QueryRanking(
            query.id,
            _best(final, asked.k, dropped),
            {name: len(pool.keys) for name, pool in ranking.pools.items()},
            {name: _best(pairs, asked.k, dropped) for name, pairs in views.items()},
            ranking.cut,
        )
        if asked.progress is not None and (number % _TOLD == 0 or number == len(queries)):
            asked.progress("queries", number, len(queries))


def passage_id(doc_id: str, position: int) -> str:
    """A passage's id in a run: its document's, #, and its position there, as passage collections have it."""
    return f"{doc_id}#{position}"


def _best(pairs: list[tuple[str, float]], k: int, dropped: str | None) -> list[tuple[str, float]]:
    return (pairs if dropped is None else [pair for pair in pairs if pair[0] != dropped])[:k]


def _pairs(searcher: Searcher, pool: Pool, most: int | None = None) -> list[tuple[str, float]]:
    snapshot = searcher.snapshot
    keys = pool.keys[:most]
    if searcher.options.unit == "document":
        ids = snapshot.doc_ids(keys)
    else:
        documents, _, positions = places_of(snapshot, keys)
        names = snapshot.doc_ids(documents)
        ids = [passage_id(*place) for place in zip(names, positions.tolist(), strict=True)]
    return list(zip(ids, np.asarray(pool.scores[:most]).tolist(), strict=True))


def _hit_id(hit: Hit, searcher: Searcher) -> str:
    if searcher.options.unit == "document":
        return hit.doc_id
    return passage_id(hit.doc_id, hit.passages[0].position)

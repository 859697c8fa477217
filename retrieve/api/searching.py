"""A search of one generation, from a call's arguments to hits: what the calls of `Index` have in common.

Arguments are checked here, once for all of them, before anything is encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from retrieve.api.open_state import Held
from retrieve.errors import UsageError
from retrieve.search.explain import explain
from retrieve.search.hits import build_hits, load_documents
from retrieve.search.lookup import listed_ids, stored_vectors
from retrieve.search.options import options_by_name
from retrieve.search.rerank import PairScorer, rerank
from retrieve.search.searcher import Ask, Ranking, Searcher, check_query
from retrieve.search.snippets import QueryWords
from retrieve.store.filters import Filter, Where, parse_filter
from retrieve.types import Hits
from retrieve.views.registry import vector_views

_MOST_KEPT = 64
"""Searchers of a generation that are kept; then all go. Few programs ask in more ways."""

_PLAIN = frozenset({str, int, float, bool, type(None)})

Scorers: TypeAlias = Callable[[str], PairScorer]
"""A cross-encoder's folder or name → the cross-encoder, loaded once."""


def searcher_of(
    held: Held, k: int, where: Where, options: Mapping[str, Any], without: int | None = None
) -> Searcher:
    """What ranks queries of a generation with these options. Raises `UsageError` for what cannot work.

    `without`: a document that is not found, by its number in the snapshot.
    """
    key = _key(k, options) if where is None and without is None else None
    if key is not None and (kept := held.searchers.get(key)) is not None:
        return kept
    resolved = options_by_name(held.passage_encoder.recipe, k, options)
    searcher = Searcher(held.snapshot, held.passage_encoder, resolved, filter_of(where), without)
    if key is not None:
        if len(held.searchers) >= _MOST_KEPT:
            held.searchers.clear()
        held.searchers[key] = searcher
    return searcher


def _key(k: int, options: Mapping[str, Any]) -> Hashable | None:
    """By which a searcher is kept; None for one that is not. Types belong to it: 1 is a fine k, and True is none."""
    asked = [("k", k), *options.items()]
    if any(type(value) not in _PLAIN for _, value in asked):
        return None
    return tuple((name, type(value), value) for name, value in asked)


def filter_of(where: Where) -> Filter | None:
    """A call's filter, parsed."""
    return None if where is None else parse_filter(where)


def search_all(
    held: Held,
    queries: Sequence[str | None],
    k: int,
    vectors: npt.NDArray[np.float32] | None,
    where: Where,
    options: dict[str, Any],
    scorers: Scorers,
) -> list[Hits]:
    """Hits for each query, a text or None; `vectors` (B,D) go with the queries, and stand for encoding them."""
    texts = [query for query in queries if query is not None]
    for text in texts:
        check_query(text)
    if len(texts) != len(queries) and options.get("using") is None:
        options["using"] = vector_views(held.passage_encoder.recipe) or None
    searcher = searcher_of(held, k, where, options)
    asked = searcher.options
    if asked.reranker and len(texts) != len(queries):
        raise UsageError("reranking reads the query: give its text beside the vector")
    by_text = [name for name in asked.views if not searcher.takes_vectors(name)]
    if len(texts) != len(queries) and by_text:
        raise UsageError(f"a vector alone does not search {by_text}: add the text, or leave them out")
    if vectors is not None:
        # One that is of no use since its views weigh 0 is looked at all the same.
        if not any(searcher.takes_vectors(name) for name in asked.named):
            raise UsageError("a vector was given, and the views made of vectors are not searched")
        vectors = searcher.prepare(vectors)
    shown = [query or "" for query in queries]
    return list(_hits_of_all(searcher, shown, searcher.rank(shown, vectors), scorers))


def search_like(
    held: Held, doc_id: str, k: int, where: Where, options: Mapping[str, Any], scorers: Scorers
) -> Hits:
    """Hits for a document of the index, without itself: by its vectors as they were stored, and its text's terms.

    Where no vectors were kept its text is encoded. Raises `UsageError` for an unknown id, or one without text.
    """
    snapshot, passage_encoder = held.snapshot, held.passage_encoder
    place = snapshot.locate(listed_ids([doc_id]))[0]
    if place is None:
        raise UsageError(f"no document {doc_id!r} in {snapshot.folder}")
    number = int(snapshot.bases[place.segment]) + place.row
    document = load_documents(snapshot, np.array([number]))[0].document
    (text,) = passage_encoder.fed(document, np.array([[0, len(document.text)]]))
    if not text.strip():
        raise UsageError(f"document {doc_id!r} has no text: nothing can be like it")
    searcher = searcher_of(held, k, where, options, without=number)
    asks: dict[str, list[Ask]] = {name: [text] for name in searcher.options.views}
    for name in asks:
        if searcher.takes_vectors(name) and snapshot.segments[place.segment].has_vectors:
            asks[name] = [stored_vectors(snapshot, [doc_id]).vectors]
    return hits_of(searcher, text, next(searcher.rank_asks(1, asks)), scorers)


def explain_one(
    held: Held, query: str, doc_id: str, k: int, where: Where, options: Mapping[str, Any]
) -> dict[str, Any]:
    """See `Index.explain`."""
    check_query(query)
    searcher = searcher_of(held, k, where, options)
    if searcher.options.unit != "document":
        raise UsageError(
            "documents are explained, with all their passages: unit='passage' does not go with it"
        )
    place = held.snapshot.locate(listed_ids([doc_id]))[0]
    if place is None:
        raise UsageError(f"no document {doc_id!r} in {held.snapshot.folder}")
    ranking = next(searcher.rank([query]))
    return {"query": query, "doc_id": doc_id} | explain(held.snapshot, ranking, place)


def weights_of(held: Held, query: str, options: Mapping[str, Any]) -> dict[str, float]:
    """See `Index.query_weights`."""
    check_query(query)
    searcher = searcher_of(held, 10, None, options)
    views = searcher.options.views
    return dict(zip(views, searcher.weights({name: [query] for name in views}, 0), strict=True))


def hits_of(searcher: Searcher, text: str, ranking: Ranking, scorers: Scorers) -> Hits:
    """A ranking's hits with their texts, ordered by the cross-encoder if one was asked for."""
    return next(_hits_of_all(searcher, [text], [ranking], scorers))


def _hits_of_all(
    searcher: Searcher, texts: Sequence[str], rankings: Iterable[Ranking], scorers: Scorers
) -> Iterator[Hits]:
    options = searcher.options
    shows = [QueryWords.of(text, searcher.recipe) for text in texts]
    every = build_hits(searcher.snapshot, rankings, options, shows)
    if not options.reranker:
        return every
    return (
        Hits(rerank(scorers(options.reranker), text, hits, depth=options.rerank_depth, k=options.k))
        for text, hits in zip(texts, every, strict=True)
    )

"""Passages in arrays, of one generation: from a call's arguments to rankings and scores, and back from keys.

Keys are plain numbers, so whatever takes them also takes the layout that they belong to, and compares it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from retrieve.api.open_state import Held
from retrieve.api.searching import searcher_of
from retrieve.errors import UsageError
from retrieve.recipe import FusionMethod
from retrieve.search import passage_rankings
from retrieve.search.options import check_names
from retrieve.search.passage_rankings import (
    PassageFusion,
    PassageRanking,
    PassageSettings,
    ScoreSettings,
    check_keys,
)
from retrieve.search.query_parts import PassageQuery, asks_by_view, check_queries, named_views
from retrieve.search.searcher import Ask, Searcher
from retrieve.store.filters import Where
from retrieve.store.snapshot import Snapshot

Keys = PassageRanking | npt.ArrayLike


def rank_passages(
    held: Held,
    queries: Sequence[PassageQuery],
    k: int,
    fusion: PassageFusion | None,
    where: Where,
    options: PassageSettings,
) -> PassageRanking:
    """See `Index.rank_passages`."""
    if fusion not in (None, *get_args(FusionMethod), "sum"):
        raise UsageError(f"fusion is {fusion!r}: wanted convex, z, rrf or sum")
    check_names(options, PassageSettings)
    how = None if fusion == "sum" else fusion
    searcher = _searcher(held, queries, k, where, {**options, "fusion": how})
    asks = _asks(searcher, queries)
    return passage_rankings.rank_passages(
        searcher, asks, len(queries), "sum" if fusion == "sum" else searcher.options.fusion
    )


def score_passages(
    held: Held,
    queries: Sequence[PassageQuery],
    keys: Keys,
    layout: str | None,
    options: ScoreSettings,
) -> dict[str, npt.NDArray[np.float32]]:
    """See `Index.score_passages`."""
    check_names(options, ScoreSettings)
    searcher = _searcher(held, queries, 1, None, options)
    wanted = keys_of(held.snapshot, keys, layout)
    if wanted.ndim != 2 or len(wanted) != len(queries):
        raise UsageError(
            f"{len(queries)} queries and keys {wanted.shape}: wanted a row of keys for each query"
        )
    return passage_rankings.score_passages(searcher, _asks(searcher, queries), wanted)


def keys_of(snapshot: Snapshot, keys: Keys, layout: str | None) -> npt.NDArray[np.int64]:
    """Keys of this snapshot's passages, in the shape in which they were given, checked."""
    if isinstance(keys, PassageRanking):
        layout, keys = keys.layout, keys.keys
    elif layout is None:
        raise UsageError(
            "an array of keys does not say which passages it numbers: give layout= of the ranking that it comes from, "
            "or the ranking itself"
        )
    try:
        wanted = np.asarray(keys)
    except ValueError as error:  # rows of unequal length
        raise UsageError(
            f"the keys are no array: fill rows up with −1 where they have fewer ({error})"
        ) from error
    if wanted.dtype.kind not in "iu" and wanted.size:
        raise UsageError(f"the keys are {wanted.dtype}: wanted whole numbers")
    if layout != snapshot.layout:
        raise UsageError(
            f"the keys number passages of layout {layout[:8]}, generation {snapshot.manifest.generation} has "
            f"{snapshot.layout[:8]}: documents were added, deleted or merged since; rank the passages again"
        )
    checked = wanted.astype(np.int64)
    check_keys(snapshot, checked)
    return checked


def _searcher(
    held: Held, queries: Sequence[PassageQuery], k: int, where: Where, options: Mapping[str, Any]
) -> Searcher:
    """Of passages, whatever the recipe's defaults for hits are; by the query alone, so that any passage has a score."""
    check_queries(queries)
    using = options.get("using")
    if using is None:
        using = named_views(queries, held.passage_encoder.recipe) or None
    fixed = {"using": using, "unit": "passage", "aggregate": "max", "reranker": "", "rm3": False}
    return searcher_of(held, k, where, {**options, **fixed})


def _asks(searcher: Searcher, queries: Sequence[PassageQuery]) -> dict[str, list[Ask]]:
    views = {name: searcher.snapshot.views[name] for name in searcher.options.views}
    return asks_by_view(queries, views, searcher.prepare)

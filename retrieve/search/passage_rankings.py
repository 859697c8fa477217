"""Passages ranked for many queries, in arrays, and the exact score of any passage by any view: what training needs.

Keys are numbers of passages in one layout of the index, so nothing is looked up by name, and no hit is an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.recipe import FusionMethod
from retrieve.search.fusion import fuse_pools
from retrieve.search.pool import FloatArray, Pool, documents_of, order
from retrieve.search.searcher import Ask, Searcher
from retrieve.search.view_scores import ViewScores
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot

Float32s: TypeAlias = npt.NDArray[np.float32]
PassageFusion: TypeAlias = FusionMethod | Literal["sum"]

NO_KEY = -1
"""Where a row of keys has fewer than it has room for."""


class ScoreSettings(TypedDict, total=False):
    """What scores of given passages depend on; as in `SearchSettings`."""

    using: str | Sequence[str] | None
    k1: float | None
    b: float | None
    query_terms: int | None
    query_winners: int | None


class PassageSettings(ScoreSettings, total=False):
    """What a ranking of passages depends on; as in `SearchSettings`."""

    weights: Mapping[str, float] | None
    depth: int | None
    ef_search: int | None
    nprobe: int | None
    oversample: int | None


class PassageRanking(NamedTuple):
    """The best passages of B queries: keys (B,P) int64 and scores (B,P) float32, best first.

    `by_view`: each view's own score of every key, (B,P) float32, also where another view found it. Rows with fewer
    passages end in keys of −1 and scores of −inf. `layout` says which passages the keys number.
    """

    keys: IntArray
    scores: Float32s
    by_view: dict[str, Float32s]
    layout: str


def rank_passages(
    searcher: Searcher, asks: Mapping[str, Sequence[Ask]], count: int, fusion: PassageFusion
) -> PassageRanking:
    """The `options.k` best passages of `count` queries, in order (−score, document id, position) before the cut.

    Each view supplies its best `depth` passages. "sum" adds the views' own scores, exact for every passage that any
    view supplied, times the views' weights; "convex", "z" and "rrf" are those of a search for passages.
    """
    snapshot, k = searcher.snapshot, searcher.options.k
    keys = np.full((count, k), NO_KEY, np.int64)
    scores = np.full((count, k), -np.inf, np.float32)
    by_view = {name: np.full((count, k), -np.inf, np.float32) for name in asks}
    for row, (views, _) in enumerate(searcher.score(count, asks)):
        weights = searcher.options.weights if fusion == "sum" else searcher.weights(asks, row)
        best, raw = _rank_one(searcher, views, fusion, weights)
        found = len(best.keys)
        keys[row, :found] = best.keys
        scores[row, :found] = best.scores
        for name, values in raw.items():
            by_view[name][row, :found] = values
    return PassageRanking(keys, scores, by_view, snapshot.layout)


def score_passages(
    searcher: Searcher, asks: Mapping[str, Sequence[Ask]], keys: IntArray
) -> dict[str, Float32s]:
    """Each view's score (B,P) float32 of keys (B,P), B queries; −inf where the key is −1."""
    snapshot = searcher.snapshot
    by_view = {name: np.full(keys.shape, -np.inf, np.float32) for name in asks}
    for row, (views, _) in enumerate(searcher.score(len(keys), asks, lookup=True)):
        at = np.flatnonzero(keys[row] != NO_KEY)
        for name, view in views.items():
            by_view[name][row, at] = _at(snapshot, view, keys[row, at])
    return by_view


def check_keys(snapshot: Snapshot, keys: IntArray) -> None:
    """Raise `UsageError` for a key, other than −1, that is of no live passage of the snapshot."""
    passages = int(snapshot.passage_bases[-1])
    asked = keys[keys != NO_KEY]
    if not len(asked):
        return
    if int(asked.min()) < 0 or int(asked.max()) >= passages:
        wrong = asked[(asked < 0) | (asked >= passages)][0]
        raise UsageError(
            f"there is no passage of key {wrong}: keys are from 0 to {passages - 1}, or −1 for none"
        )
    owner = _owner(snapshot, asked)
    for number, live in enumerate(snapshot.live):
        if live is not None and (at := owner == number).any():
            own = asked[at]
            rows = own - snapshot.passage_bases[number]
            gone = ~live[snapshot.segments[number].document_of[rows]]
            if gone.any():
                raise UsageError(f"the passage of key {own[gone][0]} is of a document that was deleted")


def places_of(snapshot: Snapshot, keys: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Keys (K,) of passages → their documents' snapshot-wide numbers (K,), spans (K,2) and positions (K,)."""
    spans = np.empty((len(keys), 2), np.int64)
    positions = np.empty(len(keys), np.int64)
    owner = _owner(snapshot, keys)
    for number in np.unique(owner):
        at = owner == number
        segment = snapshot.segments[number]
        rows = keys[at] - snapshot.passage_bases[number]
        spans[at] = segment.passages[rows, 1:]
        positions[at] = rows - segment.first_passage[segment.document_of[rows]]
    return documents_of(snapshot, keys), spans, positions


def _rank_one(
    searcher: Searcher, views: Mapping[str, ViewScores], fusion: PassageFusion, weights: Sequence[float]
) -> tuple[Pool, dict[str, FloatArray]]:
    """One query's best passages, and each view's scores of them."""
    snapshot, options = searcher.snapshot, searcher.options
    alone = len(views) == 1 and (fusion != "sum" or weights == (1.0,))
    tops = searcher.tops(views, ordered=alone or fusion != "sum")
    if alone:
        ((name, top),) = tops.items()
        best = Pool(top.keys[: options.k], top.scores[: options.k])
        return best, {name: best.scores}
    pools = list(tops.values())
    if fusion == "sum":
        keys = np.unique(np.concatenate([pool.keys for pool in pools]))
        raw = {name: _exact(snapshot, views[name], top, keys) for name, top in tops.items()}
        total = np.zeros(len(keys))
        for weight, values in zip(weights, raw.values(), strict=True):
            total += weight * values
        chosen = order(snapshot, keys, total, "passage", options.k)
        return Pool(keys[chosen], total[chosen]), {name: values[chosen] for name, values in raw.items()}
    keys, total = fuse_pools(pools, weights, fusion)
    chosen = order(snapshot, keys, total, "passage", options.k)
    best = Pool(keys[chosen], total[chosen])
    return best, {name: _exact(snapshot, views[name], top, best.keys) for name, top in tops.items()}


def _exact(snapshot: Snapshot, view: ViewScores, top: Pool, keys: IntArray) -> FloatArray:
    """A view's scores of keys (K,): those of its pool are known, the others are looked up."""
    if not len(top.keys):
        return _at(snapshot, view, keys)
    rising = np.argsort(top.keys)
    known = top.keys[rising]
    place = np.searchsorted(known, keys).clip(max=len(known) - 1)
    scores: FloatArray = top.scores[rising][place]
    missing = known[place] != keys
    if missing.any():
        scores[missing] = _at(snapshot, view, keys[missing])
    return scores


def _at(snapshot: Snapshot, view: ViewScores, keys: IntArray) -> FloatArray:
    """A view's scores (K,) float64 of keys."""
    owner = _owner(snapshot, keys)
    scores = np.empty(len(keys))
    for number in np.unique(owner).tolist():
        at = owner == number
        scores[at] = view.at(number, keys[at] - snapshot.passage_bases[number])
    return scores


def _owner(snapshot: Snapshot, keys: IntArray) -> IntArray:
    """The segments' numbers of keys."""
    return np.searchsorted(snapshot.passage_bases, keys, side="right") - 1

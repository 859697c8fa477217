"""Why a document got its score: each view's terms, cosines or counts, by passage, and what fusion made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieve.search.pool import passages_of
from retrieve.search.searcher import Ranking
from retrieve.store.snapshot import Place, Snapshot


def explain(snapshot: Snapshot, ranking: Ranking, place: Place) -> dict[str, Any]:
    """A JSON object. `rank` is None where the document is beyond the k best of this search.

    A view's `score` is None where its pool has not the document; an exact view alone, by best or first passages, makes
    a pool of the k best only. `passages` are scored all the same. `weight`: what a view beside others counts for this
    query.
    """
    document = int(snapshot.bases[place.segment]) + place.row
    at = np.flatnonzero(ranking.final.keys == document)
    number, rows = passages_of(snapshot, document)
    views: dict[str, Any] = {}
    for (name, scores), weight in zip(ranking.scores.items(), ranking.weights, strict=True):
        values = scores.at(number, rows)
        in_pool = ranking.pools[name].mapping().get(document)
        views[name] = {"score": in_pool, "passages": values.tolist()}
        if len(ranking.scores) > 1:
            views[name]["weight"] = weight
        if len(rows):
            best = int(rows[int(np.argmax(values))])
            views[name] |= scores.explain(number, best)
    return {
        "rank": int(at[0]) + 1 if len(at) else None,
        "score": float(ranking.final.scores[at[0]]) if len(at) else None,
        "views": views,
    }

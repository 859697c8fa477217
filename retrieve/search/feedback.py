"""Which passages a query is expanded by: of each of its best documents the best one, as it was searched."""

from __future__ import annotations

import numpy as np

from retrieve.recipe import Aggregate
from retrieve.search.pool import Scope, passages_of
from retrieve.search.view_scores import ViewScores
from retrieve.store.snapshot import Snapshot
from retrieve.views.protocol import Found


def found_passages(
    snapshot: Snapshot, scores: ViewScores, scope: Scope, most: int, aggregate: Aggregate
) -> list[Found]:
    """The best passages of the `most` best documents in scope, or of a search for passages the best passages.

    A document gives one passage only: neighbours that overlap would say the same twice.
    """
    keys, values = scores.top(most, scope)
    found = []
    for key, score in zip(keys.tolist(), values.tolist(), strict=True):
        if scope.unit == "passage":
            number = int(np.searchsorted(snapshot.passage_bases, key, side="right") - 1)
            found.append(Found(number, key - int(snapshot.passage_bases[number]), score))
            continue
        number, rows = passages_of(snapshot, key)
        best = 0 if aggregate == "first" else int(np.argmax(scores.at(number, rows)))
        found.append(Found(number, int(rows[best]), score))
    return found

"""Tuning: settings chosen by cross-validation over judged queries, and kept as an index's defaults if that is a gain.

Each query is judged under settings that were chosen without it (k-fold cross-validation, Stone 1974), so that the gain
is one on queries that had no part in the choice. What is kept is chosen on all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from retrieve.api import Index
from retrieve.errors import InputError, UsageError
from retrieve.measures.names import parse_measures
from retrieve.measures.significance import Interval, mean_interval
from retrieve.store.defaults import keep_defaults
from retrieve.store.manifest import Tuned
from retrieve.tuning.choose import Measured, choose, in_folds
from retrieve.tuning.scored_views import DEPTH, Scored, remove_own
from retrieve.tuning.space import Config, steps
from retrieve.types import Progress, Query

MOST_QUERIES = 1_000


@dataclass(frozen=True)
class Tuning:
    """What was chosen, and what it is worth.

    `before` and `held_out`: the measure's mean under the defaults, and under settings that were chosen on the other
    folds; `gain` their difference, with its interval. `chosen`: settings chosen on all queries, whose mean on them,
    `fitted`, flatters them. `folds`: what each fold's others chose. `kept`: whether the index has them now.
    """

    measure: str
    queries: int
    before: float
    held_out: float
    gain: Interval
    chosen: dict[str, Any]
    fitted: float
    defaults: dict[str, Any]
    folds: list[dict[str, Any]]
    tried: int
    kept: bool


def tune(
    index: Index,
    queries: Sequence[Query],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    measure: str = "nDCG@10",
    folds: int = 5,
    most_queries: int = MOST_QUERIES,
    seed: int = 0,
    drop_self: bool = False,
    work: str | Path | None = None,
    keep: bool = True,
    progress: Progress | None = None,
) -> Tuning:
    """Choose k1 and b, RM3, query winners, the aggregate, fusion, weights, depth; the mean of `measure` is to grow.

    Judged queries beyond `most_queries` are left out, by a hash of their ids. `work` keeps what was found, so that an
    interrupted tuning goes on (default: beside the index, until it is done). With `keep` the settings become the
    index's defaults where the gain on held-out queries has a 95 % interval above zero: a new generation, which
    `reset_defaults` takes back. Raises `UsageError` for too few queries, `InputError` for judged queries without text.
    """
    (parsed,) = parse_measures([measure])
    asked = _judged(queries, qrels, most_queries)
    parts = in_folds(len(asked), folds, seed)
    folder = Path(work) if work is not None else index.path.with_name(f"{index.path.name}.tuning")
    start, todo = Config.of(index.recipe), steps(index.recipe)
    if not todo:
        raise UsageError(f"the views {list(index.recipe.views)} of {index.path} have nothing to tune")
    depth = max(DEPTH, start.depth, parsed.params.get("cutoff", 0))
    scored = Scored(index, asked, folder, depth=depth, drop_self=drop_self, progress=progress)
    values = Measured(scored, qrels, parsed, progress)
    held_out = np.empty(len(asked))
    chosen_by_fold = []
    for part in parts:
        others = np.setdiff1d(np.arange(len(asked)), part)
        best = choose(values, todo, start, others)
        held_out[part] = values.values(best)[part]
        chosen_by_fold.append(best)
    everything = np.arange(len(asked))
    chosen = choose(values, todo, start, everything)
    before = values.values(start)
    gain = mean_interval(held_out - before, seed=seed)
    kept = keep and gain.low > 0 and chosen != start
    if kept:
        record = Tuned(
            measure=values.name,
            queries=len(asked),
            gain=gain.value,
            low=gain.low,
            high=gain.high,
            before=index.recipe.search.model_dump(mode="json", exclude_none=True),
        )
        keep_defaults(index.path, chosen.section(index.recipe), record)
        index.refresh()
    if work is None:
        remove_own(folder)
    recipe = index.recipe
    return Tuning(
        measure=values.name,
        queries=len(asked),
        before=float(before.mean()),
        held_out=float(held_out.mean()),
        gain=gain,
        chosen=dict(chosen.settings(recipe)),
        fitted=float(values.values(chosen).mean()),
        defaults=dict(start.settings(recipe)),
        folds=[dict(each.settings(recipe)) for each in chosen_by_fold],
        tried=values.tried,
        kept=kept,
    )


def _judged(queries: Sequence[Query], qrels: Mapping[str, Mapping[str, int]], most: int) -> list[Query]:
    """The judged queries, at most so many of them, in their order."""
    judged = {query_id for query_id, grades in qrels.items() if grades}
    found = [query for query in queries if query.id in judged]
    counts = Counter(query.id for query in found)
    if twice := next((query_id for query_id, count in counts.items() if count > 1), None):
        raise UsageError(f"query {twice!r} is there {counts[twice]} times: give each query once")
    if absent := judged - {query.id for query in found}:
        raise InputError(
            "", f"{len(absent)} judged queries have no text, the first is {min(absent)!r}: give their file"
        )
    if len(found) > most:
        by_hash = sorted(found, key=lambda query: (xxhash.xxh64_intdigest(query.id.encode()), query.id))[
            :most
        ]
        taken = {query.id for query in by_hash}
        found = [query for query in found if query.id in taken]
    return found

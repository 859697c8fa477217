"""What a query of many forms asks of each view: a text, a vector, or something of its own for each view.

Checked once, before anything is encoded, so that what the views get is known to be fit for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from retrieve.errors import DimensionMismatch, UsageError
from retrieve.recipe import Recipe
from retrieve.search.searcher import Ask, Vector, check_query
from retrieve.store.vectors import query_vector
from retrieve.views.protocol import View
from retrieve.views.registry import vector_views

Terms: TypeAlias = Mapping[str, float]
PassageQuery: TypeAlias = str | npt.ArrayLike | Mapping[str, str | npt.ArrayLike | Terms]
"""A text, a vector (D,), or view → text, vector, or for a view of terms (BM25) texts with weights."""


def named_views(queries: Sequence[PassageQuery], recipe: Recipe) -> list[str]:
    """The views that are searched where a call names none: those that the mappings name, of vectors alone those made
    of vectors, else all of the index's.
    """
    views = recipe.views
    if len(queries) and all(isinstance(query, Mapping) for query in queries):
        named = {name for query in queries if isinstance(query, Mapping) for name in query}
        unknown = sorted(str(name) for name in named - set(views))
        if unknown:
            raise UsageError(f"a query asks the views {unknown}; this index has {list(views)}")
        return [name for name in views if name in named]
    if len(queries) and all(not isinstance(query, str | Mapping) for query in queries):
        return vector_views(recipe)
    return list(views)


def check_queries(queries: object) -> None:
    """Raise `UsageError` for what is one query where several are wanted."""
    if isinstance(queries, str | Mapping) or not isinstance(queries, Sized):
        raise UsageError(f"wanted a list of queries, got one {type(queries).__name__}: write [query]")


def asks_by_view(
    queries: Sequence[PassageQuery],
    views: Mapping[str, View],
    prepare: Callable[[Vector], Vector],
) -> dict[str, list[Ask]]:
    """For each view what the queries ask of it, in their order; `prepare` checks and scales vectors (N,D).

    Of a mapping only what it has for these views is read. Raises `UsageError` for a query that says nothing to one of
    them, or something that it cannot take, and as `prepare` does.
    """
    asks: dict[str, list[Ask]] = {name: [] for name in views}
    for number, query in enumerate(queries):
        for name in views:
            if isinstance(query, Mapping) and name not in query:
                raise UsageError(
                    f"query {number} says nothing to the view {name!r}: add it, or name views by using="
                )
            asked = query[name] if isinstance(query, Mapping) else query
            asks[name].append(_checked(asked, views[name], number))
    _prepare_all(asks, prepare)
    return asks


def _checked(asked: Any, view: View, number: int) -> Ask:
    if isinstance(asked, str):
        check_query(asked)
        return asked
    if isinstance(asked, Mapping):
        if not view.takes_terms:
            raise UsageError(
                f"query {number} gives weighted terms to {view.name}: a view of terms (BM25) alone takes them; give a "
                "text or a vector"
            )
        return _weighted(asked, number)
    if view.encoding != "vectors":
        raise UsageError(
            f"query {number}: a vector does not search {view.name}: give it a text, or leave the view out"
        )
    vector: Vector = query_vector(asked)[0]
    return vector


def _weighted(terms: Mapping[str, Any], number: int) -> dict[str, float]:
    """Texts with their weights; one of weight 0 is not asked."""
    weights: dict[str, float] = {}
    for text, weight in terms.items():
        check_query(text)
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.number):
            raise UsageError(f"query {number}: the weight of {text!r} is {weight!r}, wanted a number")
        weights[text] = float(weight)
    if not all(weight >= 0 for weight in weights.values()) or not 0 < sum(weights.values()) < math.inf:
        raise UsageError(f"query {number} has the weights {weights}: wanted none below 0 and one above")
    return {text: weight for text, weight in weights.items() if weight}


def _prepare_all(asks: Mapping[str, list[Ask]], prepare: Callable[[Vector], Vector]) -> None:
    """Check and scale all vectors together, in their places."""
    places: list[tuple[list[Ask], int]] = []
    given: list[Vector] = []
    for queries in asks.values():
        for number, ask in enumerate(queries):
            if isinstance(ask, np.ndarray):
                places.append((queries, number))
                given.append(ask)
    if not given:
        return
    if len({len(vector) for vector in given}) > 1:
        raise DimensionMismatch(
            f"the query vectors have {sorted({len(vector) for vector in given})} dimensions: encode all alike"
        )
    for (queries, number), vector in zip(places, prepare(np.stack(given)), strict=True):
        queries[number] = vector

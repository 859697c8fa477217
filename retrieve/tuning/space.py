"""What can be tuned without building anything: the settings of a search, and the values that are tried of each.

A step changes settings that depend on one another, k1 with b, fusion with weights; the others stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, get_args

from retrieve.recipe import Aggregate, FusionMethod, Recipe
from retrieve.search.options import SearchSettings, resolve_options
from retrieve.types import MOST_QUERY_WINNERS

K1 = (0.3, 0.6, 0.9, 1.2, 1.5, 2.0, 3.0)
B = (0.0, 0.2, 0.4, 0.6, 0.75, 0.9, 1.0)
DEPTHS = (100, 200, 500, 1000)
_PART_OF = {"k1": "bm25", "b": "bm25", "rm3": "bm25", "query_winners": "uhd"}
"""Where settings of one view are in a recipe's section `search`; the others are in it."""
_PARTS = {2: 20, 3: 10}
"""Into how many parts the weight of all views is divided, by their number; 5 for more."""


class Config(NamedTuple):
    """Settings of a search; `weights` are shares of the recipe's views, which add up to 1."""

    k1: float
    b: float
    rm3: bool
    aggregate: Aggregate
    query_winners: int | None
    fusion: FusionMethod
    weights: tuple[float, ...]
    depth: int

    @classmethod
    def of(cls, recipe: Recipe) -> Config:
        """What a recipe's searches do by default."""
        found = resolve_options(recipe)
        by_view = dict(zip(found.views, found.weights, strict=True))
        total = sum(found.weights)
        return cls(
            found.k1,
            found.b,
            found.rm3,
            found.aggregate,
            found.query_winners,
            found.fusion,
            tuple(by_view.get(view, 0.0) / total for view in recipe.views),
            found.depth,
        )

    def settings(self, recipe: Recipe) -> SearchSettings:
        """As arguments of a search; what a recipe has no use for is left out."""
        found: SearchSettings = {"aggregate": self.aggregate}
        if "bm25" in recipe.views:
            found |= {"k1": self.k1, "b": self.b, "rm3": self.rm3}
        if self.query_winners is not None:
            found["query_winners"] = self.query_winners
        if len(recipe.views) > 1:
            found |= {
                "fusion": self.fusion,
                "depth": self.depth,
                "weights": dict(zip(recipe.views, self.weights, strict=True)),
            }
        return found

    def section(self, recipe: Recipe) -> dict[str, Any]:
        """A recipe's section `search` with these settings in it."""
        section: dict[str, Any] = recipe.search.model_dump(mode="json", exclude_none=True)
        for name, value in self.settings(recipe).items():
            (section[_PART_OF[name]] if name in _PART_OF else section)[name] = value
        return section


class Step(NamedTuple):
    """Settings that are chosen together: `values` replace those of a configuration."""

    name: str
    values: Sequence[dict[str, Any]]

    def candidates(self, config: Config) -> Iterator[Config]:
        """The configuration itself, then every other that the step leads to."""
        yield config
        yield from (other for values in self.values if (other := config._replace(**values)) != config)


def steps(recipe: Recipe) -> list[Step]:
    """Those of an index, in the order in which they are taken."""
    found = []
    if "bm25" in recipe.views:
        found.append(Step("k1, b", [{"k1": k1, "b": b} for k1, b in product(K1, B)]))
    if recipe.bm25 is not None and recipe.bm25.backend == "native":
        found.append(Step("rm3", [{"rm3": rm3} for rm3 in (False, True)]))
    if recipe.uhd is not None and recipe.uhd.level == "text":
        found.append(Step("query_winners", [{"query_winners": winners} for winners in _winners(recipe)]))
    if recipe.passages.mode == "window":
        found.append(Step("aggregate", [{"aggregate": aggregate} for aggregate in get_args(Aggregate)]))
    if (views := len(recipe.views)) > 1:
        equal = (1 / views,) * views
        weighted = [
            {"fusion": fusion, "weights": weights} for fusion in ("convex", "z") for weights in _shares(views)
        ]
        found.append(Step("fusion, weights", [*weighted, {"fusion": "rrf", "weights": equal}]))
        found.append(Step("depth", [{"depth": depth} for depth in DEPTHS]))
    return found


def _shares(views: int) -> list[tuple[float, ...]]:
    parts = _PARTS.get(views, 5)
    whole = (counts for counts in product(range(parts + 1), repeat=views) if sum(counts) == parts)
    return [tuple(count / parts for count in counts) for counts in whole]


def _winners(recipe: Recipe) -> list[int]:
    """Multiples of the segments near what the view has, as far as a search takes them."""
    uhd = recipe.uhd
    assert uhd is not None
    usual = recipe.search.uhd.query_winners or uhd.query_winners or uhd.winners
    found = []
    for factor in (0.25, 0.5, 2, 4):
        winners = max(uhd.segments, round(usual * factor / uhd.segments) * uhd.segments)
        if winners <= min(uhd.dimensions // 2, MOST_QUERY_WINNERS):
            found.append(winners)
    return sorted(set(found))

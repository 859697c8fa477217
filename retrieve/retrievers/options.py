"""What one search asks for, resolved from the recipe's defaults and the caller's arguments, and checked once."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from retrieve.errors import UsageError
from retrieve.recipe import Aggregate, FusionMethod, Recipe, Unit
from retrieve.types import MOST_QUERY_WINNERS

DEEPEST = 1 << 31

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Settings of a search. `weights` go with `views`, one each; `reranker` is "" for none."""

    k: int
    views: tuple[str, ...]
    weights: tuple[float, ...]
    fusion: FusionMethod
    depth: int
    aggregate: Aggregate
    unit: Unit
    k1: float
    b: float
    ef_search: int
    nprobe: int
    oversample: int
    query_winners: int | None
    passages: int
    reranker: str
    rerank_depth: int

    @property
    def reach(self) -> int:
        """How many hits the views' fusion has to supply: k, and as many as are reranked."""
        return max(self.k, self.rerank_depth) if self.reranker else self.k


def resolve_options(  # noqa: PLR0913 - every search setting may be given by name
    recipe: Recipe,
    *,
    k: int = 10,
    using: str | Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    fusion: FusionMethod | None = None,
    depth: int | None = None,
    aggregate: Aggregate | None = None,
    unit: Unit | None = None,
    k1: float | None = None,
    b: float | None = None,
    ef_search: int | None = None,
    nprobe: int | None = None,
    oversample: int | None = None,
    query_winners: int | None = None,
    passages: int = 3,
    reranker: str | None = None,
    rerank_depth: int | None = None,
) -> SearchOptions:
    """Fill in the recipe's defaults. Raises `UsageError` for anything that cannot work."""
    defaults = recipe.search
    views = _views(recipe, using)
    given = defaults.weights if weights is None else weights
    unknown = sorted(set(given) - set(recipe.views))
    if unknown:
        raise UsageError(f"weights name {unknown}; this index has the views {list(recipe.views)}")
    options = SearchOptions(
        k=_at_least(k, "k", 1),
        views=views,
        weights=tuple(float(given.get(name, 1.0)) for name in views),
        fusion=_one_of(fusion or defaults.fusion, FusionMethod, "fusion"),
        depth=_at_least(defaults.depth if depth is None else depth, "depth", 1),
        aggregate=_one_of(aggregate or defaults.aggregate, Aggregate, "aggregate"),
        unit=_one_of(unit or defaults.unit, Unit, "unit"),
        k1=defaults.bm25.k1 if k1 is None else k1,
        b=defaults.bm25.b if b is None else b,
        ef_search=_at_least(defaults.dense.ef_search if ef_search is None else ef_search, "ef_search", 1),
        nprobe=_at_least(defaults.dense.nprobe if nprobe is None else nprobe, "nprobe", 1),
        oversample=_at_least(
            defaults.dense.oversample if oversample is None else oversample, "oversample", 1
        ),
        query_winners=_query_winners(recipe, views, query_winners),
        passages=_at_least(passages, "passages", 0),
        reranker=defaults.rerank.model if reranker is None else reranker,
        rerank_depth=_at_least(
            defaults.rerank.depth if rerank_depth is None else rerank_depth, "rerank_depth", 1
        ),
    )
    _check_numbers(options)
    return options


def options_by_name(recipe: Recipe, k: int, options: Mapping[str, Any]) -> SearchOptions:
    """`resolve_options` for settings of unknown names and types; what it cannot take is `UsageError` too."""
    known = inspect.signature(resolve_options).parameters.keys() - {"recipe", "k"}
    if unknown := sorted(options.keys() - known):
        raise UsageError(f"unknown search options {unknown}: there are {', '.join(sorted(known))}")
    try:
        return resolve_options(recipe, k=k, **options)
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"a search option has the wrong type: {error}") from error


def _views(recipe: Recipe, using: str | Sequence[str] | None) -> tuple[str, ...]:
    if using is None:
        return recipe.views
    if using == "hybrid":
        if len(recipe.views) < 2:
            raise UsageError(f"using='hybrid' needs two views, this index has {list(recipe.views)}")
        return recipe.views
    names = (using,) if isinstance(using, str) else tuple(using)
    unknown = [name for name in names if name not in recipe.views]
    if unknown or not names or len(set(names)) != len(names):
        raise UsageError(
            f"using={using!r}: this index has the views {list(recipe.views)} (or 'hybrid' for all)"
        )
    return names


def _query_winners(recipe: Recipe, views: tuple[str, ...], asked: int | None) -> int | None:
    """None where the view's own number holds, or UHD is not searched: then it is ignored, as other views' settings."""
    wanted = recipe.search.uhd.query_winners if asked is None else asked
    if wanted is None:
        return None
    _at_least(wanted, "query_winners", 1)
    uhd = recipe.uhd
    if uhd is None or "uhd" not in views:
        return None
    if uhd.level == "token":
        raise UsageError("query_winners is for a UHD view of level text: this index has one of level token")
    if wanted > uhd.dimensions or wanted % uhd.segments or wanted > MOST_QUERY_WINNERS:
        raise UsageError(
            f"query_winners is {wanted}: wanted a multiple of {uhd.segments} segments, "
            f"at most {min(uhd.dimensions, MOST_QUERY_WINNERS)}"
        )
    return wanted


def _at_least(value: int, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < DEEPEST:
        raise UsageError(f"{name} is {value!r}: wanted a whole number of at least {least}")
    return value


def _one_of(value: T, kind: object, name: str) -> T:
    if value not in get_args(kind):
        raise UsageError(f"{name} is {value!r}: wanted one of {', '.join(get_args(kind))}")
    return value


def _check_numbers(options: SearchOptions) -> None:
    if not (math.isfinite(options.k1) and options.k1 >= 0):
        raise UsageError(f"k1 is {options.k1}: wanted a number of at least 0")
    if not 0 <= options.b <= 1:
        raise UsageError(f"b is {options.b}: wanted a number from 0 to 1")
    if any(not math.isfinite(weight) or weight < 0 for weight in options.weights) or not any(options.weights):
        raise UsageError(f"weights are {options.weights}: wanted none below 0 and one above")
    if options.reranker and options.passages == 0:
        raise UsageError("reranking reads the best passage of each hit: leave out passages=0")
    if options.aggregate != "max" and options.unit == "passage":
        raise UsageError(
            f"aggregate={options.aggregate!r} makes documents of passages: it does not go with unit='passage'"
        )

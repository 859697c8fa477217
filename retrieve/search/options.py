"""What one search asks for, resolved from the recipe's defaults and the caller's arguments, and checked once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict, TypeVar, Unpack, get_args, get_type_hints

from retrieve.errors import UsageError, did_you_mean
from retrieve.recipe import Aggregate, FusionMethod, Recipe, Unit
from retrieve.types import MOST_QUERY_WINNERS
from retrieve.views.protocol import Feedback

DEEPEST = 1 << 31

T = TypeVar("T")


class SearchSettings(TypedDict, total=False):
    """What a call may say of its search, by name; what it leaves out, or gives as None, is as the recipe says.

    `using`: a view, several, or "hybrid" for all. `weights`: view → number; one left out weighs 1, one of weight 0 is
    not asked. `fusion`: "convex", "z" or "rrf". `adapt`: whether a view of an encoder weighs less for a query whose
    words the encoder has in pieces alone. `depth`: what each view supplies to it. `aggregate`: how passages make
    a document ("max", "first", "sum", "mean", "top3"). `unit`: what a hit is, "document" or "passage". `k1`, `b`:
    BM25's. `query_terms`: how many terms of a longer query BM25 keeps, those of largest tf·idf. `rm3`: expand BM25's
    query by `fb_terms` terms of its `fb_docs` best documents, its own keeping `original_weight`. `ef_search`, `nprobe`,
    `oversample`: effort of an approximate dense search. `query_winners`: dimensions that a query of a UHD view keeps.
    `passages`: how many a hit shows (3). `reranker`: a cross-encoder's folder or name, "" for none; it reads the first
    `rerank_depth` hits.
    """

    using: str | Sequence[str] | None
    weights: Mapping[str, float] | None
    fusion: FusionMethod | None
    adapt: bool | None
    depth: int | None
    aggregate: Aggregate | None
    unit: Unit | None
    k1: float | None
    b: float | None
    query_terms: int | None
    rm3: bool | None
    fb_docs: int | None
    fb_terms: int | None
    original_weight: float | None
    ef_search: int | None
    nprobe: int | None
    oversample: int | None
    query_winners: int | None
    passages: int | None
    reranker: str | None
    rerank_depth: int | None


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Settings of a search. `weights` go with `views`, one each, all above 0; `reranker` is "" for none.

    `named`: the views that were asked for, those of weight 0 too. `rm3` is False where BM25 is not searched.
    """

    k: int
    named: tuple[str, ...]
    views: tuple[str, ...]
    weights: tuple[float, ...]
    fusion: FusionMethod
    adapt: bool
    depth: int
    aggregate: Aggregate
    unit: Unit
    k1: float
    b: float
    query_terms: int
    rm3: bool
    fb_docs: int
    fb_terms: int
    original_weight: float
    ef_search: int
    nprobe: int
    oversample: int
    query_winners: int | None
    passages: int
    reranker: str
    rerank_depth: int

    @property
    def of_views(self) -> dict[str, float | int | None]:
        """What views take beside the query, by name."""
        return {
            "k1": self.k1,
            "b": self.b,
            "query_terms": self.query_terms,
            "ef_search": self.ef_search,
            "nprobe": self.nprobe,
            "oversample": self.oversample,
            "query_winners": self.query_winners,
        }

    @property
    def feedback(self) -> Feedback | None:
        """How queries are expanded; None where they are not."""
        return Feedback(self.fb_docs, self.fb_terms, self.original_weight) if self.rm3 else None

    @property
    def reach(self) -> int:
        """How many hits the views' fusion has to supply: k, and as many as are reranked."""
        return max(self.k, self.rerank_depth) if self.reranker else self.k


def resolve_options(recipe: Recipe, *, k: int = 10, **given: Unpack[SearchSettings]) -> SearchOptions:
    """Fill in the recipe's defaults. Raises `UsageError` for anything that cannot work."""
    said = SearchSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[typeddict-item]
    defaults, dense = recipe.search, recipe.search.dense
    named = _views(recipe, said.get("using"))
    weights = _weights(recipe, named, said.get("weights", defaults.weights))
    views = tuple(name for name in named if weights[name])
    options = SearchOptions(
        k=_at_least(k, "k", 1),
        named=named,
        views=views,
        weights=tuple(weights[name] for name in views),
        fusion=_one_of(said.get("fusion", defaults.fusion), FusionMethod, "fusion"),
        adapt=_yes_or_no(said.get("adapt", defaults.adapt), "adapt"),
        depth=_at_least(said.get("depth", defaults.depth), "depth", 1),
        aggregate=_one_of(said.get("aggregate", defaults.aggregate), Aggregate, "aggregate"),
        unit=_one_of(said.get("unit", defaults.unit), Unit, "unit"),
        k1=said.get("k1", defaults.bm25.k1),
        b=said.get("b", defaults.bm25.b),
        query_terms=_at_least(said.get("query_terms", defaults.bm25.query_terms), "query_terms", 1),
        rm3=_rm3(recipe, named, views, said),
        fb_docs=_at_least(said.get("fb_docs", defaults.bm25.fb_docs), "fb_docs", 1),
        fb_terms=_at_least(said.get("fb_terms", defaults.bm25.fb_terms), "fb_terms", 1),
        original_weight=said.get("original_weight", defaults.bm25.original_weight),
        ef_search=_at_least(said.get("ef_search", dense.ef_search), "ef_search", 1),
        nprobe=_at_least(said.get("nprobe", dense.nprobe), "nprobe", 1),
        oversample=_at_least(said.get("oversample", dense.oversample), "oversample", 1),
        query_winners=_query_winners(recipe, views, said.get("query_winners")),
        passages=_at_least(said.get("passages", 3), "passages", 0),
        reranker=said.get("reranker", defaults.rerank.model),
        rerank_depth=_at_least(said.get("rerank_depth", defaults.rerank.depth), "rerank_depth", 1),
    )
    _check(options)
    return options


def options_by_name(recipe: Recipe, k: int, options: Mapping[str, Any]) -> SearchOptions:
    """`resolve_options` for settings of unknown names and types; what it cannot take is `UsageError` too."""
    check_names(options, SearchSettings)
    try:
        return resolve_options(recipe, k=k, **options)
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"a search option has the wrong type: {error}") from error


def check_names(options: Mapping[str, Any], known: type) -> None:
    """Raise `UsageError` for an option that is not in the typed dictionary `known`."""
    names = _names_of(known)
    if unknown := sorted(options.keys() - names):
        raise UsageError(
            f"unknown search options {unknown}{_meant(unknown, names)}: there are {', '.join(sorted(names))}"
        )


def _meant(unknown: Sequence[str], known: Iterable[str]) -> str:
    """What was meant by the first of the unknown names."""
    return did_you_mean(unknown[0], known) if unknown and isinstance(unknown[0], str) else ""


@cache
def _names_of(known: type) -> frozenset[str]:
    """Found once: it takes a quarter of the time of a query that is asked alone of a small index."""
    return frozenset(get_type_hints(known))


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
            f"using={using!r}{_meant(unknown, recipe.views)}: this index has the views {list(recipe.views)} "
            "(or 'hybrid' for all)"
        )
    return names


def _weights(recipe: Recipe, views: tuple[str, ...], given: Mapping[str, float]) -> dict[str, float]:
    """Each view's weight. One of weight 0 is not asked: the search is the one without it."""
    unknown = sorted(set(given) - set(recipe.views))
    if unknown:
        raise UsageError(
            f"weights name {unknown}{_meant(unknown, recipe.views)}; this index has the views {list(recipe.views)}"
        )
    weights = {name: float(given.get(name, 1.0)) for name in views}
    if not all(weight >= 0 for weight in weights.values()) or not 0 < sum(weights.values()) < math.inf:
        raise UsageError(f"weights are {weights}: wanted none below 0 and one above")
    return weights


def _rm3(recipe: Recipe, named: tuple[str, ...], views: tuple[str, ...], said: SearchSettings) -> bool:
    """Whether queries are expanded: not where BM25 weighs 0; asked for where it was not even named it is refused."""
    if not said.get("rm3", recipe.search.bm25.rm3):
        return False
    if "bm25" not in named and "rm3" in said:
        raise UsageError(
            f"rm3 expands queries of BM25, and this search asks {list(named)}: leave it out, or search bm25 too"
        )
    if recipe.bm25 is not None and recipe.bm25.backend != "native":
        raise UsageError(
            f'rm3 reads postings of our own, and bm25.backend is "{recipe.bm25.backend}": leave it out'
        )
    return "bm25" in views


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


def _yes_or_no(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}: wanted True or False")
    return value


def _one_of(value: T, kind: object, name: str) -> T:
    if value not in get_args(kind):
        raise UsageError(f"{name} is {value!r}: wanted one of {', '.join(get_args(kind))}")
    return value


def _check(options: SearchOptions) -> None:
    if not (math.isfinite(options.k1) and options.k1 >= 0):
        raise UsageError(f"k1 is {options.k1}: wanted a number of at least 0")
    if not 0 <= options.b <= 1:
        raise UsageError(f"b is {options.b}: wanted a number from 0 to 1")
    if not 0 <= options.original_weight <= 1:
        raise UsageError(f"original_weight is {options.original_weight}: wanted a number from 0 to 1")
    if options.reranker and options.passages == 0:
        raise UsageError("reranking reads the best passage of each hit: leave out passages=0")
    if options.aggregate != "max" and options.unit == "passage":
        raise UsageError(
            f"aggregate={options.aggregate!r} makes documents of passages: it does not go with unit='passage'"
        )

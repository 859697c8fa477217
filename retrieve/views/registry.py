"""Finds views by the sections of a recipe. Whoever adds one registers it here, with the record of its section."""

from __future__ import annotations

from importlib import import_module

from retrieve.recipe import Recipe, Section, register_section
from retrieve.views.protocol import View

_MODULES = {
    "bm25": "retrieve.views.bm25:BM25View",
    "dense": "retrieve.views.dense:DenseView",
    "uhd": "retrieve.views.uhd:UHDView",
    "splade": "retrieve.views.splade:SpladeView",
}
_BACKENDS = {
    "native": _MODULES["bm25"],
    "rank-bm25": "retrieve.views.rank_bm25:RankBM25View",
    "lucene": "retrieve.views.lucene:LuceneView",
}


_registered: dict[str, type[View]] = {}


def register_view(view: type[View], section: type[Section]) -> None:
    """Add a view, and the section of a recipe that asks for it, which has the view's name.

    A process that opens an index with such a view has to register it first: best where the view's module is imported,
    which the processes of a writer do for its section. Raises `RecipeError` for a name that is taken.
    """
    register_section(view.name, section)
    _registered[view.name] = view


def view_class(name: str, recipe: Recipe) -> type[View]:
    """The class of the view of that name; its module is imported when it is first asked for."""
    if name in _registered:
        return _registered[name]
    place = _BACKENDS[recipe.bm25.backend] if name == "bm25" and recipe.bm25 is not None else _MODULES[name]
    module, _, attribute = place.partition(":")
    found: type[View] = getattr(import_module(module), attribute)
    return found


def vector_views(recipe: Recipe) -> list[str]:
    """Names of the views that are made of vectors, and searched by those of queries."""
    return [name for name, view in views_of(recipe).items() if view.encoding == "vectors"]


def views_of(recipe: Recipe) -> dict[str, View]:
    """The views that a recipe asks for, by name, in the order in which they are fused and printed."""
    return {name: view_class(name, recipe)(recipe) for name in recipe.views}

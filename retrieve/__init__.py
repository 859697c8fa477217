"""`retrieve`: BM25, dense, sparse and hybrid search over one index folder, measured by the field's conventions.

Names are resolved when they are first used, so that importing the package loads neither torch nor faiss.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieve.api import Index, RunResult
    from retrieve.errors import RetrieveError
    from retrieve.recipe import Recipe, load_recipe
    from retrieve.types import Document, Hit, Passage, PassageHit, Query

_HOMES = {
    "Document": "retrieve.types",
    "Hit": "retrieve.types",
    "Index": "retrieve.api",
    "Passage": "retrieve.types",
    "PassageHit": "retrieve.types",
    "Query": "retrieve.types",
    "Recipe": "retrieve.recipe",
    "RetrieveError": "retrieve.errors",
    "RunResult": "retrieve.api",
    "load_recipe": "retrieve.recipe",
}

__all__ = [
    "Document",
    "Hit",
    "Index",
    "Passage",
    "PassageHit",
    "Query",
    "Recipe",
    "RetrieveError",
    "RunResult",
    "load_recipe",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("retrieve-engine")
    if name not in _HOMES:
        raise AttributeError(f"module 'retrieve' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

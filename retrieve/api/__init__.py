"""The class `Index`: create or open an index folder, write to it, search it. What an application needs, in one noun.

What only a writer needs is imported when its name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from retrieve.api.index import Index
from retrieve.api.runs import QueryRanking, RunResult

if TYPE_CHECKING:
    from retrieve.api.writer import Writer
    from retrieve.store.writer import Added

_HOMES = {"Added": "retrieve.store.writer", "Writer": "retrieve.api.writer"}

__all__ = ["Added", "Index", "QueryRanking", "RunResult", "Writer"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

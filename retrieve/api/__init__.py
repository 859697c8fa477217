"""The class `Index`: create or open an index folder, write to it, search it. What an application needs, in one noun."""

from retrieve.api.index import Index
from retrieve.api.runs import QueryRanking, RunResult
from retrieve.api.writer import Writer
from retrieve.store.writer import Added

__all__ = ["Added", "Index", "QueryRanking", "RunResult", "Writer"]

"""Which ids a file has shown so far, to find duplicates with both line numbers.

A set would grow with the corpus (8.8 million passages are about a gigabyte of Python strings); a temporary SQLite
table with a bounded cache spills to disk instead, and vanishes with the connection.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType

_CACHE_KIB = 4 * 1024


class SeenIds:
    """Ids of one file with the line of each."""

    def __init__(self) -> None:
        # "" is SQLite's private temporary database. A pass may be started in one thread and ended in another.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.executescript(
            f"""
            PRAGMA temp_store = FILE;
            PRAGMA cache_size = -{_CACHE_KIB};
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE seen (id TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
            BEGIN;
            """
        )

    def add(self, doc_id: str, line: int) -> int | None:
        """Remember the id. Returns None, or the earlier line if it was there already."""
        cursor = self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (doc_id, line))
        if cursor.rowcount == 1:
            return None
        row = self._connection.execute("SELECT line FROM seen WHERE id = ?", (doc_id,)).fetchone()
        return int(row[0])

    def __enter__(self) -> SeenIds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

"""The document table of a segment: one SQLite file, written once in row order, read only for what is shown.

Full texts are needed for the hits a person sees and for filters on undeclared fields, never for scoring, so they
stay out of memory. The file is written in one transaction without a journal: the same rows give the same bytes.
SQLite has no checksums, so in a file too large to be checked whole each document is compared with its own hash.
"""

from __future__ import annotations

import json
import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property, lru_cache
from itertools import chain
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import xxhash

from retrieve.errors import IndexCorrupt
from retrieve.files import want_descriptor
from retrieve.fork_safety import ForkSafeLock, keep_for_ever
from retrieve.recipe import canonical
from retrieve.store.filter_sql import Condition
from retrieve.types import Document

_SCHEMA = """
CREATE TABLE documents (
    row INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL,
    body BLOB NOT NULL, content BLOB NOT NULL
)
"""
_EXPANSIONS = "CREATE TABLE expansions (row INTEGER PRIMARY KEY, text TEXT NOT NULL)"
"""Only in a segment that has an expanded document: the others are as they were before there were any."""
_NO_METADATA = canonical({}).decode()
_BATCH = 500
_PASS = 10_000
_MAPPED = 1 << 40
"""Bytes of a table that SQLite maps at most, as the other files of a segment are: to read a page took a system call."""


class Fingerprints(NamedTuple):
    """16-byte hashes of one document: `body` of title and text, `content` of metadata too."""

    body: bytes
    content: bytes


class StoredDocument(NamedTuple):
    """A document as the table holds it, with its hashes."""

    document: Document
    fingerprints: Fingerprints


Shown: TypeAlias = tuple[str, str, dict[str, Any]]
"""What a hit shows of a document: title, text, metadata."""


def fingerprints(document: Document) -> Fingerprints:
    """XXH3-128 over canonical JSON: equal exactly when the documents are. An expansion is content, but no body: what
    an encoder made of a document does not depend on it.
    """
    # As `canonical` of the list, in a third of its time.
    body = f"[{encode_basestring(document.title)},{encode_basestring(document.text)}]".encode()
    parts = [canonical(dict(document.metadata))]
    if document.expansion:
        parts.append(canonical(document.expansion))
    # The same list, longer: a text is not written twice.
    content = b",".join([body[:-1], *parts]) + b"]"
    return Fingerprints(xxhash.xxh3_128_digest(body), xxhash.xxh3_128_digest(content))


def write_documents(path: Path, documents: Iterable[tuple[Document, Fingerprints]]) -> None:
    """Write a table in the given order; rows count from 0. Raises `OSError` where it cannot be written."""
    try:
        # From the root: many builds of SQLite take a relative path that begins with "file:" for a URI.
        with closing(sqlite3.connect(path.absolute(), isolation_level=None)) as connection:
            _fill(connection, documents)
    except sqlite3.Error as error:  # a full disk, mostly
        want_descriptor()
        raise OSError(f"{path} cannot be written: {error}") from error


def _fill(connection: sqlite3.Connection, documents: Iterable[tuple[Document, Fingerprints]]) -> None:
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -2048")
    connection.execute(_SCHEMA)
    connection.execute("BEGIN")
    expanded = False

    def values() -> Iterator[tuple[object, ...]]:
        nonlocal expanded
        for row, (document, hashes) in enumerate(documents):
            if document.expansion:
                if not expanded:
                    connection.execute(_EXPANSIONS)
                    expanded = True
                connection.execute("INSERT INTO expansions VALUES (?, ?)", (row, document.expansion))
            metadata = canonical(dict(document.metadata))
            yield (row, document.title, document.text.encode(), metadata, *hashes)

    # Bytes, cast: a string that is bound keeps a copy of itself in UTF-8 for as long as it lives.
    connection.executemany(
        "INSERT INTO documents VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)", values()
    )
    connection.execute("COMMIT")


class DocumentTable:
    """A segment's table, open for reading from any thread, and from any process that is forked meanwhile.

    Its file is closed with it: a connection of Python's refers to itself by its cache of statements (CPython 3.11 and
    3.12), so that one that is only dropped keeps its descriptor until garbage is collected.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, compare: bool) -> None:
        self._path = path
        self._compare = compare
        self._hold(connection)
        # SQLite has locks of its own, which a fork in the middle of a reading would leave held in the child.
        self._lock = ForkSafeLock(awaited=True)

    @classmethod
    def open(cls, path: Path, *, compare: bool = True) -> DocumentTable:
        """Open read-only; SQLite is told that nobody ever changes the file. `compare`: documents with their hashes."""
        return cls(path, _open_read_only(path), compare=compare)

    def close(self) -> None:
        """Close the file; a forked process leaves its parent's alone."""
        with self._lock:
            self._closing()

    def _hold(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._process = os.getpid()
        self._closing = weakref.finalize(self, _close, connection, self._process)
        self._closing.atexit = False

    def get(self, rows: Sequence[int], ids: Sequence[str]) -> list[StoredDocument]:
        """Documents of these rows, in this order; `ids` are their ids. Raises `IndexCorrupt` as all of this does."""
        stored = self._select("title, text, metadata, body, content", rows)
        expansions = self.expansions_of(rows)
        result = []
        for row, doc_id, (title, text, metadata, body, content) in zip(rows, ids, stored, strict=True):
            document = Document(doc_id, text, title, self._metadata(metadata), expansions.get(int(row), ""))
            hashes = Fingerprints(body, content)
            if self._compare and not _has(document, hashes):
                raise self._corrupt(f"document {doc_id!r} is not the one that was added")
            result.append(StoredDocument(document, hashes))
        return result

    def shown(self, rows: Sequence[int], ids: Sequence[str]) -> list[Shown]:
        """What hits show of the documents that `get` gives; metadata is each one's own, also of a row asked twice."""
        if self._compare:
            return [(one.title, one.text, dict(one.metadata)) for one, _ in self.get(rows, ids)]
        return [
            (title, text, {} if metadata == _NO_METADATA else self._metadata(metadata))
            for title, text, metadata in self._select("title, text, metadata", rows)
        ]

    def fingerprints(self, rows: Sequence[int]) -> list[Fingerprints]:
        """Hashes of these rows, in this order."""
        return [Fingerprints(*hashes) for hashes in self._select("body, content", rows)]

    def expanded(self) -> list[int]:
        """The rows of documents with an expansion, rising."""
        return (
            [row for (row,) in self._fetch("SELECT row FROM expansions ORDER BY row", ())]
            if self._has_expansions
            else []
        )

    def expansions_of(self, rows: Sequence[int]) -> dict[int, str]:
        """The expansions of these rows, by row, where they have one."""
        if not self._has_expansions:
            return {}
        found: dict[int, str] = {}
        for start in range(0, len(rows), _BATCH):
            batch = tuple(int(row) for row in rows[start : start + _BATCH])
            marks = ",".join("?" * len(batch))
            found |= dict(self._fetch(f"SELECT row, text FROM expansions WHERE row IN ({marks})", batch))
        return found

    @cached_property
    def _has_expansions(self) -> bool:
        statement = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'expansions'"
        return bool(self._fetch(statement, ())[0][0])

    def metadata(self, rows: int) -> Iterator[dict[str, Any]]:
        """The metadata of all rows, so many, in row order: one pass, a batch in memory at a time."""
        return map(self._metadata, self._pass(Condition("metadata"), rows))

    def metadata_of(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The metadata of these rows, in this order."""
        return [self._metadata(metadata) for (metadata,) in self._select("metadata", rows)]

    def decided(self, condition: Condition, rows: int) -> Iterator[int | None]:
        """What a condition is for each of all rows, so many, in row order: 1, 0, or None where SQLite cannot say."""
        return self._pass(condition, rows)

    def any(self, condition: Condition) -> bool:
        """Whether a condition holds for any row: those after the first for which it does are not read."""
        statement = f"SELECT EXISTS (SELECT 1 FROM documents WHERE {condition.sql})"
        return bool(self._fetch(statement, condition.values)[0][0])

    def _pass(self, expression: Condition, rows: int) -> Iterator[Any]:
        for first in range(0, rows, _PASS):
            wanted = min(_PASS, rows - first)
            found = self._fetch(
                f"SELECT {expression.sql} FROM documents WHERE row >= ? AND row < ? ORDER BY row",
                (*expression.values, first, first + wanted),
            )
            if len(found) != wanted:
                raise self._corrupt(f"{wanted - len(found)} of the rows from {first} on are missing")
            yield from chain.from_iterable(found)

    def _select(self, columns: str, rows: Sequence[int]) -> list[list[Any]]:
        """Columns of these rows, in this order."""
        wanted = list(map(int, rows))
        found: dict[int, list[Any]] = {}
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            for row, *values in self._fetch(_selection(columns, len(batch)), tuple(batch)):
                found[row] = values
        try:
            return [found[row] for row in wanted]
        except KeyError as missing:
            raise self._corrupt(f"row {missing} is missing") from None

    def _fetch(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._own_connection().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            want_descriptor()
            raise self._corrupt(error) from error

    def _own_connection(self) -> sqlite3.Connection:
        """The connection; a forked process opens another, as SQLite's are not to be carried over."""
        if self._process != os.getpid():
            self._closing()
            self._hold(_open_read_only(self._path.resolve()))
        return self._connection

    def _metadata(self, stored: str) -> dict[str, Any]:
        try:
            metadata = json.loads(stored)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._corrupt(error) from error
        if not isinstance(metadata, dict):
            raise self._corrupt(f"the metadata of a document is {type(metadata).__name__}")
        return metadata

    def _corrupt(self, what: object) -> IndexCorrupt:
        return IndexCorrupt(f"{self._path} cannot be read: {what}; run `retrieve index verify`")


@lru_cache(maxsize=64)
def _selection(columns: str, rows: int) -> str:
    """The statement for so many rows, kept: SQLite knows a string that it was given before. Values are bound."""
    return f"SELECT row, {columns} FROM documents WHERE row IN ({','.join('?' * rows)})"


def _close(connection: sqlite3.Connection, process: int) -> None:
    """A forked process leaves its parent's alone."""
    if process == os.getpid():
        connection.close()
    else:
        keep_for_ever(connection)


def _has(document: Document, hashes: Fingerprints) -> bool:
    try:
        return fingerprints(document) == hashes
    except (TypeError, ValueError):  # bytes in the place of text, numbers that no JSON has
        return False


def _open_read_only(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
    except sqlite3.Error as error:
        want_descriptor()
        raise IndexCorrupt(f"{path} cannot be opened: {error}; run `retrieve index verify`") from error
    return connection

"""Rows of cells of a table with a heading, separated by commas, semicolons or tabs, by the `csv` module.

`table_rows` gives the line on which a row starts, which the module does not: it counts the line where one ends. What
separates cells is told by the heading alone: it is what makes names of it that a collection needs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.check import document_from
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.stream import Stream, decoded, too_long, without_mark
from retrieve.errors import InputError
from retrieve.types import Document

_SEPARATORS = ",;\t"
"""Excel writes semicolons where the comma is the decimal point."""


class Names(NamedTuple):
    """What the columns of id and text may be called, in small letters; the first that is there is taken."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]


DOCUMENTS = Names(("id", "_id", "docid", "doc_id"), ("text",))
QUERIES = Names((*DOCUMENTS.ids, "qid", "query_id", "query-id"), ("text", "query", "question"))


def table_rows(
    stream: Stream, options: ReadOptions, delimiter: str
) -> Iterator[tuple[int, list[str] | InputError]]:
    """Rows of cells with the line on which each starts; blank lines are passed over.

    A row of more than `options.max_line` bytes, text that is not UTF-8 and broken quoting are errors in their row's
    place; the line after is then taken for a new row.
    """
    lines = _Lines(stream, options.max_line)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = _next_row(reader, options.max_line)
        except csv.Error as error:
            yield (
                lines.start,
                InputError(
                    f"{stream.name}:{lines.start}",
                    f"is not a row of the table: {error}; a cell that begins with a quotation mark must end with one, "
                    f"and those inside of it are doubled",
                ),
            )
        except InputError as error:
            yield lines.start, error
        else:
            if cells is None:
                return
            if cells:
                yield lines.start, cells
            continue
        reader = csv.reader(lines, delimiter=delimiter, strict=True)


def _next_row(reader: Iterator[list[str]], limit: int) -> list[str] | None:
    """The module's limit of a field is one for the whole process: it is raised for this row alone."""
    before = csv.field_size_limit(limit)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


class _Lines(Iterator[str]):
    """Lines with their ends, counted; those since `begin` may have `most` bytes together."""

    def __init__(self, stream: Stream, most: int) -> None:
        self.start = 1
        self._stream = stream
        self._most = most
        self._number = 0
        self._size = 0

    def begin(self) -> None:
        self.start, self._size = self._number + 1, 0

    def __next__(self) -> str:
        raw = self._stream.readline(self._most + 1)
        if not raw:
            raise StopIteration
        self._number += 1
        self._size += len(raw)
        raw = without_mark(raw)
        if self._size > self._most:
            while raw and not raw.endswith(b"\n"):
                raw = self._stream.readline(1 << 16)
            raise too_long(f"{self._stream.name}:{self.start}", self._most)
        line = decoded(raw, f"{self._stream.name}:{self._number}")
        if isinstance(line, InputError):
            raise line
        return line


def delimiter_of(name: str) -> str:
    """Tab for a .tsv, plain or .gz; a comma otherwise."""
    return "\t" if name.lower().removesuffix(".gz").endswith(".tsv") else ","


def heading_of(
    rows: Iterator[tuple[int, list[str] | InputError]],
    where: str,
    wanted: Iterable[str],
    remedy: str,
) -> dict[str, int]:
    """Place of each column by its name, from the first row.

    Raises `InputError` if a column is wanted and not there, with the `remedy`, and if a name occurs twice.
    """
    _, cells = next(rows, (1, InputError(where, "is empty, wanted a heading and rows")))
    if isinstance(cells, InputError):
        raise cells
    if lacking := [name for name in wanted if name not in cells]:
        if other := next((mark for mark in ";,\t|" if len(cells) == 1 and mark in cells[0]), None):
            raise InputError(
                where,
                f"has columns parted by {other!r} as it seems: wanted commas, semicolons or tabs; save it so",
            )
        raise InputError(
            where,
            f"has no column {', '.join(map(repr, lacking))}; the heading has {', '.join(map(repr, cells))}: {remedy}",
        )
    if twice := [name for name in cells if cells.count(name) > 1]:
        raise InputError(where, f"has the column {twice[0]!r} twice: rename one of them")
    return {name: place for place, name in enumerate(cells)}


def read_csv(stream: Stream, options: ReadOptions) -> Records:
    """The documents of a table with the columns id and text, and perhaps title; all others go into metadata.

    Cells are strings and stay strings: the module damages no id and no number.
    """
    heading, usual = first_line(stream), delimiter_of(stream.name)
    separator = separator_told(heading, DOCUMENTS)
    if separator is None:  # the error names the columns that are there
        separator = next((mark for mark in (usual, *_SEPARATORS) if mark in heading), usual)
    yield from read_table(stream, options, separator, DOCUMENTS)


def read_table(stream: Stream, options: ReadOptions, separator: str, names: Names) -> Records:
    """The documents, or queries as documents, of a table whose columns of id and text have one of the names."""
    rows = _with_our_names(table_rows(stream, options, separator), names)
    places = heading_of(rows, stream.name, ("id", "text"), "call them id and text in the first line")
    heading = list(places)

    def document(cells: list[str], where: str) -> Document:
        if _our_names(cells, names) == heading:
            raise InputError(
                where, "is the heading again: the file is several tables joined, remove this line"
            )
        if len(cells) != len(heading):
            mark = {",": "commas", ";": "semicolons", "\t": "tabs"}[separator]
            raise InputError(
                where,
                f"{len(cells)} columns, and the heading has {len(heading)}: quote cells with {mark} or line ends",
            )
        return document_from(dict(zip(heading, cells, strict=True)), where)

    yield from parsed_rows(stream.name, rows, document)


def separator_told(line: str, names: Names) -> str | None:
    """What parts the line into cells that name an id and a text; None where nothing does."""
    for separator in _SEPARATORS:
        try:
            cells = next(csv.reader([line], delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        if {"id", "text"} <= set(_our_names(cells, names)):
            return separator
    return None


def first_line(stream: Stream) -> str:
    """The first line that is not blank, without its end, not taken from the stream; cut where it is very long."""
    start = without_mark(stream.peek()).lstrip(b"\r\n")
    return start.split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8", "replace")


def _our_names(cells: list[str], names: Names) -> list[str]:
    """The cells of a heading, those of id, text and title as we call them, however they are written.

    As they stand where there is no id or no text: the error is to name what the file has.
    """
    folded = [cell.strip().lower() for cell in cells]
    ours = {"title": "title"}
    for name, known in (("id", names.ids), ("text", names.texts)):
        ours |= dict.fromkeys([one for one in known if one in folded][:1], name)
    found = [ours.get(low, cell) for low, cell in zip(folded, cells, strict=True)]
    return found if {"id", "text"} <= set(found) else cells


def _with_our_names(
    rows: Iterator[tuple[int, list[str] | InputError]], names: Names
) -> Iterator[tuple[int, list[str] | InputError]]:
    """The rows, with the heading's own names in place of others."""
    for line, cells in rows:
        yield line, cells if isinstance(cells, InputError) else _our_names(cells, names)
        break
    yield from rows


def is_corpus(path: Path) -> bool:
    """Whether the table's heading has the columns of documents; other tables lie beside them (labels.csv)."""
    with Stream.open(path) as stream:
        return separator_told(first_line(stream), DOCUMENTS) is not None

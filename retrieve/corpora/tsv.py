"""MS MARCO's tab-separated files: passages (id, text), documents (id, url, title, body) and queries (id, text).

They have neither header nor quoting, so a stray tab in a text makes a column. The first line therefore fixes the
number of columns, and a line with another number is an error rather than a text cut short. A first line that only names
columns was added by somebody: it is passed over, and said.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.jsonl import filled_lines
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.stream import Line, Stream
from retrieve.errors import InputError
from retrieve.types import Document

_log = logging.getLogger("retrieve")

_PASSAGE, _DOCUMENT = 2, 4

_IDS = frozenset(
    f"{of}{mark}id"
    for of in ("", "doc", "document", "passage", "p", "q", "query", "topic")
    for mark in ("", "_", "-", " ")
)
_TEXTS = frozenset(
    {"text", "title", "url", "body", "content", "contents", "document", "passage", "query", "topic"}
)


def read_tsv(stream: Stream, options: ReadOptions) -> Records:
    """The documents of a passage file (2 columns) or a document file (4 columns, the url goes into metadata)."""
    yield from parsed_rows(stream.name, _rows(stream, options), _Rows((_PASSAGE, _DOCUMENT)).parse)


def read_tsv_queries(stream: Stream, options: ReadOptions) -> Records:
    """The queries of a file, as documents: 2 columns, id and text."""
    yield from parsed_rows(stream.name, _rows(stream, options), _Rows((_PASSAGE,)).parse)


def _rows(stream: Stream, options: ReadOptions) -> Iterator[Line]:
    """The lines that are not blank, without a heading."""
    lines = filled_lines(stream, options)
    for number, line in lines:
        if isinstance(line, str) and _is_heading(line):
            _log.warning("%s:%d: taken for a heading and passed over: %s", stream.name, number, line.strip())
        else:
            yield number, line
        break
    yield from lines


def _is_heading(line: str) -> bool:
    first, *others = (name.strip().lstrip("#").strip().lower() for name in line.split("\t"))
    return first in _IDS and bool(others) and _TEXTS.issuperset(others)


class _Rows:
    """Rows of one file: remembers how many columns the first good one had."""

    def __init__(self, accepted: tuple[int, ...]) -> None:
        self._accepted = accepted

    def parse(self, line: str, where: str) -> Document:
        columns = line.split("\t")
        if len(columns) not in self._accepted:
            raise InputError(where, f"{len(columns)} tab-separated columns, wanted {self._wanted()}")
        self._accepted = (len(columns),)
        if len(columns) == _PASSAGE:
            document = Document(id=columns[0], text=columns[1])
        else:
            doc_id, url, title, body = columns
            document = Document(id=doc_id, text=body, title=title, metadata={"url": url})
        check_document(document, where)
        return document

    def _wanted(self) -> str:
        shapes = {_PASSAGE: "2 (id, text)", _DOCUMENT: "4 (id, url, title, body)"}
        return " or ".join(shapes[count] for count in self._accepted) + ", the same on every line"

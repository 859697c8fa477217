"""MS MARCO's tab-separated files: passages (id, text), documents (id, url, title, body) and queries (id, text).

They have neither header nor quoting, so a stray tab in a text makes a column. The first line therefore fixes the
number of columns, and a line with another number is an error rather than a text cut short. A first line that names an
id and a text makes the file a table, which is read as a CSV is. One that names MS MARCO's own columns otherwise was
added by somebody: it is passed over, and said. Other names are refused: nobody knows which column is what.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

from retrieve.corpora.check import check_document
from retrieve.corpora.corpus import ReadOptions, Records
from retrieve.corpora.csv_rows import DOCUMENTS, QUERIES, Names, first_line, read_table, separator_told
from retrieve.corpora.jsonl import filled_lines
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.stream import Line, Stream
from retrieve.errors import InputError
from retrieve.types import Document

_log = logging.getLogger("retrieve")

_PASSAGE, _DOCUMENT = 2, 4

_MARKS = ("", "_", "-", " ")
_THINGS = ("doc", "document", "passage", "query", "topic")
_IDS = frozenset(f"{of}{mark}id" for of in ("", "p", "q", "corpus", *_THINGS) for mark in _MARKS)
_IDS |= {"docno", "identifier", "num", "number"}
_TEXTS = frozenset(f"{of}{mark}text" for of in _THINGS for mark in _MARKS)
_TEXTS |= {"text", "title", "url", "body", "content", "contents", "abstract", "sentence", "paragraph"}
_TEXTS |= {"document", "passage", "query", "topic", "question", "utterance"}


_NAME = re.compile(r"#?\s*_?[^\W\d_][\w -]{0,30}")
"""What may be the name of a column, and is no URL and no number."""


def read_tsv(stream: Stream, options: ReadOptions) -> Records:
    """The documents of a passage file (2 columns), a document file (4 columns, the url goes into metadata) or a table.

    A table has a heading with id, text and perhaps title, and its other columns go into metadata.
    """
    yield from _read(stream, options, DOCUMENTS, (_PASSAGE, _DOCUMENT))


def read_tsv_queries(stream: Stream, options: ReadOptions, remedy: str = "") -> Records:
    """The queries of a file, as documents: 2 columns, id and text, or a table. `remedy` ends the errors of columns."""
    yield from _read(stream, options, QUERIES, (_PASSAGE,), remedy)


def _read(
    stream: Stream, options: ReadOptions, names: Names, accepted: tuple[int, ...], remedy: str = ""
) -> Records:
    if separator_told(first_line(stream), names) == "\t":
        yield from read_table(stream, options, "\t", names)
    else:
        yield from parsed_rows(stream.name, _rows(stream, options, accepted), _Rows(accepted, remedy).parse)


def _rows(stream: Stream, options: ReadOptions, accepted: tuple[int, ...]) -> Iterator[Line]:
    """The lines that are not blank, without a heading. Raises `InputError` for a heading of other columns."""
    lines = filled_lines(stream, options)
    heading = None
    for number, line in lines:
        if isinstance(line, str) and _is_heading(line, accepted):
            heading = line
            _log.warning("%s:%d: taken for a heading and passed over: %s", stream.name, number, line.strip())
        elif isinstance(line, str) and _names_other_columns(line):
            raise InputError(
                f"{stream.name}:{number}",
                f"the line seems to name columns ({', '.join(line.split(chr(9)))}), and they are not id and text: call "
                f"two of them so, or take the line out where rows have the columns of MS MARCO ({_shapes(accepted)})",
            )
        else:
            yield number, line
        break
    for number, line in lines:
        if heading is not None and line == heading:
            yield number, InputError(f"{stream.name}:{number}", "is the heading again: remove this line")
        else:
            yield number, line


def _is_heading(line: str, accepted: tuple[int, ...]) -> bool:
    """Whether the line names the columns of MS MARCO's files, in their order."""
    first, *others = (name.strip().lstrip("#").strip().lower() for name in line.split("\t"))
    in_order = len(others) == 1 or others[:2] == ["url", "title"]
    return first in _IDS and 1 + len(others) in accepted and in_order and _TEXTS.issuperset(others)


def _names_other_columns(line: str) -> bool:
    """Whether three or more cells are all names, each another, or two are those of a text and an id, in this order.

    No row of MS MARCO's of three or more is such: it has a URL.
    """
    cells = line.split("\t")
    if len(cells) == _PASSAGE:
        return cells[0].strip().lower() in _TEXTS and cells[1].strip().lower() in _IDS
    named = {cell.strip().lower() for cell in cells if _NAME.fullmatch(cell.strip())}
    return len(cells) > _PASSAGE and len(named) == len(cells)


class _Rows:
    """Rows of one file: remembers how many columns the first good one had."""

    def __init__(self, accepted: tuple[int, ...], remedy: str) -> None:
        self._accepted = accepted
        self._remedy = remedy

    def parse(self, line: str, where: str) -> Document:
        columns = line.split("\t")
        if len(columns) not in self._accepted:
            raise InputError(
                where,
                f"{len(columns)} tab-separated columns, wanted {_shapes(self._accepted)}, the same on every line, or a "
                f"first line that names them, id and text among them{self._remedy}",
            )
        self._accepted = (len(columns),)
        if len(columns) == _PASSAGE:
            document = Document(id=columns[0], text=columns[1])
        else:
            doc_id, url, title, body = columns
            document = Document(id=doc_id, text=body, title=title, metadata={"url": url})
        check_document(document, where)
        return document


def _shapes(accepted: tuple[int, ...]) -> str:
    shapes = {_PASSAGE: "2 (id, text)", _DOCUMENT: "4 (id, url, title, body)"}
    return " or ".join(shapes[count] for count in accepted)

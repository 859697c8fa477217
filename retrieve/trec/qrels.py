"""Judgments ("qrels"): which document is how relevant to which query, as TREC or BEIR writes them.

The form is told by the first line, never by the file's name. A pair judged twice is an error even with the
same grade: counts of judgments would differ from one program to the next.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from retrieve.trec.lines import bad_line, commas, decoded, is_rank, read_lines
from retrieve.trec.order import Qrels

_Form = Literal["trec", "three", "beir"]

_WANTED: dict[_Form, str] = {
    "trec": "four: query id, iteration, document id, grade (or three without the iteration, or BEIR's header first)",
    "three": "three, as on the first line: query id, document id, grade",
    "beir": "three, tab separated: query id, document id, grade",
}
_COLUMNS: dict[_Form, int] = {"trec": 4, "three": 3, "beir": 3}
_GRADE = re.compile(rb"[+-]?[0-9]+")
_NAME = re.compile(rb"[a-z_-]+")
_ITERATIONS = (b"0", b"Q0")


def read_qrels(path: str | Path) -> Qrels:
    """Read judgments: TREC's four columns (query id, iteration, document id, grade), the same without the
    iteration, or BEIR's table (header `query-id corpus-id score`, tab separated); `-` is standard input.

    `InputError` with file and line: another number of columns, a grade that is no integer, a pair judged
    twice, columns that can be read in two ways.
    """
    qrels: Qrels = {}
    judged: dict[tuple[str, str], int] = {}
    form: _Form | None = None
    heading: bytes | None = None
    for number, line in read_lines(path):
        if form is None:
            form = _form_of(path, number, line)
            if form == "beir":
                heading = line
                continue
        elif line == heading:
            raise bad_line(path, number, "is the heading again: files were joined, remove this line")
        query_id, document_id, grade = _judgment(path, number, line, form)
        first = judged.setdefault((query_id, document_id), number)
        if first != number:
            raise bad_line(
                path,
                number,
                f"document {document_id!r} was judged for query {query_id!r} on line {first}: keep one line",
            )
        qrels.setdefault(query_id, {})[document_id] = grade
    return qrels


def _form_of(path: str | Path, number: int, line: bytes) -> _Form:
    """The form that the first line shows; the line itself holds a judgment, but for BEIR's header."""
    fields = line.split()
    names = line.lower().split()
    if names[0] == b"query-id" and names[1:2] != [b"score"]:
        return "beir"
    if len(names) in (3, 4) and all(_NAME.fullmatch(name) for name in (names[0], names[-1])):
        raise bad_line(
            path,
            number,
            f"seems to be a heading ({line.decode(errors='replace').strip()}): take it out, or call the columns "
            "query-id corpus-id score, in this order and parted by tabs",
        )
    if len(fields) != 3 or not _GRADE.fullmatch(fields[2]):
        return "trec"
    if fields[1] in _ITERATIONS:
        raise bad_line(
            path,
            number,
            f"3 columns of which the second is {fields[1].decode()}: is it an iteration or a document? Write all "
            f"four (query id, iteration, document id, grade)",
        )
    return "three"


def _judgment(path: str | Path, number: int, line: bytes, form: _Form) -> tuple[str, str, int]:
    fields = [field.strip() for field in line.split(b"\t")] if form == "beir" else line.split()
    if len(fields) != _COLUMNS[form] or not all(fields):
        hint = " (is this a run?)" if len(fields) == 6 and is_rank(fields[3]) else commas(line)
        raise bad_line(path, number, f"{len(fields)} columns, wanted {_WANTED[form]}{hint}")
    if form == "trec" and line.count(b"\t") == 2 and fields[1] not in _ITERATIONS:
        raise bad_line(
            path,
            number,
            "4 columns by white space and 3 by tabs: is there a space in an id? Begin the file with BEIR's header, "
            "query-id corpus-id score, parted by tabs",
        )
    query_id, document_id = decoded(path, number, fields[0], fields[-2])
    try:
        grade = int(fields[-1].replace(b"_", b"?"))  # Python alone takes 1_0 for ten
    except ValueError:
        raise bad_line(path, number, f"grade {fields[-1].decode(errors='replace')!r} is no integer") from None
    return query_id, document_id, grade

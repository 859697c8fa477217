"""WorldTree (Jansen et al. 2018, Xie et al. 2020) as published: `questions.{train,dev,test}.tsv`.

Options stand inside of the question's cell, "… (A) one (B) two"; some questions have (1), (2), … instead. The gold
explanation is "uid|ROLE uid|ROLE …", the uids being those of rows of the table store.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.csv_rows import table_rows
from retrieve.corpora.labelled.fields import split_of
from retrieve.corpora.questions.fields import asked, label_place
from retrieve.corpora.questions.files import Source
from retrieve.corpora.questions.records import QuestionRows, Reading, Told
from retrieve.corpora.rows import parsed_rows
from retrieve.corpora.split_files import LeftOut, file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError

_COLUMNS = ("QuestionID", "AnswerKey", "question", "explanation")
_FINISHED = ("SUCCESS", "READY")
_MARK = re.compile(r"\(([A-Z]|[1-9])\)")


def recognised(source: Source) -> bool:
    """Whether a table's heading has the four columns that are read."""
    return set(_COLUMNS) <= set(_names(source.heading))


def open_worldtree(source: Source) -> Reading:
    """The tables at the source. Where a file's name says no split, the column `category` does."""
    flags: Counter[str] = Counter()

    def remarks() -> list[str]:
        if not flags:
            return []
        counts = ", ".join(f"{count} {flag or 'none'}" for flag, count in flags.most_common())
        return [
            f"{flags.total()} explanations are not flagged {' or '.join(_FINISHED)} ({counts}): the official "
            "evaluation leaves them out, here their facts are kept"
        ]

    return Reading(
        [
            file_part(path, _Table(flags, named=split is not None).rows, split)
            for path, split in source.tables()
        ],
        remarks,
    )


class _Table:
    """Reads the rows of one table, and counts explanations by the flags of unfinished ones."""

    def __init__(self, flags: Counter[str], *, named: bool) -> None:
        self._flags = flags
        self._named = named
        self._names: list[str] = []

    def rows(self, stream: Stream, options: ReadOptions) -> QuestionRows:
        rows = table_rows(stream, options, "\t")
        self._names = _heading(rows, stream.name)
        return parsed_rows(stream.name, rows, self._question)

    def _question(self, cells: list[str], where: str) -> Told | LeftOut:
        if len(cells) != len(self._names):
            raise InputError(
                where, f"{len(cells)} columns, and the heading has {len(self._names)}: quote the text"
            )
        row = dict(zip(self._names, (cell.strip() for cell in cells), strict=True))
        if row.get("isMultipleChoiceQuestion") == "0":
            return LeftOut("they are no multiple choice")
        key = row["AnswerKey"]
        text, labels, choices = split_options(row["question"], key, where)
        explanation = _explanation(row["explanation"], where)
        question = asked(
            where,
            row["QuestionID"],
            text,
            choices,
            answer=label_place(key, labels, where) if key else None,
            labels=labels,
            facts=[fact for fact, _ in explanation],
            roles=[role for _, role in explanation],
        )
        flag = row.get("flags", _FINISHED[0])
        if explanation and flag.upper() not in _FINISHED:
            self._flags[flag] += 1
        category = row.get("category")
        return Told(question, None if self._named or not category else split_of(row, "category", where))


def split_options(text: str, key: str, where: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Question, labels and options of one text. Marks are letters or digits, as the answer's `key` is.

    The last mark of each label counts, going back from the end, so a question may speak of (A) before its options do.
    Raises `InputError` where no such series begins at (A) or (1), or a mark stands inside of an option.
    """
    marks = list(_MARK.finditer(text))
    digits = key.isdigit() if key else bool(marks) and marks[-1][1].isdigit()
    marks = [mark for mark in marks if mark[1].isdigit() == digits]
    series: list[re.Match[str]] = []
    for mark in reversed(marks):
        if not series or ord(mark[1]) == ord(series[-1][1]) - 1:
            series.append(mark)
    series.reverse()
    first = "1" if digits else "A"
    if not series or series[0][1] != first:
        raise InputError(where, f"the question has no options ({first}), ({chr(ord(first) + 1)}), … in order")
    inside = [mark for mark in marks if mark.start() > series[0].start()]
    if len(inside) >= len(series):
        twice = next(mark[0] for mark in inside if mark not in series)
        raise InputError(
            where, f"{twice} stands inside of an option too, so options cannot be told apart: reword it"
        )
    ends = [mark.start() for mark in series[1:]] + [len(text)]
    choices = tuple(text[mark.end() : end].strip() for mark, end in zip(series, ends, strict=True))
    return text[: series[0].start()].strip(), tuple(mark[1] for mark in series), choices


def _explanation(cell: str, where: str) -> list[tuple[str, str]]:
    """Facts with their roles. One fact may have two roles; the same pair twice is one."""
    pairs = []
    for piece in cell.split():
        fact, bar, role = piece.partition("|")
        if not fact or not bar:
            raise InputError(where, f"the explanation has {piece!r}, wanted uid|ROLE")
        pairs.append((fact, role))
    return list(dict.fromkeys(pairs))


def _heading(rows: Iterator[tuple[int, list[str] | InputError]], where: str) -> list[str]:
    _, cells = next(rows, (1, InputError(where, "is empty, wanted a heading and rows")))
    if isinstance(cells, InputError):
        raise cells
    names = _names(cells)
    if lacking := [column for column in _COLUMNS if column not in names]:
        raise InputError(
            where,
            f"has no column {', '.join(map(repr, lacking))}; the heading has {', '.join(map(repr, names))}",
        )
    return names


def _names(cells: Sequence[str]) -> list[str]:
    """Names of columns: version 1 has stray commas in its first (",,QuestionID")."""
    return [cell.strip(", ") for cell in cells]

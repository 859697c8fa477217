"""The seven LexGLUE tasks (Chalkidis et al. 2022) as their archive has them: all splits in one file.

`data_type` tells the splits apart, called dev or val. Records of three tasks have no id of their own: there it is the
line. CaseHOLD is multiple choice: each of the five holdings becomes a document with its context.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.csv_rows import table_rows
from retrieve.corpora.jsonl import json_rows
from retrieve.corpora.labelled.courts import open_ecthr
from retrieve.corpora.labelled.fields import id_of, labelled, labels_of, split_of, text_of
from retrieve.corpora.labelled.layout import Layout
from retrieve.corpora.labelled.records import LabelledRows, Reading
from retrieve.corpora.rows import Row
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError
from retrieve.types import LabelledDocument, Task

HOLDING = ("other holding", "the holding")

_PLACE = "<HOLDING>"
_FROM_VALIDATION, _FROM_TEST = 45_000, 48_900  # rows of the archive's file, counted from 0
_OPTIONS = 5


def recognised(layout: Layout) -> str | None:
    """Which of the tasks the files are of; None for none of them."""
    if layout.named("casehold.csv") is not None:
        return "case_hold"
    fields = layout.first_object
    if "data_type" not in fields:
        return None
    marks = {"facts": "ecthr", "issueArea": "scotus", "clause_type": "ledgar", "company": "unfair_tos"}
    for mark, name in {**marks, "celex_id": "eurlex"}.items():
        if mark in fields:
            return name
    return None


def open_lexglue(layout: Layout, *, target: str | None = None) -> Reading:
    """One task, told by its fields. `target` is for the two ECtHR tasks, as in `open_ecthr`.

    Without it, a folder called ecthr_b means the alleged violations; the records of both are the same.
    """
    name = recognised(layout)
    if name == "ecthr":
        alleged = "ecthr_b" in layout.source.resolve().parts
        return open_ecthr(
            layout, target=target or ("allegedly_violated_articles" if alleged else "violated_articles")
        )
    if name == "case_hold":
        return _case_hold(layout)
    if name is None:
        raise InputError(
            layout.name, "is none of the LexGLUE tasks: there is no casehold.csv and no data_type"
        )
    task, parse = _TASKS[name]
    files = layout.json_files()
    parts = [file_part(path, partial(_read, parse=parse), split) for path, split in files]
    return Reading(layout.name, parts, task=task, remarks=layout.remarks())


def _read(
    stream: Stream, options: ReadOptions, *, parse: Callable[[dict[str, Any], str], LabelledDocument]
) -> LabelledRows:
    return json_rows(stream, options, parse)


def _line(where: str) -> str:
    return where.rpartition(":")[2]


def _scotus(fields: dict[str, Any], where: str) -> LabelledDocument:
    return labelled(
        where,
        id_of(fields, "case_id", where),
        text_of(fields, "text", where),
        (id_of(fields, "issueArea", where),),
        metadata={name: fields[name] for name in ("judgment date", "issue") if name in fields},
        split=split_of(fields, "data_type", where),
    )


def _eurlex(fields: dict[str, Any], where: str) -> LabelledDocument:
    return labelled(
        where,
        id_of(fields, "celex_id", where),
        text_of(fields, "text", where),
        labels_of(fields, "labels", where),
        metadata={"publication_date": fields.get("publication_date")},
        split=split_of(fields, "data_type", where),
    )


def _ledgar(fields: dict[str, Any], where: str) -> LabelledDocument:
    return labelled(
        where,
        _line(where),
        text_of(fields, "text", where),
        (text_of(fields, "clause_type", where),),
        metadata={"year": fields.get("year")},
        split=split_of(fields, "data_type", where),
    )


def _unfair(fields: dict[str, Any], where: str) -> LabelledDocument:
    return labelled(
        where,
        _line(where),
        text_of(fields, "text", where),
        labels_of(fields, "labels", where),
        metadata={name: fields[name] for name in ("company", "release_year") if name in fields},
        split=split_of(fields, "data_type", where),
    )


_TASKS: dict[str, tuple[Task, Callable[[dict[str, Any], str], LabelledDocument]]] = {
    "scotus": ("multiclass", _scotus),
    "eurlex": ("multilabel", _eurlex),
    "ledgar": ("multiclass", _ledgar),
    "unfair_tos": ("multilabel", _unfair),
}


def _case_hold(layout: Layout) -> Reading:
    path = layout.named("casehold.csv")
    if path is None:
        raise InputError(layout.name, "holds no casehold.csv")
    remark = (
        "multiple choice: each of a question's 5 holdings is a document (metadata: question, option). LexGLUE's "
        "accuracy takes the option of the highest score in each question, and is not the accuracy of documents"
    )
    return Reading(
        layout.name, [file_part(path, read_case_hold)], task="binary", labels=HOLDING, remarks=[remark]
    )


def read_case_hold(stream: Stream, options: ReadOptions) -> LabelledRows:
    """The five documents of each row: the context with one holding in the place of <HOLDING>.

    Columns are the row's number, context, 5 holdings, 5 similarities, the right one's place. By number, rows below
    45,000 are train, below 48,900 validation, the others test.
    """
    for line, cells in table_rows(stream, options, ","):
        if isinstance(cells, InputError):
            yield Row(line, cells)
            continue
        if cells[0] == "0" and cells[1] == "1":
            continue  # the heading
        where = f"{stream.name}:{line}"
        try:
            documents = _choices(cells, where)
        except InputError as error:
            yield Row(line, error)
            continue
        for document in documents:
            yield Row(line, document)


def _choices(cells: list[str], where: str) -> list[LabelledDocument]:
    if len(cells) != 13 or not cells[0].isdecimal() or cells[12] not in tuple(map(str, range(_OPTIONS))):
        raise InputError(
            where, f"{len(cells)} columns, wanted 13: number, context, 5 holdings, 5 numbers, 0 to 4"
        )
    number = int(cells[0])
    split = "train" if number < _FROM_VALIDATION else "validation" if number < _FROM_TEST else "test"
    if _PLACE not in cells[1]:
        raise InputError(where, f"the context has no {_PLACE}, the place of what is to be chosen")
    return [
        labelled(
            where,
            f"{number}-{option}",
            cells[1].replace(_PLACE, cells[2 + option]),
            (HOLDING[option == int(cells[12])],),
            metadata={"question": cells[0], "option": option},
            split=split,
        )
        for option in range(_OPTIONS)
    ]

"""From what a user names (a file or a folder) to multiple-choice questions: the format is told by fields, or given.

Where two formats would do, the one with the more particular mark is taken; where none does, the error lists what is
readable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from retrieve.corpora.corpus import DEFAULT_OPTIONS, ReadOptions
from retrieve.corpora.questions import arc, medmcqa, medqa, pubmedqa, worldtree
from retrieve.corpora.questions.assemble import assemble
from retrieve.corpora.questions.files import Source
from retrieve.corpora.questions.jsonl import open_json_questions
from retrieve.corpora.questions.records import QuestionData, Reading
from retrieve.errors import InputError, UsageError


class Format(NamedTuple):
    """`open` makes a reading of a source."""

    says: str
    recognises: Callable[[Source], bool]
    open: Callable[..., Reading]


FORMATS: dict[str, Format] = {
    "medmcqa": Format(
        "MedMCQA (JSON lines with opa, opb, opc, opd, cop)", medmcqa.recognised, medmcqa.open_medmcqa
    ),
    "pubmedqa": Format(
        "PubMedQA (ori_pqal.json, or JSON lines with question and gold_passages)",
        pubmedqa.recognised,
        pubmedqa.open_pubmedqa,
    ),
    "medqa": Format(
        "MedQA (JSON lines with options by letter and answer_idx)", medqa.recognised, medqa.open_medqa
    ),
    "openbookqa": Format(
        "OpenBookQA (JSON lines with fact1 or question_stem)", arc.openbookqa_recognised, arc.open_openbookqa
    ),
    "arc": Format(
        "ARC and its like (JSON lines with question, choices and answerKey)", arc.arc_recognised, arc.open_arc
    ),
    "worldtree": Format(
        "WorldTree (questions.….tsv with QuestionID, question, AnswerKey, explanation)",
        worldtree.recognised,
        worldtree.open_worldtree,
    ),
    "jsonl": Format(
        "JSON lines of id, question, choices, answer and facts (train, dev, test by file name or a field split)",
        lambda source: {"question", "choices"} <= source.first_object.keys(),
        open_json_questions,
    ),
}
"""In the order in which they are tried: a more particular mark first."""


def read_questions(
    source: str | Path,
    *,
    format: str | None = None,
    options: ReadOptions = DEFAULT_OPTIONS,
    need_answers: bool = False,
    first_answer: int | None = None,
) -> QuestionData:
    """The questions at `source`, a file or a folder, read whole.

    `format` is one of `FORMATS`; without it the format is recognised. Splits are what a word of a file's name says
    (`questions.dev.tsv`), else what the data's own field says; what neither says is train. Where any file is named for
    a split, the others are not read; a `corpus.jsonl` never is. With `need_answers` a question without an answer is a
    bad row. `first_answer` is MedMCQA's: the number, 0 or 1, of the first option.

    Raises `InputError` for what cannot be read, with file and line, and `UsageError` for what cannot be asked for.
    """
    found = Source(Path(source), options)
    chosen = _format(found, format)
    if first_answer is not None and chosen != "medmcqa":
        raise UsageError(f"format {chosen} does not take first_answer: it is for medmcqa")
    opened = FORMATS[chosen].open
    reading = opened(found, first_answer=first_answer) if chosen == "medmcqa" else opened(found)
    data = assemble(reading, name=found.name, format=chosen, options=options, need_answers=need_answers)
    return replace(data, remarks=[*data.remarks, *found.unread()])


def _format(source: Source, format: str | None) -> str:
    if format is not None:
        if format not in FORMATS:
            raise UsageError(f"format {format!r} does not exist; wanted one of {', '.join(FORMATS)}")
        return format
    for name, candidate in FORMATS.items():
        if candidate.recognises(source):
            return name
    if source.json_lines() and not source.first_object:
        return "jsonl"  # without one good line, and its reader says what is wrong with the first
    readable = "; ".join(f"{name}: {FORMATS[name].says}" for name in reversed(FORMATS))
    fields = ", ".join(map(repr, source.first_object))
    found = f", its first object has {fields}" if fields else ""
    raise InputError(
        source.name, f"is not recognised as multiple-choice questions{found}. Readable are {readable}"
    )

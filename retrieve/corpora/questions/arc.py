"""ARC (Clark et al. 2018) and OpenBookQA (Mihaylov et al. 2018): as published, and in the copies on Hugging Face.

Published rows nest the options in the question, the copies put them beside it. Labels are A to E or 1 to 5, and not
always four of them, so the answer is looked up among the row's own labels; letters are never counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import json_rows
from retrieve.corpora.labelled.fields import id_of, text_of
from retrieve.corpora.questions.fields import asked, label_place, labels_and_texts
from retrieve.corpora.questions.files import Source
from retrieve.corpora.questions.records import QuestionRows, Reading, Told
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError


def arc_recognised(source: Source) -> bool:
    """Whether there is a question with options inside, or an `answerKey` beside options."""
    fields = source.first_object
    return isinstance(fields.get("question"), dict) or {"question", "choices", "answerKey"} <= fields.keys()


def openbookqa_recognised(source: Source) -> bool:
    """Whether there is what ARC does not have: `fact1`, or the copy's `question_stem`."""
    return not {"fact1", "question_stem"}.isdisjoint(source.first_object)


def open_arc(source: Source) -> Reading:
    """ARC, and whatever has its schema (OpenBookQA's main files, CommonsenseQA)."""
    return Reading([file_part(path, _read, split) for path, split in source.json_files()])


def open_openbookqa(source: Source) -> Reading:
    """OpenBookQA. The book has no ids: a fact's id is its text, as `fact1` has it."""
    remarks = ["a fact's id is its text: the book has none, so give its lines such ids"]
    return replace(open_arc(source), remarks=lambda: remarks if "fact1" in source.first_object else [])


def _read(stream: Stream, options: ReadOptions) -> QuestionRows:
    return json_rows(stream, options, _question)


def _question(fields: dict[str, Any], where: str) -> Told:
    nested = fields.get("question")
    if isinstance(nested, dict):
        text, options = text_of(nested, "stem", where), nested
    else:
        name = "question_stem" if "question_stem" in fields else "question"
        text, options = text_of(fields, name, where), fields
    labels, texts = _options(options, where)
    key = fields.get("answerKey")  # "" where a copy holds it back
    fact = fields.get("fact1")
    question = asked(
        where,
        id_of(fields, "id", where),
        text,
        texts,
        answer=label_place(text_of(fields, "answerKey", where), labels, where) if key else None,
        labels=labels,
        facts=(text_of(fields, "fact1", where).strip(),) if fact else (),
    )
    return Told(question)


def _options(fields: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and texts: one object of two lists (the copies), or a list of objects."""
    options = fields.get("choices")
    if isinstance(options, dict):
        return labels_and_texts(options, where)
    if not isinstance(options, list) or not all(isinstance(option, dict) for option in options):
        raise InputError(where, '"choices" is not a list of objects {"label": …, "text": …}')
    return (
        tuple(text_of(option, "label", where) for option in options),
        tuple(text_of(option, "text", where) for option in options),
    )

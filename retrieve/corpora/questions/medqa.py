"""MedQA (Jin et al. 2020), of the USMLE and of its Chinese sisters: options by letter, `answer_idx` and `answer`.

Rows have no id: it is the split and the line, so that reading both versions (five options and four) is found out.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import json_rows
from retrieve.corpora.labelled.fields import text_of
from retrieve.corpora.questions.fields import asked, label_place, no_option
from retrieve.corpora.questions.files import Source, stem
from retrieve.corpora.questions.records import QuestionRows, Reading, Told
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError

_LEFTOVER = re.compile(r'\s*\n\s*"?\s*$')
"""A line break and perhaps a quotation mark at an option's end, left over from scraping ('Pulmonary embolism\\n"')."""


def recognised(source: Source) -> bool:
    """Whether options are an object of letter → text."""
    return isinstance(source.first_object.get("options"), dict) and "question" in source.first_object


def open_medqa(source: Source) -> Reading:
    """The files at the source: those named for splits, or the one that is there (`US_qbank.jsonl` has all of them)."""
    parts = [
        file_part(path, partial(_read, prefix=split or stem(path)), split)
        for path, split in source.json_files()
    ]
    remarks = ["rows have no id: it is the split, or the file's name, and the line"]
    return Reading(parts, lambda: remarks)


def _read(stream: Stream, options: ReadOptions, *, prefix: str) -> QuestionRows:
    return json_rows(stream, options, partial(_question, prefix=prefix))


def _question(fields: dict[str, Any], where: str, *, prefix: str) -> Told:
    options = fields.get("options")
    if not isinstance(options, dict):
        raise InputError(where, '"options" is not an object of letter → text')
    labels = tuple(options)
    texts = tuple(_clean(text_of(options, label, where)) for label in labels)
    line = where.rpartition(":")[2]
    question = asked(
        where,
        f"{prefix}-{line}",
        text_of(fields, "question", where),
        texts,
        answer=_answer(fields, labels, texts, where),
        labels=labels,
    )
    return Told(question)


def _answer(
    fields: dict[str, Any], labels: tuple[str, ...], texts: tuple[str, ...], where: str
) -> int | None:
    """By letter, and by text or else letter where `answer` is all there is; where both are, they must agree."""
    text = None if fields.get("answer") is None else _clean(text_of(fields, "answer", where))
    if fields.get("answer_idx") is not None:
        place = label_place(text_of(fields, "answer_idx", where), labels, where)
        if text is not None and text != texts[place]:
            raise InputError(
                where, f"answer_idx is option {texts[place]!r} and answer is {text!r}: correct one of the two"
            )
        return place
    if text is None:
        return None
    if text not in texts:
        if text in labels:  # as copies of it have the letter
            return labels.index(text)
        raise no_option(text, (*labels, *texts), where)
    if texts.count(text) > 1:
        raise InputError(where, f'answer {text!r} is the text of two options: say which by "answer_idx"')
    return texts.index(text)


def _clean(text: str) -> str:
    return _LEFTOVER.sub("", text).strip()

"""JSON lines of our own: `id`, `question`, `choices`, `answer`, `facts`, `fact_roles`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.jsonl import json_rows
from retrieve.corpora.labelled.fields import id_of, split_of, strings_of, text_of
from retrieve.corpora.questions.fields import asked, labels_and_texts, no_option
from retrieve.corpora.questions.files import Source
from retrieve.corpora.questions.records import QuestionRows, Reading, Told
from retrieve.corpora.split_files import file_part
from retrieve.corpora.stream import Stream
from retrieve.errors import InputError


def open_json_questions(source: Source) -> Reading:
    """A file or a folder of JSON lines."""
    return Reading([file_part(path, read_questions_jsonl, split) for path, split in source.json_files()])


def read_questions_jsonl(stream: Stream, options: ReadOptions) -> QuestionRows:
    """Rows of `id` (or `_id`), `question`, `choices`, and perhaps `answer`, `facts`, `fact_roles`, `split`.

    `choices` is a list of texts, {"label": […], "text": […]}, or an object of label → text. `answer` is a label, a
    text, or the place from 0; missing or null where nobody says. Of `fact_roles` there is one for each of `facts`.
    Other fields are not read.
    """
    return json_rows(stream, options, _question)


def _question(fields: dict[str, Any], where: str) -> Told:
    choices = fields.get("choices")
    labels, texts = (
        labels_and_texts(choices, where)
        if isinstance(choices, dict)
        else ((), tuple(strings_of(fields, "choices", where)))
    )
    facts, roles = (
        strings_of(fields, name, where) if fields.get(name) is not None else []
        for name in ("facts", "fact_roles")
    )
    roles_of_facts = list(zip_longest(facts, roles[: len(facts)]))
    if twice := next((fact for fact, role in roles_of_facts if roles_of_facts.count((fact, role)) > 1), None):
        raise InputError(where, f"fact {twice!r} stands twice with the same role: keep one of them")
    question = asked(
        where,
        id_of(fields, "_id" if "_id" in fields and "id" not in fields else "id", where),
        text_of(fields, "question", where),
        texts,
        answer=_answer(fields.get("answer"), labels, texts, where),
        labels=labels,
        facts=facts,
        roles=roles,
    )
    return Told(question, split_of(fields, "split", where))


def _answer(value: object, labels: Sequence[str], texts: Sequence[str], where: str) -> int | None:
    """A string that is one option's label and another one's text is refused: either reading would be a guess."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(texts):
            raise no_option(value, [str(place) for place in range(len(texts))], where)
        return value
    if not isinstance(value, str):
        raise InputError(where, f'"answer" is {value!r}, wanted a label, a text, or a place from 0')
    places = {
        place for names in (labels, texts) for place, name in enumerate(names) if name == value
    }  # a label that is its own option's text is one place
    if not places:
        raise no_option(value, [*labels, *texts], where)
    if len(places) > 1:
        shown = " and ".join(str(place) for place in sorted(places))
        raise InputError(
            where, f"answer {value!r} names the options at {shown} (from 0): write the place, as a number"
        )
    return places.pop()

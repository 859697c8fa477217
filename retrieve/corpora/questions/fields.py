"""From the fields of one record to a checked `Question`: ids, options, the answer's place, facts.

What a question must be is said once, in `asked`; formats differ only in where their fields are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retrieve.corpora.check import check_document
from retrieve.corpora.labelled.fields import strings_of, text_of
from retrieve.errors import InputError
from retrieve.types import Document, Question

LETTERS = ("A", "B", "C", "D")


def asked(
    where: str,
    question_id: str,
    text: str,
    choices: Sequence[str],
    *,
    answer: int | None,
    labels: Sequence[str] = (),
    facts: Sequence[str] = (),
    roles: Sequence[str] = (),
) -> Question:
    """The record, its strings checked as those of a document are.

    `labels` are one for each option, or none. Raises `InputError` for an empty question, fewer than two options, an
    empty option, a label twice, and roles of another number than facts. Two options of the same text are allowed:
    published data have them, and `assemble` counts them.
    """
    strings = {"options": list(choices), "labels": list(labels), "facts": list(facts), "roles": list(roles)}
    check_document(Document(question_id, text, metadata=strings), where)
    if not text.strip():
        raise InputError(where, "the question is empty: write it, or take it out")
    if len(choices) < 2:
        raise InputError(
            where,
            f"{len(choices)} options, wanted two or more: a single one is no choice, take the question out",
        )
    for place, choice in enumerate(choices, start=1):
        if not choice.strip():
            raise InputError(where, f"option {place} of {len(choices)} is empty: write it, or take it out")
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InputError(where, f"label {twice!r} stands for two options: rename one of them")
    if roles and len(roles) != len(facts):
        raise InputError(where, f"{len(roles)} roles for {len(facts)} facts: wanted one for each, or none")
    return Question(question_id, text, tuple(choices), answer, tuple(labels), tuple(facts), tuple(roles))


def label_place(label: str, labels: Sequence[str], where: str) -> int:
    """Place, from 0, of the option that is called `label`."""
    if label not in labels:
        raise no_option(label, labels, where)
    return list(labels).index(label)


def no_option(answer: object, offered: Sequence[str], where: str) -> InputError:
    """The error for an answer that is not among what is offered."""
    names = ", ".join(map(repr, offered))
    names = names if len(names) <= 200 else f"{names[:200]}…"
    return InputError(
        where, f"answer {answer!r} is not an option, wanted one of {names}: correct one of the two"
    )


def labels_and_texts(value: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and texts of options that are written as {"label": […], "text": […]}, or by label: {"A": "a text"}."""
    if value and value.keys().isdisjoint({"label", "text"}):
        return tuple(value), tuple(text_of(value, label, where) for label in value)
    labels, texts = strings_of(value, "label", where), strings_of(value, "text", where)
    if len(labels) != len(texts):
        raise InputError(where, f"{len(labels)} labels for {len(texts)} options: wanted one for each")
    return tuple(labels), tuple(texts)

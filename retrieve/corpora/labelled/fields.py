"""Fields of one JSON object, each checked for its type, and the document made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from retrieve.corpora.check import check_document
from retrieve.errors import InputError
from retrieve.types import Document, LabelledDocument

PARAGRAPH_BREAK = "\n\n"
"""What stands between the paragraphs of a joined text."""

SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""What data call their splits → what we call them."""


def text_of(fields: Mapping[str, Any], name: str, where: str) -> str:
    """The string in a field that must be there."""
    if name not in fields:
        raise InputError(where, f'there is no "{name}"; fields: {", ".join(map(repr, fields)) or "none"}')
    value = fields[name]
    if not isinstance(value, str):
        raise InputError(where, f'"{name}" is {_shown(value)}, wanted a string')
    return value


def id_of(fields: Mapping[str, Any], name: str, where: str) -> str:
    """The id in a field: a string, or a whole number written as one (original schemas have both)."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(fields, name, where)


def strings_of(fields: Mapping[str, Any], name: str, where: str) -> list[str]:
    """The list of strings in a field that must be there."""
    if name not in fields:
        raise InputError(where, f'there is no "{name}"; fields: {", ".join(map(repr, fields)) or "none"}')
    value = fields[name]
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise InputError(where, f'"{name}" is {_shown(value)}, wanted a list of strings')
    return value


def labels_of(fields: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """The labels in a field: a list of strings, or one string. Raises `InputError` for an empty or repeated label."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str | list):
        raise InputError(where, f'"{name}" is {_shown(value)}, wanted a string or a list of strings')
    return checked_labels([value] if isinstance(value, str) else strings_of(fields, name, where), where)


def checked_labels(labels: Sequence[str], where: str) -> tuple[str, ...]:
    """The labels, none of them blank, none of them twice."""
    for place, label in enumerate(labels):
        if not label.strip():
            raise InputError(where, "a label is blank: take it out, or name it")
        if not label.isascii():
            try:
                label.encode()
            except UnicodeEncodeError:
                raise InputError(
                    where, f"label {label!r} has half a surrogate pair, which no file can hold"
                ) from None
        if label in labels[:place]:
            raise InputError(where, f"label {label!r} stands twice in one document: keep one of them")
    return tuple(labels)


def value_of(fields: Mapping[str, Any], name: str, where: str) -> float | None:
    """The number in a field, also one written as a string; None where there is none."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise InputError(where, f'"{name}" is {_shown(value)}, wanted a finite number')
    return number


def split_of(fields: Mapping[str, Any], name: str, where: str) -> str | None:
    """The split that a field says, in our name; None where there is no such field."""
    value = fields.get(name)
    if value is None:
        return None
    known = SPLITS.get(value.lower()) if isinstance(value, str) else None
    if known is None:
        raise InputError(where, f'"{name}" is {_shown(value)}, wanted one of {", ".join(SPLITS)}')
    return known


def joined(
    pieces: Sequence[str], separator: str = PARAGRAPH_BREAK
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Pieces as one text, and the characters of each in it; empty pieces have no place."""
    spans, kept, at = [], [], 0
    for piece in pieces:
        if piece:
            spans.append((at, at + len(piece)))
            kept.append(piece)
            at += len(piece) + len(separator)
    return separator.join(kept), tuple(spans)


def labelled(
    where: str,
    doc_id: str,
    text: str,
    labels: tuple[str, ...] | None,
    *,
    title: str = "",
    metadata: Mapping[str, Any] | None = None,
    value: float | None = None,
    paragraphs: tuple[tuple[int, int], ...] = (),
    zones: Mapping[str, tuple[int, int]] | None = None,
    split: str | None = None,
) -> LabelledDocument:
    """The record, its document checked as any other. Raises `InputError` for what cannot be stored."""
    document = Document(doc_id, text, title, dict(metadata or {}))
    check_document(document, where)
    return LabelledDocument(document, labels, value, paragraphs, dict(zones or {}), split)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"

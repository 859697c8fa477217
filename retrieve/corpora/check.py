"""What a document must be before anything is stored: the same rules for files and for documents made in Python.

Every rule guards something below: NUL ends a string in SQLite's C interface, a lone surrogate cannot be written as
UTF-8, NaN is not JSON, an integer beyond 64 bits has no column type. Checks look at whole strings, because this
runs once for every document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from retrieve.errors import InputError
from retrieve.types import Document

MAX_NESTING = 64

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_JSON_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}
_OWN_KEYS = frozenset(("_id", "id", "title", "text", "metadata"))


def check_document(document: Document, where: str = "") -> None:
    """Raise `InputError` unless the document can be stored and given back unchanged.

    Wanted: a non-empty string as id, strings as title and text, as metadata a dict that JSON can hold (string keys,
    finite floats, 64-bit integers, containers at most 64 deep), and no NUL or lone surrogate in any string. `where` is
    `file:line`; without it the error names the id.
    """
    _check_id(document.id, "id", where)
    where = where or f"document {document.id!r}"
    for name, value in (
        ("title", document.title),
        ("text", document.text),
        ("expansion", document.expansion),
    ):
        if value != "":
            _check_string(value, name, where)
    if not isinstance(document.metadata, dict):
        raise InputError(where, f"metadata is {_kind(document.metadata)}, wanted an object (a dict)")
    if document.metadata:
        _check_value(document.metadata, "metadata", 1, where)


def document_from(mapping: Mapping[str, Any], where: str = "") -> Document:
    """The document in one JSON object: `_id` or `id`, `text`, and perhaps `title` and `metadata`.

    Keys that are none of these go into the metadata. Raises `InputError` as `check_document` does, and for a missing
    id or text, for two different ids, and for a key that the metadata holds with another value.
    """
    fields: object = mapping
    if not isinstance(fields, Mapping):
        raise InputError(where, f"a document is {_kind(fields)}, wanted an object with id and text")
    doc_id = _id_of(fields, where)
    where = where or f"document {doc_id!r}"
    if "text" not in fields:
        raise InputError(where, 'there is no "text"; wanted "text": "…" (it may be empty)')
    title = fields.get("title")
    document = Document(
        id=doc_id,
        text=fields["text"],
        title="" if title is None else title,
        metadata=_metadata_of(fields, where),
    )
    check_document(document, where)
    return document


def stored_form(document: Document | Mapping[str, Any]) -> Document:
    """A document that a caller made, checked and copied.

    A copy, because whoever reads a file into one dict again and again changes it before it is written.
    """
    if isinstance(document, Document):
        check_document(document)
        metadata = deepcopy(document.metadata) if document.metadata else {}
        return Document(document.id, document.text, document.title, metadata, document.expansion)
    return document_from(deepcopy(dict(document)) if isinstance(document, Mapping) else document)


def _id_of(fields: Mapping[str, Any], where: str) -> str:
    names = [name for name in ("_id", "id") if name in fields]
    if not names:
        marked = next((name for name in fields if str(name).lstrip("\ufeff") in ("_id", "id")), None)
        if marked is not None:
            raise InputError(where, f"the key {marked!a} begins with a byte order mark: take it out")
        raise InputError(where, 'there is no id; wanted "_id": "…" or "id": "…"')
    for name in names:
        _check_id(fields[name], name, where)
    ids = [str(fields[name]) for name in names]
    if ids[0] != ids[-1]:
        raise InputError(where, f'"_id" is {ids[0]!r} and "id" is {ids[1]!r}: keep one of them')
    return ids[0]


def _metadata_of(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    metadata = fields.get("metadata", {})
    if not isinstance(metadata, Mapping):
        raise InputError(where, f"metadata is {_kind(metadata)}, wanted an object")
    merged = dict(metadata)
    for key, value in fields.items():
        if key in _OWN_KEYS:
            continue
        if key in merged and not _same(merged[key], value):
            raise InputError(
                where,
                f"{key!r} stands beside the metadata and inside it with another value: keep one of them",
            )
        merged[key] = value
    return merged


def _same(left: object, right: object) -> bool:
    """Equal as JSON: Python's == calls 1, 1.0 and true the same."""
    try:
        return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return False  # not JSON at all


def _check_id(value: object, name: str, where: str) -> None:
    if isinstance(value, str):
        if not value:
            raise InputError(where, f"{name} is empty; wanted a non-empty string")
        if value.startswith("\ufeff"):
            raise InputError(where, f"{name} begins with a byte order mark, which is not seen: take it out")
        _check_string(value, name, where)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        raise InputError(where, f'{name} is the number {value}; wanted a string: write "{name}": "{value}"')
    else:
        raise InputError(where, f"{name} is {_kind(value)}; wanted a non-empty string")


def _check_string(value: object, name: str, where: str) -> None:
    if not isinstance(value, str):
        raise InputError(where, f"{name} is {_kind(value)}, wanted a string")
    at = value.find("\0")
    if at >= 0:
        raise InputError(where, f"{name} has a NUL at character {at + 1}: remove it")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                where,
                f"{name} has a lone surrogate (\\u{ord(value[error.start]):04x}) at character {error.start + 1}: "
                f"remove it, or write the character it is half of",
            ) from None


def _check_value(value: object, name: str, depth: int, where: str) -> None:
    if isinstance(value, str):
        _check_string(value, name, where)
    elif isinstance(value, dict):
        _check_depth(depth, where)
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InputError(where, f"{name} has {_kind(key)} as a key, wanted strings")
            _check_string(key, f"a key of {name}", where)
            _check_value(inner, f"{name}.{key}", depth + 1, where)
    elif isinstance(value, list | tuple):
        _check_depth(depth, where)
        for inner in value:
            _check_value(inner, f"{name}[]", depth + 1, where)
    elif isinstance(value, int):
        if not _INT_MIN <= value <= _INT_MAX:
            raise InputError(where, f"{name} is an integer beyond 64 bits: write it as a string")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(where, f"{name} is {value}, wanted a finite number: leave it out, or write null")
    elif value is not None:
        raise InputError(where, f"{name} is {_kind(value)}, wanted something that JSON can hold")


def _check_depth(depth: int, where: str) -> None:
    if depth > MAX_NESTING:
        raise InputError(where, f"metadata is nested deeper than {MAX_NESTING}: flatten it")


def _kind(value: object) -> str:
    """The value's type in JSON's words where it has one."""
    return _JSON_NAMES.get(type(value), f"of type {type(value).__name__}")

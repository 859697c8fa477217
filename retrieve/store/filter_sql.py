"""A filter as a condition of SQLite's over the JSON of documents' metadata: true, false, or NULL where it cannot say.

`filters.matches` stays the meaning. SQLite rounds the decimals that it reads, so a number with a point is compared as
text or within a margin, and what falls into the margin is NULL, which SQL carries through `and`, `or` and `not` as it
should. Whoever asks has the rows with NULL decided by `matches`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from retrieve.recipe import canonical
from retrieve.store.filter_columns import integer_range
from retrieve.store.filters import AllOf, AnyOf, Filter, Leaf, Not, Operator, Scalar

_MOST_LEAVES = 200
"""SQLite limits the length of a statement and its variables."""

_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+')
"""Keys that JSON and SQLite's paths write as they are."""

_MARGIN = 1e-9, 1e-290
"""Relative and absolute: far beyond what SQLite's reading of a decimal is off by."""


class Condition(NamedTuple):
    """An expression over the column `metadata`, and what its question marks stand for, in order."""

    sql: str
    values: tuple[Any, ...] = ()


def condition_of(where: Filter) -> Condition | None:
    """The condition, which is 1, 0 or NULL; None where SQLite is no help, and metadata have to be read in Python.

    That is for names that JSON does not write as they are, for very large filters, and before SQLite 3.38.
    """
    if not all(map(askable, where.fields)) or _leaves(where) > _MOST_LEAVES:
        return None
    return _condition(where)


def askable(field: str) -> bool:
    """Whether SQLite can look for a field."""
    known = sqlite3.sqlite_version_info >= (3, 38)
    return known and all(_PLAIN.fullmatch(key) for key in field.split("."))


def held(field: str) -> Condition:
    """Whether a document has an askable field, be it null."""
    place = _place(field)
    return Condition(f"json_type(metadata, {place.sql}) IS NOT NULL", place.values)


def _leaves(where: Filter) -> int:
    match where:
        case Leaf():
            return 1
        case Not():
            return _leaves(where.part)
    return sum(map(_leaves, where.parts))


def _condition(where: Filter) -> Condition:
    match where:
        case Leaf():
            return _leaf(where)
        case AllOf():
            return _joined(where.parts, "AND", "1")
        case AnyOf():
            return _joined(where.parts, "OR", "0")
        case Not():
            return _with("NOT ({})", _condition(where.part))


def _joined(parts: Sequence[Filter], word: str, empty: str) -> Condition:
    """Halves of halves, because SQLite limits the depth of an expression, and a chain is as deep as it is long."""
    if len(parts) > 1:
        halves = parts[: len(parts) // 2], parts[len(parts) // 2 :]
        return _with(f"({{}} {word} {{}})", *(_joined(half, word, empty) for half in halves))
    return _condition(parts[0]) if parts else Condition(empty)


def _leaf(leaf: Leaf) -> Condition:
    place = _place(leaf.field)
    match leaf.operator:
        case "exists":
            sign = "<>" if leaf.operands[0] else "="
            return _with(f"ifnull(json_type(metadata, {{}}), 'null') {sign} 'null'", place)
        case "eq" | "in":
            return _among(place, leaf.operands)
        case "ne":
            return _with("NOT {}", _among(place, leaf.operands))
    (bound,) = leaf.operands
    return (
        _text_order(place, leaf.operator, bound)
        if isinstance(bound, str)
        else _number_order(place, leaf.operator, bound)
    )


def _place(field: str) -> Condition:
    """The path of a field: the key at the top of that name, else, where the name has dots, the walk through objects."""
    whole, walk = f'$."{field}"', "".join(["$", *(f'."{key}"' for key in field.split("."))])
    if whole == walk:
        return Condition("?", (whole,))
    return Condition("CASE WHEN json_type(metadata, ?) IS NULL THEN ? ELSE ? END", (whole, walk, whole))


def _among(place: Condition, operands: Sequence[Scalar]) -> Condition:
    """A scalar is compared as the text that JSON has for it, of which there is one for each value but zero."""
    strings = [operand for operand in operands if isinstance(operand, str) and "\0" not in operand]
    numbers = [operand for operand in operands if not isinstance(operand, bool | str)]
    integers = [int(number) for number in numbers if number == int(number) and -(2**63) <= number < 2**63]
    truths = [_json(operand) for operand in operands if isinstance(operand, bool)]
    element = _with(
        "type IN ('text', 'integer') AND value IN {} OR type IN {}",
        _listed([*strings, *integers]),
        _listed(truths),
    )
    return _with(
        "CASE WHEN metadata -> {} IN {} THEN 1 WHEN json_type(metadata, {}) IS NOT 'array' THEN 0 ELSE {} END",
        place,
        _listed(_texts(operands)),
        place,
        _any_element(place, element, decimals=bool(numbers)),
    )


def _texts(operands: Iterable[Scalar]) -> list[str]:
    """What JSON may have for a value that equals one of the operands."""
    equal: list[Scalar] = []
    for operand in operands:
        equal.append(operand)
        if not isinstance(operand, bool | str):
            equal += [other for other in (int(operand), float(operand)) if other == operand]
            equal += [0.0, -0.0] if operand == 0 else []
    return [_json(value) for value in equal]


def _any_element(place: Condition, condition: Condition, *, decimals: bool) -> Condition:
    """Whether an element of a list passes. Those with a point are for `matches`, where `decimals` may matter."""
    each = "EXISTS (SELECT 1 FROM json_each(metadata, {}) WHERE {})"
    if not decimals:
        return _with(each, place, condition)
    real = Condition("type = 'real'")
    return _with(f"CASE WHEN {each} THEN 1 WHEN {each} THEN NULL ELSE 0 END", place, condition, place, real)


_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def _text_order(place: Condition, operator: Operator, bound: str) -> Condition:
    """Strings as SQLite compares them: by their bytes in UTF-8, which is by code point."""
    sign = _SIGNS[operator]
    element = _with(f"type = 'text' AND value {sign} {{}}", _value(bound))
    return _with(
        f"CASE json_type(metadata, {{}}) WHEN 'text' THEN json_extract(metadata, {{}}) {sign} {{}}"
        " WHEN 'array' THEN {} ELSE 0 END",
        place,
        place,
        _value(bound),
        _any_element(place, element, decimals=False),
    )


def _number_order(place: Condition, operator: Operator, bound: float) -> Condition:
    """Integers are compared exactly, numbers with a point as texts or beyond the margin around the bound."""
    low, high = integer_range(operator, bound)
    within = _with("BETWEEN {} AND {}", _value(max(low, -(2**63))), _value(min(high, 2**63 - 1)))
    if low > high:
        within = Condition("IN ()")
    relative, absolute = _MARGIN
    margin = abs(bound) * relative + absolute
    inclusive, greater = int(operator in ("lte", "gte")), int(operator in ("gt", "gte"))
    decimal = _with(
        f"CASE WHEN metadata -> {{}} IN {{}} THEN {inclusive} WHEN json_extract(metadata, {{}}) > {{}} THEN {greater}"
        f" WHEN json_extract(metadata, {{}}) < {{}} THEN {1 - greater} END",
        place,
        _listed(_texts([bound])),
        place,
        _value(bound + margin),
        place,
        _value(bound - margin),
    )
    return _with(
        "CASE json_type(metadata, {}) WHEN 'integer' THEN json_extract(metadata, {}) {} WHEN 'real' THEN {}"
        " WHEN 'array' THEN {} ELSE 0 END",
        place,
        place,
        within,
        decimal,
        _any_element(place, _with("type = 'integer' AND value {}", within), decimals=True),
    )


def _with(template: str, *parts: Condition) -> Condition:
    """The parts in the places of `{}`; what is bound follows the same order."""
    return Condition(
        template.format(*(part.sql for part in parts)),
        tuple(value for part in parts for value in part.values),
    )


def _value(value: Scalar) -> Condition:
    return Condition("?", (value,))


def _listed(values: Collection[Scalar]) -> Condition:
    """A list for `IN`, of any length, as one value."""
    return Condition("(SELECT value FROM json_each(?))", (_json([*values]),))


def _json(value: object) -> str:
    """As the document table has it."""
    return canonical(value).decode()

"""Random metadata and filters in which names collide, and what a filter selects, said once more in plain Python.

The suite holds indexes of a few hundred documents against `accepts`, `scripts/campaigns/filters.py` larger ones. It
knows nothing of how the store parses, scans or keeps columns.
"""

from __future__ import annotations

import random
from typing import Any

KEYS = ("a", "b", "c", "a.b", "b.c", "a.b.c", "c.", ".a", "", 'it\'s "$[0]"', "$.a", "and", "or", "not")
"""Keys of objects, at every level: plain ones, dotted ones that look like paths, and awkward ones."""

FIELDS = (*KEYS[:11], "a.b.c.a", "a..b", "c..a", ".", "a.and", "b.or.not", "$.a.b", "a.a", "b.a")
"""What filters ask for: everything of KEYS that a filter can name, and longer paths."""

SCALARS: tuple[Any, ...] = (
    True,
    False,
    0,
    1,
    2,
    -1,
    1.0,
    0.5,
    2**53 + 1,
    float(2**53),
    "",
    "a",
    "b",
    "é",
    "1",
)

_COMPARISONS = {
    "lt": lambda left, right: left < right,
    "lte": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "gte": lambda left, right: left >= right,
}


def value(chance: random.Random, depth: int = 3) -> Any:
    """A null, a scalar, a list or an object."""
    kind = chance.random()
    if kind < 0.12:
        return None
    if kind < 0.6 or depth == 0:
        return chance.choice(SCALARS)
    if kind < 0.72:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return _object(chance, depth - 1)


def metadata(chance: random.Random) -> dict[str, Any]:
    """The metadata of a document: in one of three a key with a dot stands beside the path that it spells."""
    made = _object(chance, 3)
    if chance.random() < 0.35:
        name = chance.choice(["a.b", "a.b.c", "b.c"])
        made[name] = chance.choice([None, *SCALARS, ["a", 1]])
        inner = value(chance, 1)
        for step in reversed(name.split(".")[1:]):
            inner = {step: inner}
        made[name.split(".")[0]] = inner
    return made


def _object(chance: random.Random, depth: int) -> dict[str, Any]:
    return {key: value(chance, depth) for key in chance.sample(KEYS, chance.randrange(5))}


def where(chance: random.Random, depth: int = 2) -> dict[str, Any]:
    """A filter: mostly one or two conditions, some of them combined."""
    kind = chance.random()
    if depth and kind < 0.15:
        return {"not": where(chance, depth - 1)}
    if depth and kind < 0.35:
        word = chance.choice(["and", "or"])
        return {word: [where(chance, depth - 1) for _ in range(chance.randrange(1, 3))]}
    return {field: _condition(chance) for field in chance.sample(FIELDS, chance.choice([1, 1, 1, 2]))}


def _condition(chance: random.Random) -> Any:
    operator = chance.choice(["", "eq", "ne", "ne", "lt", "lte", "gt", "gte", "in", "exists"])
    scalar = chance.choice(SCALARS)
    if operator == "":
        return scalar
    if operator == "in":
        return {"in": chance.sample(SCALARS, chance.randrange(4))}
    if operator == "exists":
        return {"exists": chance.random() < 0.5}
    if operator in _COMPARISONS and isinstance(scalar, bool):
        return {operator: 1}
    return {operator: scalar}


def accepts(conditions: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether the filter selects a document with this metadata."""
    for name, condition in conditions.items():
        if name == "and":
            passed = all(accepts(part, document) for part in condition)
        elif name == "or":
            passed = any(accepts(part, document) for part in condition)
        elif name == "not":
            passed = not accepts(condition, document)
        else:
            operators = condition if isinstance(condition, dict) else {"eq": condition}
            held = held_by(document, name)
            passed = all(_holds(operator, held, operand) for operator, operand in operators.items())
        if not passed:
            return False
    return True


def held_by(document: dict[str, Any], name: str) -> Any:
    """What a name stands for: the top-level key of that name if there is one, else the end of the path."""
    if name in document:
        return document[name]
    here: Any = document
    for step in name.split("."):
        if type(here) is not dict or step not in here:
            return None
        here = here[step]
    return here


def _holds(operator: str, held: Any, operand: Any) -> bool:
    if operator == "exists":
        return (held is not None) == operand
    if operator == "ne":
        return not _holds("eq", held, operand)
    wanted = operand if operator == "in" else [operand]
    for element in held if type(held) is list else [held]:
        for one in wanted:
            if _sort(element) != _sort(one) or _sort(one) == "none":
                continue
            if operator in _COMPARISONS:
                if _COMPARISONS[operator](element, one):
                    return True
            elif element == one:
                return True
    return False


def _sort(scalar: Any) -> str:
    """Values of two sorts never compare."""
    sorts = {bool: "truth", int: "number", float: "number", str: "text"}
    return sorts.get(type(scalar), "none")

"""The filter language: a JSON object becomes a small tree, and `matches` says what the tree means.

`{"court": "BGH", "year": {"gte": 2015, "lt": 2020}}` is a conjunction; `{"and": […]}`, `{"or": […]}` and
`{"not": {…}}` nest. A leaf is two-valued and never coerces, so that a filter means the same in a column, in a
linear scan and in the reader's head: `matches` is that meaning, and everything faster is tested against it.
"""

from __future__ import annotations

import json
import math
import operator as compare
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NoReturn, TypeAlias, cast, get_args

from retrieve.errors import UsageError

Scalar: TypeAlias = bool | int | float | str
Where: TypeAlias = Mapping[str, Any] | str | None
"""A filter as a call takes it: a JSON object, or that as a string."""
Operator: TypeAlias = Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"]

OPERATORS: tuple[Operator, ...] = get_args(Operator)
COMBINATORS = ("and", "or", "not")
MAX_DEPTH = 32

_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": compare.lt,
    "lte": compare.le,
    "gt": compare.gt,
    "gte": compare.ge,
}


@dataclass(frozen=True, eq=False)
class Leaf:
    """One operator on one field. `operands` holds the literal; any number of them for `in`."""

    field: str
    operator: Operator
    operands: tuple[Scalar, ...]

    @cached_property
    def keys(self) -> frozenset[tuple[bool, Scalar]]:
        """The operands as a set in which `True` is not `1` (see `_key`)."""
        return frozenset(map(_key, self.operands))

    @property
    def fields(self) -> frozenset[str]:
        """Every field of the filter, as written: `a.b` stays whole."""
        return frozenset({self.field})

    @property
    def canonical(self) -> str:
        """JSON without the accidents of order and shorthand: equal texts select equal rows (a cache key)."""
        texts = sorted({json.dumps(operand) for operand in self.operands})
        literal = f"[{','.join(texts)}]" if self.operator == "in" else texts[0]
        return f'{{{json.dumps(self.field)}:{{"{self.operator}":{literal}}}}}'


@dataclass(frozen=True, eq=False)
class _Combination:
    """Several filters under one word; what `AllOf` and `AnyOf` have in common."""

    parts: tuple[Filter, ...]

    @property
    def fields(self) -> frozenset[str]:
        """Every field of the parts."""
        return frozenset().union(*(part.fields for part in self.parts))

    def _joined(self, word: str) -> str:
        return f'{{"{word}":[{",".join(sorted({part.canonical for part in self.parts}))}]}}'


class AllOf(_Combination):
    """Every part must match; without parts, everything does."""

    @property
    def canonical(self) -> str:
        """See `Leaf.canonical`."""
        return self._joined("and")


class AnyOf(_Combination):
    """One part must match; without parts, nothing does."""

    @property
    def canonical(self) -> str:
        """See `Leaf.canonical`."""
        return self._joined("or")


@dataclass(frozen=True, eq=False)
class Not:
    """The plain negation: what `part` does not match, missing fields included."""

    part: Filter

    @property
    def fields(self) -> frozenset[str]:
        """Every field of the part."""
        return self.part.fields

    @property
    def canonical(self) -> str:
        """See `Leaf.canonical`."""
        return f'{{"not":{self.part.canonical}}}'


Filter: TypeAlias = Leaf | AllOf | AnyOf | Not


def parse_filter(where: Mapping[str, Any] | str) -> Filter:
    """A filter from its object, or from the JSON text of one. `{}` selects everything.

    - `{"field": literal}` is short for `{"field": {"eq": literal}}`; several operators, several fields and
      combinators in one object are a conjunction. Literals are strings, booleans and numbers (integers of at
      most 64 bits, finite floats); `in` takes a list of them, `lt lte gt gte` a number or a string, `exists`
      a boolean.
    - A field is a key at the top of the metadata, whatever it is made of: `a.b` is the key `a.b` where a document has
      one, be it null. Where it has none, `a.b` walks objects by every dot, never lists; a key with a dot inside an
      object is not reached, nor is a key at the top that is called `and`, `or` or `not`.
    - `and`, `or` and `not` nest at most 32 deep. An empty `and` is true, an empty `or` or `in` false.

    Raises `UsageError`, with the place inside the filter, for anything else.
    """
    return _object(_decode(where) if isinstance(where, str) else where, "where", 0)


def parse_conditions(where: Mapping[str, Any] | str) -> Filter:
    """A filter that has at least one condition, for what cannot be undone: `{}` is more likely a slip than a wish."""
    parsed = parse_filter(where)
    if isinstance(parsed, AllOf) and not parsed.parts:
        raise UsageError(
            f"the filter {where!r} selects everything: name a field; to empty an index, create it again by force"
        )
    return parsed


def matches(where: Filter, metadata: Mapping[str, Any]) -> bool:
    """Whether a document's metadata (a JSON object) passes the filter: the meaning of the language.

    A leaf is false where the field is missing, null, an object or of another type than the literal; `ne` is
    the negation of `eq`. Types are number, string and boolean: integers and floats compare with each other
    exactly, strings by code point. A list matches if any of its elements does, lists inside it never do, and
    each operator looks at the list by itself. `exists` is true for anything but missing and null.
    """
    match where:
        case Leaf():
            return _leaf_matches(where, metadata)
        case AllOf():
            return all(matches(part, metadata) for part in where.parts)
        case AnyOf():
            return any(matches(part, metadata) for part in where.parts)
        case Not():
            return not matches(where.part, metadata)


def look_up(metadata: Mapping[str, Any], field: str) -> tuple[bool, Any]:
    """Whether a document has the field, be it null, and what stands there; null where it has not.

    The whole name is looked for first, as a key at the top. Only where that key is missing is the name taken apart at
    every dot and walked through objects.
    """
    if field in metadata:
        return True, metadata[field]
    if "." not in field:
        return False, None
    value: Any = metadata
    for key in field.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return False, None
        value = value[key]
    return True, value


def scalars(value: Any) -> Iterator[Scalar]:
    """What a leaf compares with: the value, or a list's elements, without nulls, objects and inner lists."""
    for element in value if isinstance(value, list | tuple) else (value,):
        if isinstance(element, bool | int | float | str):
            yield element


def _leaf_matches(leaf: Leaf, metadata: Mapping[str, Any]) -> bool:
    _, value = look_up(metadata, leaf.field)
    match leaf.operator:
        case "exists":
            return (value is not None) is leaf.operands[0]
        case "eq" | "in":
            return any(_key(scalar) in leaf.keys for scalar in scalars(value))
        case "ne":
            return not any(_key(scalar) in leaf.keys for scalar in scalars(value))
    (bound,) = leaf.operands
    holds = _ORDERINGS[leaf.operator]
    return any(_comparable(scalar, bound) and holds(scalar, bound) for scalar in scalars(value))


def _key(scalar: Scalar) -> tuple[bool, Scalar]:
    """Equal exactly when the language says so: Python holds that `True == 1`, the language does not."""
    return isinstance(scalar, bool), scalar


def _comparable(scalar: Scalar, bound: Scalar) -> bool:
    """Whether both are strings, or both are numbers (a bound is never a boolean)."""
    return not isinstance(scalar, bool) and isinstance(scalar, str) == isinstance(bound, str)


def _decode(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_short_integer)
    except json.JSONDecodeError as error:
        raise UsageError(f'where: not JSON ({error}); write an object such as {{"year": 2020}}') from error
    except RecursionError as error:
        raise UsageError(
            f"where: nested too deeply; and, or and not nest at most {MAX_DEPTH} deep"
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys were all different: JSON would silently keep the last of two conditions."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(f"where: {twice!r} twice in one object; join the two conditions with 'and'")
    return found


def _short_integer(digits: str) -> int:
    """Python refuses to read integers of thousands of digits with a plain ValueError; say it our way."""
    if len(digits) > 20:
        raise UsageError(f"where: an integer of {len(digits)} digits; wanted one of at most 64 bits")
    return int(digits)


def _object(where: Any, at: str, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        _refuse(at, f"level {depth} of and, or and not", f"at most {MAX_DEPTH}; write a flatter filter")
    if not isinstance(where, Mapping):
        _refuse(at, _kind(where), 'an object such as {"year": {"gte": 2015}}')
    parts: list[Filter] = []
    for key, value in where.items():
        if not isinstance(key, str):
            _refuse(at, f"the key {key!r}", "keys that are strings")
        inner = f"{at}[{key!r}]"
        match key:
            case "and":
                parts.append(AllOf(_list_of_filters(value, inner, depth + 1)))
            case "or":
                parts.append(AnyOf(_list_of_filters(value, inner, depth + 1)))
            case "not":
                parts.append(Not(_object(value, inner, depth + 1)))
            case _:
                parts.extend(_leaves(key, value, inner))
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _list_of_filters(value: Any, at: str, depth: int) -> tuple[Filter, ...]:
    if not isinstance(value, list | tuple):
        _refuse(at, _kind(value), "a list of filters")
    return tuple(_object(part, f"{at}[{n}]", depth) for n, part in enumerate(value))


def _leaves(field: str, value: Any, at: str) -> Iterator[Leaf]:
    if not isinstance(value, Mapping):
        yield Leaf(field, "eq", (_scalar(value, at),))
        return
    if not value:
        _refuse(at, "an empty object", f"an operator: one of {' '.join(OPERATORS)}")
    for name, literal in value.items():
        if name not in OPERATORS:
            remedy = "" if name in COMBINATORS else f"; to look inside an object name the path {field}.{name}"
            _refuse(at, f"the operator {name!r}", f"one of {' '.join(OPERATORS)}{remedy}")
        operator = cast(Operator, name)
        yield Leaf(field, operator, _operands(operator, literal, f"{at}[{name!r}]"))


def _operands(operator: Operator, literal: Any, at: str) -> tuple[Scalar, ...]:
    if operator == "in":
        if not isinstance(literal, list | tuple):
            _refuse(at, _kind(literal), "a list of strings, numbers and booleans")
        return tuple(_scalar(element, f"{at}[{n}]") for n, element in enumerate(literal))
    if operator == "exists":
        if not isinstance(literal, bool):
            _refuse(at, _kind(literal), "true or false")
    elif operator in _ORDERINGS and isinstance(literal, bool):
        _refuse(at, "a boolean", "a number or a string: booleans have no order, use eq")
    return (_scalar(literal, at),)


def _scalar(value: Any, at: str) -> Scalar:
    if value is None:
        _refuse(at, "null", "a string, number or boolean; to ask for a missing or null field use exists")
    if not isinstance(value, bool | int | float | str):
        _refuse(at, _kind(value), "a string, number or boolean; for one of several use in")
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            _refuse(at, "a string with half a surrogate pair", "valid Unicode")
    elif isinstance(value, float):
        if not math.isfinite(value):
            _refuse(at, f"the number {value}", "a finite one")
    elif not -(2**63) <= value < 2**63:
        _refuse(at, f"an integer of {value.bit_length()} bits", "a signed one of at most 64 bits")
    return value


def _refuse(at: str, found: str, wanted: str) -> NoReturn:
    raise UsageError(f"{at}: found {found}, wanted {wanted}")


def _kind(value: Any) -> str:
    """What JSON calls the value; a Python type that JSON does not have goes by its own name."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), f"{type(value).__module__}.{type(value).__qualname__}")

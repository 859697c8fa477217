"""LlamaIndex' metadata filters in our language, with the meaning that its reference store gives them.

Theirs looks at a value as Python does: a list equals a list, True equals 1, and what is missing or null passes `!=`,
`nin` and `is_empty` alone. What our language cannot say is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from retrieve.errors import UsageError
from retrieve.store.filters import COMBINATORS

OWN = "_retrieve"
"""The metadata key of what a node has beside its text and metadata; no node may have it itself."""

Where = dict[str, Any]

_ORDERINGS = {
    FilterOperator.GT: "gt",
    FilterOperator.GTE: "gte",
    FilterOperator.LT: "lt",
    FilterOperator.LTE: "lte",
}


def shapes(metadata: Mapping[str, Any]) -> dict[str, list[str]]:
    """The keys whose values are lists, and those whose are empty: our filters look into lists, theirs at them."""
    return {
        "lists": sorted(key for key, value in metadata.items() if isinstance(value, list | tuple)),
        "empty": sorted(key for key, value in metadata.items() if value in ("", [], ())),
    }


def where_of(filters: MetadataFilters | None) -> Where:
    """The filter as ours; `{}`, which selects everything, for none. Raises `UsageError` for what ours cannot say."""
    if filters is None or not filters.filters:
        return {}
    parts = [where_of(part) if isinstance(part, MetadataFilters) else _leaf(part) for part in filters.filters]
    match filters.condition or FilterCondition.AND:
        case FilterCondition.AND:
            return {"and": parts}
        case FilterCondition.OR:
            return {"or": parts}
        case FilterCondition.NOT:
            return {"not": {"or": parts}}


def both(*parts: Where) -> Where | None:
    """All of the filters together; None where none of them asks anything."""
    asked = [part for part in parts if part]
    return {"and": asked} if asked else None


def _leaf(leaf: MetadataFilter) -> Where:
    key, operator, value = leaf.key, leaf.operator, leaf.value
    if key in COMBINATORS or key == OWN:
        raise UsageError(
            f"the metadata key {key!r} cannot be filtered on: it has a meaning of its own; rename it"
        )
    if operator == FilterOperator.IS_EMPTY:
        return {"or": [{key: {"exists": False}}, {f"{OWN}.empty": {"eq": key}}]}
    if value is None:
        raise UsageError(
            f"{key!r} {operator.value} None: take the operator is_empty for what is missing or null"
        )
    match operator:
        case FilterOperator.EQ:
            return _scalar(key, {key: {"in": _alike([_single(leaf)])}})
        case FilterOperator.NE:
            return {"not": _scalar(key, {key: {"in": _alike([_single(leaf)])}})}
        case FilterOperator.GT | FilterOperator.GTE | FilterOperator.LT | FilterOperator.LTE:
            return _scalar(key, _ordering(key, _ORDERINGS[operator], _single(leaf)))
        case FilterOperator.IN:
            return _scalar(key, {key: {"in": _alike(_several(leaf))}})
        case FilterOperator.NIN:
            return {"not": _scalar(key, {key: {"in": _alike(_several(leaf))}})}
        case FilterOperator.CONTAINS:
            return _list(key, {key: {"in": _alike([_single(leaf)])}})
        case FilterOperator.ANY:
            return _list(key, {key: {"in": _alike(_several(leaf))}})
        case FilterOperator.ALL:
            return _list(key, {"and": [{key: {"in": _alike([one])}} for one in _several(leaf)]})
        case _:
            raise UsageError(
                f"the operator {operator.value!r} (on {key!r}) looks for parts of a text, which filters of an index do "
                f"not: search for the words, or take == or in"
            )


def strings_looked_into(filters: MetadataFilters | None) -> Iterator[tuple[str, Where]]:
    """Each key that is asked what it contains, and what selects the nodes whose value there is a string.

    Theirs looks for a part of the string then, which ours does not: where there is such a node, that must be said.
    """
    for part in [] if filters is None else filters.filters:
        if isinstance(part, MetadataFilters):
            yield from strings_looked_into(part)
        elif part.operator in (FilterOperator.CONTAINS, FilterOperator.ANY, FilterOperator.ALL):
            known = {f"{OWN}.lists": {"exists": True}}
            yield part.key, {"and": [known, _scalar(part.key, {part.key: {"gte": ""}})]}


def _scalar(key: str, part: Where) -> Where:
    return {"and": [part, {"not": {f"{OWN}.lists": {"eq": key}}}]}


def _list(key: str, part: Where) -> Where:
    """Of a document that came another way nobody wrote down which values are lists."""
    known = {"or": [{f"{OWN}.lists": {"eq": key}}, {f"{OWN}.lists": {"exists": False}}]}
    return {"and": [part, known]}


def _alike(values: Sequence[Any]) -> list[Any]:
    """The values, and the booleans that Python holds to be equal to them."""
    return [*values, *(bool(value) for value in values if not isinstance(value, str) and value in (0, 1))]


def _ordering(key: str, operator: str, bound: Any) -> Where:
    """Of numbers or of strings; a boolean counts as the number it is."""
    parts: list[Where] = [{key: {operator: bound}}]
    if not isinstance(bound, str):
        holds = {"gt": bound.__lt__, "gte": bound.__le__, "lt": bound.__gt__, "lte": bound.__ge__}[operator]
        parts += [{key: {"eq": truth}} for truth in (False, True) if holds(type(bound)(truth)) is True]
    return {"or": parts}


def _single(leaf: MetadataFilter) -> Any:
    if isinstance(leaf.value, list):
        raise UsageError(
            f"{leaf.key!r} {leaf.operator.value} a list: wanted one value; `in`, `any` and `all` take lists"
        )
    return leaf.value


def _several(leaf: MetadataFilter) -> list[Any]:
    if not isinstance(leaf.value, list):
        raise UsageError(
            f"{leaf.key!r} {leaf.operator.value} {leaf.value!r}: wanted a list, such as [{leaf.value!r}]"
        )
    return leaf.value

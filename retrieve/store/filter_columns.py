"""Declared filter fields as arrays: a leaf on one of them is a vectorised comparison, not a scan.

Values are kept by type, each with the row that it belongs to, so that lists, missing fields and mixed types
need no special case and an integer is never rounded to a float to be compared. Whatever is asked here has the
answer that `filters.matches` gives, row by row.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieve.index.arrays import take_array
from retrieve.index.strings import SortedStrings
from retrieve.store.filters import (
    AllOf,
    AnyOf,
    Filter,
    Leaf,
    Not,
    Operator,
    Scalar,
    look_up,
    scalars,
)

Rows: TypeAlias = NDArray[np.bool_]

_TYPES: dict[str, type[np.generic]] = {
    "boolean": np.bool_,
    "integer": np.int64,
    "float": np.float64,
    "string": np.int64,  # a place in the sorted dictionary, so that strings are ordered as their codes are
}
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class Values(NamedTuple):
    """All values of one type in a column: `values[i]` belongs to row `rows[i]` (V,) int64, non-decreasing."""

    rows: NDArray[np.int64]
    values: NDArray[Any]

    def among(self, wanted: Sequence[Scalar]) -> NDArray[np.int64]:
        """The rows that have one of the wanted values; all of them are of this type."""
        if not wanted:
            return self.rows[:0]
        return self.rows[np.isin(self.values, np.array(wanted, dtype=self.values.dtype))]

    def between(self, low: float, high: float) -> NDArray[np.int64]:
        """The rows that have a value from `low` to `high`, both included and both of this type."""
        return self.rows[(self.values >= low) & (self.values <= high)]


class Column:
    """One declared field of a segment; `rows` are the segment's documents."""

    def __init__(
        self, present: Rows, holders: int | None, values: Mapping[str, Values], dictionary: SortedStrings
    ) -> None:
        self._present = present
        self._holders = holders
        self._values = values
        self._dictionary = dictionary

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The column from what `build_columns` made, memory-mapped or not. Raises `IndexCorrupt`.

        Names, types and lengths are looked at; what the arrays hold is the checksum's affair.
        """
        values = {}
        for kind, dtype in _TYPES.items():
            rows = take_array(arrays, f"{kind}_rows", np.int64)
            values[kind] = Values(rows, take_array(arrays, f"{kind}_values", dtype, len(rows)))
        prefix = "dictionary_"
        strings = {
            name.removeprefix(prefix): part for name, part in arrays.items() if name.startswith(prefix)
        }
        holders = int(take_array(arrays, "holders", np.int64, 1)[0]) if "holders" in arrays else None
        present = take_array(arrays, "present", np.bool_)
        return cls(present, holders, values, SortedStrings.from_arrays(strings))

    @property
    def held(self) -> bool | None:
        """Whether any document has the field, null or not; None where an older column cannot tell."""
        if self._holders is not None:
            return self._holders > 0
        return True if self._present.any() else None

    def evaluate(self, operator: Operator, operands: Sequence[Scalar]) -> Rows:
        """Which rows pass the leaf: (rows,) bool, a new array. `operands` are those of `filters.Leaf`."""
        match operator:
            case "exists":
                return np.equal(self._present, bool(operands[0]))
            case "ne":
                return ~self.evaluate("eq", operands)
            case "eq" | "in":
                return self._having(self._among(operands))
            case "lt" | "lte" | "gt" | "gte":
                return self._having(self._ordered(operator, operands[0]))

    def _having(self, hits: Iterable[NDArray[np.int64]]) -> Rows:
        selected = np.zeros(len(self._present), dtype=np.bool_)
        for rows in hits:
            selected[rows] = True
        return selected

    def _among(self, operands: Sequence[Scalar]) -> Iterable[NDArray[np.int64]]:
        booleans = [operand for operand in operands if isinstance(operand, bool)]
        strings = [operand for operand in operands if isinstance(operand, str)]
        numbers = [operand for operand in operands if not isinstance(operand, bool | str)]
        codes = [int(code) for code in self._dictionary.find_many(strings) if code >= 0]
        integers = [int(n) for n in numbers if n == math.floor(n) and _LOWEST <= n <= _HIGHEST]
        floats = [float(n) for n in numbers if float(n) == n]
        yield self._values["boolean"].among(booleans)
        yield self._values["integer"].among(integers)
        yield self._values["float"].among(floats)
        yield self._values["string"].among(codes)

    def _ordered(self, operator: Operator, bound: Scalar) -> Iterable[NDArray[np.int64]]:
        if isinstance(bound, str):
            yield self._values["string"].between(*_code_range(operator, bound, self._dictionary))
        else:
            yield self._values["integer"].between(*integer_range(operator, bound))
            yield self._values["float"].between(*_float_range(operator, bound))


def build_columns(
    fields: Sequence[str], metadatas: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, NDArray[Any]]]:
    """The arrays of every declared field, from the metadata of a segment's documents in row order.

    Per field: `present` (rows,) bool, where it is not null; `holders` (1,) int64, how many documents have it, null
    or not; `<type>_rows` (V,) int64 beside `<type>_values` (V,) for the types boolean (bool), integer (int64), float
    (float64) and string (int64 codes); `dictionary_*`, the sorted strings.
    Integers have at most 64 bits and floats are finite: the reader of documents has seen to it.
    """
    builders = {field: _Builder(field) for field in fields}
    for row, metadata in enumerate(metadatas):
        for builder in builders.values():
            builder.add(row, metadata)
    return {field: builder.arrays() for field, builder in builders.items()}


def select(
    where: Filter,
    *,
    rows: int,
    columns: Mapping[str, Column],
    scan: Callable[[Filter], Rows],
) -> Rows:
    """Which of a segment's documents pass the filter: (rows,) bool, a new array.

    Fields with a column are compared there. Whatever else the filter has is handed to `scan`, which reads all
    metadata, as one filter: at most once, and not at all where the columns have settled every row.
    """
    if where.fields <= columns.keys():
        return _select_by_columns(where, rows, columns)
    if isinstance(where, Not):
        return ~select(where.part, rows=rows, columns=columns, scan=scan)
    if isinstance(where, Leaf):
        return scan(where)
    quick = type(where)(tuple(part for part in where.parts if part.fields <= columns.keys()))
    slow = tuple(part for part in where.parts if not part.fields <= columns.keys())
    selected = _select_by_columns(quick, rows, columns)
    if isinstance(where, AllOf):
        return selected & scan(AllOf(slow)) if selected.any() else selected
    return selected if selected.all() else selected | scan(AnyOf(slow))


def _select_by_columns(where: Filter, rows: int, columns: Mapping[str, Column]) -> Rows:
    match where:
        case Leaf():
            return columns[where.field].evaluate(where.operator, where.operands)
        case Not():
            return ~_select_by_columns(where.part, rows, columns)
        case AllOf():
            selected = np.ones(rows, dtype=np.bool_)
            for part in where.parts:
                selected &= _select_by_columns(part, rows, columns)
        case AnyOf():
            selected = np.zeros(rows, dtype=np.bool_)
            for part in where.parts:
                selected |= _select_by_columns(part, rows, columns)
    return selected


class _Builder:
    """The growing arrays of one field: machine numbers, since a segment may have a million rows."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._holders = 0
        self._present = bytearray()
        self._rows: dict[str, array[int]] = {kind: array("q") for kind in _TYPES}
        self._values: dict[str, array[Any]] = {
            "boolean": array("b"),
            "integer": array("q"),
            "float": array("d"),
            "string": array("q"),
        }
        self._codes: dict[str, int] = {}

    def add(self, row: int, metadata: Mapping[str, Any]) -> None:
        held, value = look_up(metadata, self._field)
        self._holders += held
        self._present.append(value is not None)
        for scalar in scalars(value):
            if isinstance(scalar, bool):
                self._append("boolean", row, scalar)
            elif isinstance(scalar, int):
                self._append("integer", row, scalar)
            elif isinstance(scalar, float):
                self._append("float", row, scalar)
            else:
                self._append("string", row, self._codes.setdefault(scalar, len(self._codes)))

    def _append(self, kind: str, row: int, value: float) -> None:
        self._rows[kind].append(row)
        self._values[kind].append(value)

    def arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {
            "present": np.array(self._present, dtype=np.bool_),
            "holders": np.array([self._holders], dtype=np.int64),
        }
        for kind, dtype in _TYPES.items():
            arrays[f"{kind}_rows"] = np.array(self._rows[kind], dtype=np.int64)
            arrays[f"{kind}_values"] = np.array(self._values[kind], dtype=dtype)
        dictionary = sorted(self._codes)
        sorted_codes = np.empty(len(dictionary), dtype=np.int64)
        sorted_codes[[self._codes[string] for string in dictionary]] = np.arange(len(dictionary))
        arrays["string_values"] = sorted_codes[arrays["string_values"]]
        for name, part in SortedStrings.build(dictionary).arrays().items():
            arrays[f"dictionary_{name}"] = part
        return arrays


def integer_range(operator: Operator, bound: float) -> tuple[int, int]:
    """The integers that are `operator` the number, as (lowest, highest) of the 64-bit ones; empty if crossed.

    Either end may lie beyond 64 bits: NumPy compares an array with a Python integer of any size exactly.
    """
    match operator:
        case "lt":
            return _LOWEST, math.ceil(bound) - 1
        case "lte":
            return _LOWEST, math.floor(bound)
        case "gt":
            return math.floor(bound) + 1, _HIGHEST
        case _:
            return math.ceil(bound), _HIGHEST


def _float_range(operator: Operator, bound: float) -> tuple[float, float]:
    """The floats that are `operator` the number, as (lowest, highest), even if no float equals the number."""
    nearest = float(bound)
    below = nearest if nearest <= bound else math.nextafter(nearest, -math.inf)
    above = nearest if nearest >= bound else math.nextafter(nearest, math.inf)
    match operator:
        case "lt":
            return -math.inf, math.nextafter(above, -math.inf)
        case "lte":
            return -math.inf, below
        case "gt":
            return math.nextafter(below, math.inf), math.inf
        case _:
            return above, math.inf


def _code_range(operator: Operator, bound: str, dictionary: SortedStrings) -> tuple[int, int]:
    """The codes of the strings that are `operator` the string, as (lowest, highest); empty if crossed."""
    match operator:
        case "lt":
            return 0, dictionary.lower_bound(bound) - 1
        case "lte":
            return 0, dictionary.upper_bound(bound) - 1
        case "gt":
            return dictionary.upper_bound(bound), len(dictionary) - 1
        case _:
            return dictionary.lower_bound(bound), len(dictionary) - 1

"""What SQLite selects by a filter on undeclared fields is what `filters.matches` does, whatever JSON holds."""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import store_filters as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.store import filter_scan
from retrieve.store.documents import DocumentTable, fingerprints, write_documents
from retrieve.store.fields import FieldWatch
from retrieve.store.filter_scan import scan
from retrieve.store.filters import Filter, matches, parse_filter
from retrieve.types import Document

BIG = 2**53
SCALARS: list[Any] = [
    *(True, False, 0, 1, -1, 2, BIG - 1, BIG, BIG + 1, -BIG - 1, 2**63 - 1, 2**63 - 512, -(2**63), 1 - 2**63),
    *(
        0.0,
        -0.0,
        1.0,
        0.1,
        0.3,
        0.1 + 0.2,
        -0.5,
        1e16,
        float(BIG),
        1e22,
        1e-7,
        5e-324,
        1.7976931348623157e308,
    ),
    *(float(2**63), -float(2**63), float(2**63 - 1024), 4.35, 2.675, 1e300, -1e-300, 123456789.12345678),
    *(
        "",
        "a",
        "ab",
        "b",
        "é",
        "e\u0301",
        "\uffff",
        "😀",
        "1",
        "1.0",
        "true",
        "null",
        "[1]",
        '["a"]',
        '{"a":1}',
    ),
    *('it\'s "so"', "back\\slash", "\t\n\x01\x7f", "%", "\u2028"),
]
CONTAINERS: list[Any] = [
    *(
        None,
        [],
        {},
        [[1]],
        [["a"]],
        [None],
        [{}],
        [{"a": 1}],
        {"a": 1},
        {"0": "a"},
        ["a", 1],
        [True],
        [1.0, "b"],
    ),
    *(
        [0.1, None, "1"],
        ["é", -1, False],
        [BIG + 1],
        [float(BIG)],
        ['it\'s "so"', "\t"],
        [0.30000000000000004],
    ),
]


def _table(folder: Path, metadatas: Sequence[dict[str, Any]]) -> DocumentTable:
    documents = [Document(f"d{number}", "", "", metadata) for number, metadata in enumerate(metadatas)]
    path = folder / "documents.sqlite"
    path.unlink(missing_ok=True)
    write_documents(path, ((document, fingerprints(document)) for document in documents))
    return DocumentTable.open(path)


def _scanned(table: DocumentTable, rows: int, where: Filter) -> list[bool]:
    found: list[bool] = scan(table, rows, where, FieldWatch(where)).tolist()
    return found


def test_every_operator_on_every_pair_of_values(tmp_path: Path) -> None:
    cells = [*SCALARS, *CONTAINERS]
    metadatas: list[dict[str, Any]] = [*({"a": cell} for cell in cells), {}, {"b": 1}]
    table = _table(tmp_path, metadatas)
    conditions: list[dict[str, Any]] = [{"exists": True}, {"exists": False}, {"in": []}, {"in": SCALARS}]
    for scalar in SCALARS:
        conditions += [{"eq": scalar}, {"ne": scalar}, {"in": [scalar, "b", 2]}]
        if not isinstance(scalar, bool):
            conditions += [{"lt": scalar}, {"lte": scalar}, {"gt": scalar}, {"gte": scalar}]
    for condition in conditions:
        where = parse_filter({"a": condition})
        expected = [matches(where, metadata) for metadata in metadatas]
        assert list(zip(metadatas, _scanned(table, len(metadatas), where), strict=True)) == list(
            zip(metadatas, expected, strict=True)
        ), condition


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=150, deadline=None)
@given(st.lists(finite, min_size=1, max_size=6), st.data())
def test_neighbouring_numbers_are_told_apart(numbers: list[float], data: st.DataObject) -> None:
    near = [math.nextafter(number, way) for number in numbers for way in (-math.inf, math.inf)]
    whole = [int(number) for number in numbers if abs(number) < 2**62]
    values = [value for value in [*numbers, *near, *whole] if math.isfinite(value)]
    metadatas = [*({"n": value} for value in values), {"n": values}]
    bound = data.draw(st.sampled_from(values))
    with tempfile.TemporaryDirectory() as folder:
        table = _table(Path(folder), metadatas)
        for operator in ("eq", "ne", "lt", "lte", "gt", "gte"):
            where = parse_filter({"n": {operator: bound}})
            expected = [matches(where, metadata) for metadata in metadatas]
            assert _scanned(table, len(metadatas), where) == expected, (operator, bound, values)
        table.close()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_metadata_and_filters_select_what_the_reference_does(seed: int) -> None:
    """Nested, dotted and null keys, lists, awkward names; filters of several parts."""
    chance = random.Random(seed)
    metadatas = [reference.metadata(chance) for _ in range(30)]
    with tempfile.TemporaryDirectory() as folder:
        table = _table(Path(folder), metadatas)
        for _ in range(20):
            asked = reference.where(chance, 4)
            expected = [reference.accepts(asked, metadata) for metadata in metadatas]
            assert _scanned(table, len(metadatas), parse_filter(asked)) == expected, asked
        table.close()


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8), st.data())
def test_any_text_as_name_and_value(pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    metadatas = [{name: value} for name, value in pairs] + [{name: [value]} for name, value in pairs]
    field, value = data.draw(st.sampled_from(pairs))
    if field in ("and", "or", "not"):
        return
    with tempfile.TemporaryDirectory() as folder:
        table = _table(Path(folder), metadatas)
        for operator in ("eq", "ne", "lt", "lte", "gt", "gte", "in"):
            where = parse_filter({field: {operator: [value] if operator == "in" else value}})
            expected = [matches(where, metadata) for metadata in metadatas]
            assert _scanned(table, len(metadatas), where) == expected, (field, operator, value)
        table.close()


def test_sqlite_decides_nearly_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a number with a point next to the bound, or in a list, is left to Python."""
    metadatas = [
        {"year": 1990 + n % 40, "tags": ["a", n % 7], "price": n / 8, "of": {"kind": "xyz"[n % 3]}}
        for n in range(500)
    ]
    table = _table(tmp_path, metadatas)
    asked: list[int] = []

    def counting(where: Filter, metadata: dict[str, Any]) -> bool:
        asked.append(1)
        return matches(where, metadata)

    monkeypatch.setattr(filter_scan, "matches", counting)
    monkeypatch.setattr(DocumentTable, "metadata", None)
    for filter_ in (
        {"year": {"gte": 2010, "lt": 2020}, "tags": "a"},
        {"or": [{"of.kind": {"in": ["x", "y"]}}, {"not": {"price": {"lte": 30.5}}}]},
        {"tags": 3, "of": {"exists": True}},
        {"price": 31.125},
        {"price": {"ne": 30}},
    ):
        where = parse_filter(filter_)
        assert _scanned(table, 500, where) == [matches(where, metadata) for metadata in metadatas]
    assert asked == []
    where = parse_filter({"price": {"lt": math.nextafter(30.5, 0)}})
    assert _scanned(table, 500, where) == [matches(where, metadata) for metadata in metadatas]
    assert len(asked) == 1


def test_large_filters_and_long_lists_are_answered(tmp_path: Path) -> None:
    metadatas = [{"n": n, "s": f"é{n}"} for n in range(50)]
    table = _table(tmp_path, metadatas)
    for filter_ in (
        {"n": {"in": list(range(7, 20_000))}},
        {"s": {"in": [f"é{n}" for n in range(40, 20_000)]}},
        {"or": [{"n": n} for n in range(0, 400, 3)]},
        {"or": [{"n": n} for n in range(0, 1_200, 3)]},
        {"and": [{"n": {"ne": n}} for n in range(150)]},
    ):
        where = parse_filter(filter_)
        assert _scanned(table, 50, where) == [matches(where, metadata) for metadata in metadatas]


def test_what_is_asked_is_bound_and_never_part_of_the_statement(tmp_path: Path) -> None:
    table = _table(tmp_path, [{"a": 1}, {"a') OR 1=1 --": 1}, {"a": "1) OR (1=1"}])
    for field, value in (("a') OR 1=1 --", 1), ("a", "1) OR (1=1"), ("a", "'"), ("{}", "{0}"), ("$[0]", "?")):
        where = parse_filter(json.dumps({field: value}))
        expected = [
            matches(where, json.loads(text))
            for text in ('{"a":1}', '{"a\') OR 1=1 --":1}', '{"a":"1) OR (1=1"}')
        ]
        assert _scanned(table, 3, where) == expected

"""The filter language: its meaning by hand, what it refuses, and columns against a linear scan of the meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieve.errors import IndexCorrupt, UsageError
from retrieve.store.filter_columns import Column, build_columns, select
from retrieve.store.filters import OPERATORS, Filter, Leaf, matches, parse_filter

BIG = 2**53

MEANING: list[tuple[Any, Any, bool]] = [
    # filter, metadata, whether it matches
    ({}, {}, True),
    ({"court": "BGH"}, {"court": "BGH"}, True),
    ({"court": "BGH"}, {"court": "bgh"}, False),
    ({"court": "BGH", "year": {"gte": 2015, "lt": 2020}}, {"court": "BGH", "year": 2015}, True),
    ({"court": "BGH", "year": {"gte": 2015, "lt": 2020}}, {"court": "BGH", "year": 2020}, False),
    # a missing, null or differently typed field is false, its negation true
    ({"year": {"gt": 0}}, {}, False),
    ({"year": {"gt": 0}}, {"year": None}, False),
    ({"year": {"gt": 0}}, {"year": "2015"}, False),
    ({"year": {"lt": "3"}}, {"year": 2}, False),
    ({"not": {"year": {"gt": 0}}}, {}, True),
    ({"year": {"ne": 1}}, {}, True),
    ({"year": {"ne": 1}}, {"year": "1"}, True),
    ({"year": {"ne": 1}}, {"year": 1}, False),
    # no coercion with booleans; integers and floats are one type
    ({"flag": True}, {"flag": 1}, False),
    ({"flag": 1}, {"flag": True}, False),
    ({"flag": 1.0}, {"flag": True}, False),
    ({"flag": {"in": [0, 1]}}, {"flag": False}, False),
    ({"flag": {"in": [False]}}, {"flag": False}, True),
    ({"flag": {"gte": 0}}, {"flag": True}, False),
    ({"year": 1}, {"year": 1.0}, True),
    ({"year": 0}, {"year": -0.0}, True),
    # numbers compare exactly, where floating point would round
    ({"n": BIG + 1}, {"n": float(BIG)}, False),
    ({"n": {"lt": BIG + 1}}, {"n": float(BIG)}, True),
    ({"n": {"gt": float(BIG)}}, {"n": BIG + 1}, True),
    ({"n": {"lt": float(2**63)}}, {"n": 2**63 - 1}, True),
    ({"n": {"gte": -float(2**63)}}, {"n": -(2**63)}, True),
    ({"n": 2**63 - 1}, {"n": float(2**63)}, False),
    # a list matches by any element, for each operator by itself; inner lists, nulls and objects never do
    ({"tags": "b"}, {"tags": ["a", "b"]}, True),
    ({"tags": {"ne": "b"}}, {"tags": ["a", "b"]}, False),
    ({"tags": {"in": ["c", "b"]}}, {"tags": ["a", "b"]}, True),
    ({"n": {"gt": 5, "lt": 3}}, {"n": [1, 9]}, True),
    ({"n": {"gt": 5}}, {"n": ["6", True, None, {"n": 6}, [6]]}, False),
    ({"n": 6}, {"n": []}, False),
    ({"n": 6}, {"n": {"n": 6}}, False),
    # paths walk objects and nothing else
    ({"a.b": 1}, {"a": {"b": 1}}, True),
    ({"a.b.c": 1}, {"a": {"b": {"c": [0, 1]}}}, True),
    ({"a.b": 1}, {"a": [{"b": 1}]}, False),
    # a name with a dot is a key where the top has one, be it null, and a path only where it has none
    ({"a.b": 1}, {"a.b": 1}, True),
    ({"a.b": {"ne": 1}}, {"a.b": 1}, False),
    ({"a.b": 1}, {"a.b": 2, "a": {"b": 1}}, False),
    ({"a.b": {"exists": True}}, {"a.b": None, "a": {"b": 1}}, False),
    ({"a.b": {"ne": 1}}, {"a.b": None, "a": {"b": 1}}, True),
    ({"a.b.c": 1}, {"a.b.c": 1, "a": 3}, True),
    ({"a.b.c": 1}, {"a": {"b.c": 1}}, False),
    ({"a.b.c": 1}, {"a.b": {"c": 1}}, False),
    ({"": 1}, {"": 1}, True),
    ({".": 1}, {"": {"": 1}}, True),
    ({".a": 1}, {".a": 1}, True),
    ({"a.": 1}, {"a": {"": 1}}, True),
    ({"a.": 1}, {"a": 1}, False),
    ({"a..b": 1}, {"a": {"": {"b": 1}}}, True),
    ({'$."it\'s"[0]': 1}, {'$."it\'s"[0]': 1}, True),
    ({"a[0]": 1}, {"a": [1]}, False),
    ({"a.and": 1}, {"a": {"and": 1}}, True),
    ({"a.b": {"exists": False}}, {"a": "b"}, True),
    # exists
    ({"a": {"exists": True}}, {"a": False}, True),
    ({"a": {"exists": True}}, {"a": []}, True),
    ({"a": {"exists": True}}, {"a": {}}, True),
    ({"a": {"exists": True}}, {"a": None}, False),
    ({"a": {"exists": True}}, {}, False),
    ({"a": {"exists": False}}, {}, True),
    # strings by code point: UTF-16 would have put the emoji before U+FFFF
    ({"s": {"gt": "\uffff"}}, {"s": "😀"}, True),
    ({"s": {"lt": "a"}}, {"s": "Z"}, True),
    ({"s": {"gte": "é"}}, {"s": "é"}, True),
    # combinators
    ({"and": []}, {}, True),
    ({"or": []}, {}, False),
    ({"a": {"in": []}}, {"a": 1}, False),
    ({"or": [{"a": 1}, {"b": 2}]}, {"b": 2}, True),
    ({"and": [{"a": 1}, {"b": 2}]}, {"b": 2}, False),
    ({"and": [{"a": 1}], "not": {"b": 2}, "c": 3}, {"a": 1, "c": 3}, True),
    ({"not": {}}, {}, False),
]


@pytest.mark.parametrize(("where", "metadata", "expected"), MEANING)
def test_the_meaning_by_hand(where: Any, metadata: Any, expected: bool) -> None:
    for parsed in (parse_filter(where), parse_filter(json.dumps(where))):
        assert matches(parsed, metadata) is expected
        for declared in ([], sorted(parsed.fields)):
            assert selected(parsed, [metadata], declared) == [expected]


REFUSED: list[tuple[Any, str]] = [
    ("{", "where: not JSON"),
    ("[1]", "where: found a list, wanted an object"),
    (None, "where: found null, wanted an object"),
    ('{"a": 1, "a": 2}', "where: 'a' twice in one object"),
    ('{"a": {"gt": 1, "gt": 2}}', "'gt' twice"),
    ('{"a": NaN}', r"where\['a'\]: found the number nan, wanted a finite one"),
    ('{"a": 1e999}', "found the number inf"),
    ('{"a": ' + "9" * 5000 + "}", "an integer of 5000 digits"),
    ('{"not":' * 100_000, "nested too deeply"),
    ({1: 2}, "found the key 1, wanted keys that are strings"),
    ({"a": None}, r"where\['a'\]: found null, .* use exists"),
    ({"a": {"ne": None}}, r"where\['a'\]\['ne'\]: found null"),
    ({"a": ["x", "y"]}, r"where\['a'\]: found a list, .* use in"),
    ({"a": {"eq": {"b": 1}}}, "found an object, wanted a string, number or boolean"),
    ({"a": np.int64(1)}, "found numpy.int64, wanted a string, number or boolean"),
    ({"a": {}}, "found an empty object, wanted an operator"),
    ({"a": {"b": 1}}, "found the operator 'b', .* name the path a.b"),
    ({"a": {"not": {"eq": 1}}}, "found the operator 'not', wanted one of eq ne"),
    ({"a": 2**63}, "found an integer of 64 bits, wanted a signed one"),
    ({"a": {"gte": -(2**63) - 1}}, "found an integer of 64 bits"),
    ({"a": {"in": [1, 10**5000]}}, r"where\['a'\]\['in'\]\[1\]: found an integer of 16610 bits"),
    ({"a": float("nan")}, "found the number nan"),
    ({"a": {"lt": float("-inf")}}, "found the number -inf"),
    ({"a": {"in": "xy"}}, r"where\['a'\]\['in'\]: found a string, wanted a list"),
    ({"a": {"in": {"x": 1}}}, "found an object, wanted a list"),
    ({"a": {"in": [1, None]}}, r"where\['a'\]\['in'\]\[1\]: found null"),
    ({"a": {"in": [[1]]}}, r"where\['a'\]\['in'\]\[0\]: found a list"),
    ({"a": {"lt": True}}, "found a boolean, wanted a number or a string"),
    ({"a": {"gte": [1]}}, "found a list"),
    ({"a": {"exists": 1}}, "found a number, wanted true or false"),
    ({"a": "\ud800"}, "half a surrogate pair"),
    ({"and": {"a": 1}}, r"where\['and'\]: found an object, wanted a list of filters"),
    ({"or": [{"a": 1}, 7]}, r"where\['or'\]\[1\]: found a number, wanted an object"),
    ({"not": [{"a": 1}]}, r"where\['not'\]: found a list, wanted an object"),
    (
        {"and": [{"not": {"year": {"gte": None}}}]},
        r"where\['and'\]\[0\]\['not'\]\['year'\]\['gte'\]: found null",
    ),
]


@pytest.mark.parametrize(("where", "message"), REFUSED)
def test_what_is_refused_says_where_and_what_is_wanted(where: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_filter(where)


@pytest.mark.parametrize("combinator", ["and", "or", "not"])
def test_depth_is_at_most_32(combinator: str) -> None:
    def nested(depth: int) -> dict[str, Any]:
        where: dict[str, Any] = {"a": {"gt": 1}}
        for _ in range(depth):
            where = {combinator: where if combinator == "not" else [where]}
        return where

    assert matches(parse_filter(nested(32)), {"a": 2})
    for where in (nested(33), json.dumps(nested(33))):
        with pytest.raises(UsageError, match="found level 33 of and, or and not, wanted at most 32"):
            parse_filter(where)


def test_canonical_text_forgets_order_and_shorthand_and_nothing_else() -> None:
    same = ['{"b": 2, "a": {"lt": 3, "gt": 1}}', '{"a": {"gt": 1, "lt": 3}, "b": {"eq": 2}}']
    assert len({parse_filter(where).canonical for where in same}) == 1
    literals: list[Any] = [1, True, "1", "true", 1.5, -1]
    assert len({parse_filter({"a": literal}).canonical for literal in literals}) == len(literals)
    assert len({parse_filter({"a": {op: 1}}).canonical for op in ("eq", "ne", "lt", "lte", "gt", "gte")}) == 6


def test_fields_are_those_of_every_leaf() -> None:
    where = {"a.b": 1, "or": [{"c": 2}, {"not": {"d": {"exists": True}, "c": 1}}]}
    assert parse_filter(where).fields == {"a.b", "c", "d"}
    assert parse_filter({}).fields == frozenset()


# Few values, so that they meet; among them every place where a careless comparison goes wrong.
INTEGERS = [
    0,
    1,
    -1,
    2,
    BIG - 1,
    BIG,
    BIG + 1,
    BIG + 2,
    -BIG,
    -BIG - 1,
    2**63 - 1,
    2**63 - 512,
    1 - 2**63,
    -(2**63),
]
FLOATS = [0.0, -0.0, 1.0, 0.5, -0.5, 1.5, float(BIG), float(BIG + 2), -float(BIG), 1e300, -1e300, 5e-324]
FLOATS += [float(2**63), -float(2**63), float(2**63 - 1024), -float(2**63 + 2048)]
STRINGS = ["", "a", "ab", "b", "é", "\uffff", "😀", "1", "true"]
POOL: list[Any] = [True, False, *INTEGERS, *FLOATS, *STRINGS]

integers, floats, strings = st.sampled_from(INTEGERS), st.sampled_from(FLOATS), st.sampled_from(STRINGS)
numbers = integers | floats
literals = st.booleans() | numbers | strings
keys = st.sampled_from(["a", "b", "c", "a.b", "b.c", "a.b.c"])
values = st.recursive(
    st.none() | literals,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=4,
)
metadatas = st.lists(st.dictionaries(keys, values, max_size=3), max_size=12)
fields = st.sampled_from(["a", "b", "c", "a.b", "b.c", "a.b.c"])
leaves = st.builds(
    lambda field, condition: {field: condition},
    fields,
    literals
    | st.fixed_dictionaries(
        {}, optional={"in": st.lists(literals, max_size=4), "exists": st.booleans()}
    ).filter(bool)
    | st.dictionaries(st.sampled_from(["lt", "lte", "gt", "gte"]), numbers | strings, min_size=1, max_size=2)
    | st.dictionaries(st.sampled_from(["eq", "ne"]), literals, min_size=1),
)
wheres = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: {"and": parts})
        | st.lists(inner, max_size=3).map(lambda parts: {"or": parts})
        | inner.map(lambda part: {"not": part})
        | st.lists(inner, max_size=2).map(
            lambda parts: {key: value for part in parts for key, value in part.items()}
        )
    ),
    max_leaves=6,
)


def columns_of(metadatas: list[dict[str, Any]], declared: list[str]) -> dict[str, Column]:
    columns = {}
    for field, arrays in build_columns(declared, metadatas).items():
        for part in arrays.values():
            part.flags.writeable = False  # as memory maps are
        columns[field] = Column.from_arrays(arrays)
    return columns


def selected(where: Filter, metadatas: list[dict[str, Any]], declared: list[str]) -> list[bool]:
    """`select` over columns of the declared fields; the scan is a linear one and may be called once."""
    scanned: list[Filter] = []

    def scan(part: Filter) -> np.ndarray[Any, np.dtype[np.bool_]]:
        assert not scanned, "metadata read twice"
        assert not part.fields <= set(declared), "metadata read although the columns know"
        scanned.append(part)
        return np.array([matches(part, metadata) for metadata in metadatas], dtype=np.bool_)

    chosen = select(where, rows=len(metadatas), columns=columns_of(metadatas, declared), scan=scan)
    assert chosen.dtype == np.bool_
    assert chosen.shape == (len(metadatas),)
    assert chosen.flags.writeable
    return chosen.tolist()


@settings(max_examples=400, deadline=None)
@given(metadatas, wheres, st.sets(fields))
@example([{"a": BIG + 1}, {"a": float(BIG)}], {"a": {"lt": BIG + 1}}, {"a"})
def test_columns_select_what_a_linear_scan_does(
    metadatas: list[dict[str, Any]], where: dict[str, Any], declared: set[str]
) -> None:
    parsed = parse_filter(where)
    expected = [matches(parsed, metadata) for metadata in metadatas]
    assert selected(parsed, metadatas, sorted(declared)) == expected


def test_every_operator_on_every_pair_of_values() -> None:
    """Exhaustive over the pool: the random test above hits a given pair of neighbouring numbers too rarely."""
    cells: list[Any] = [
        *POOL,
        None,
        [],
        {},
        {"a": 1},
        [[1]],
        [None, "a"],
        [BIG, "b", False],
        [0.5, True],
        ["é", -1],
    ]
    metadatas: list[dict[str, Any]] = [{"a": cell} for cell in cells] + [{}]
    columns = columns_of(metadatas, ["a"])
    for operator in OPERATORS:
        operands: list[Any] = list(POOL)
        if operator == "exists":
            operands = [True, False]
        elif operator == "in":
            operands = [[], POOL, *([one, other] for one, other in zip(POOL, POOL[7:], strict=False))]
        elif operator not in ("eq", "ne"):
            operands = [operand for operand in POOL if not isinstance(operand, bool)]
        for operand in operands:
            leaf = parse_filter({"a": {operator: operand}})
            assert isinstance(leaf, Leaf)
            chosen = columns["a"].evaluate(leaf.operator, leaf.operands).tolist()
            expected = [matches(leaf, metadata) for metadata in metadatas]
            assert list(zip(cells, chosen, strict=False)) == list(zip(cells, expected, strict=False)), (
                leaf.canonical
            )


@settings(max_examples=100, deadline=None)
@given(metadatas, wheres)
def test_canonical_text_means_the_same_and_is_its_own_canonical_text(
    metadatas: list[dict[str, Any]], where: dict[str, Any]
) -> None:
    parsed = parse_filter(where)
    again = parse_filter(parsed.canonical)
    assert again.canonical == parsed.canonical
    assert [matches(again, metadata) for metadata in metadatas] == [
        matches(parsed, metadata) for metadata in metadatas
    ]


def test_columns_that_settle_every_row_spare_the_scan() -> None:
    def scan(part: Filter) -> Any:
        raise AssertionError(f"scanned for {part.canonical}")

    metadatas = [{"a": 1, "b": 1}, {"a": 2, "b": 2}]
    columns = columns_of(metadatas, ["a"])
    nothing, everything = {"a": 3, "b": 1}, {"or": [{"a": {"gt": 0}}, {"b": 1}]}
    for where, expected in ((nothing, [False, False]), (everything, [True, True])):
        assert select(parse_filter(where), rows=2, columns=columns, scan=scan).tolist() == expected


def test_columns_survive_the_disk_and_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    metadatas: list[dict[str, Any]] = [
        {"a": ["x", 1, 2.5, True]},
        {},
        {"a": "é"},
        {"a": None},
        {"a": ["x", "b"]},
    ]
    for build in ("one", "two"):
        (tmp_path / build).mkdir()
        for name, part in build_columns(["a"], iter(metadatas))["a"].items():
            np.save(tmp_path / build / f"{name}.npy", part, allow_pickle=False)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    column = Column.from_arrays(
        {name.removesuffix(".npy"): np.load(tmp_path / "one" / name, mmap_mode="r") for name in files}
    )
    for where in ({"a": "x"}, {"a": {"gt": "b"}}, {"a": {"lte": 2}}, {"a": {"exists": False}}, {"a": True}):
        parsed = parse_filter(where)
        chosen = select(parsed, rows=5, columns={"a": column}, scan=lambda _: np.zeros(5, dtype=np.bool_))
        assert chosen.tolist() == [matches(parsed, metadata) for metadata in metadatas]


def test_arrays_that_do_not_fit_are_a_corrupt_index() -> None:
    arrays = build_columns(["a"], [{"a": 1}, {"a": "x"}])["a"]
    for name in arrays.keys() - {"holders"}:  # which older columns have not
        with pytest.raises(IndexCorrupt, match=name.removeprefix("dictionary_")):
            Column.from_arrays({other: part for other, part in arrays.items() if other != name})
    with pytest.raises(IndexCorrupt, match="integer_values"):
        Column.from_arrays({**arrays, "integer_values": np.array([1.0])})
    with pytest.raises(IndexCorrupt, match="integer_values"):
        Column.from_arrays({**arrays, "integer_values": np.array([1, 2])})

"""LlamaIndex' filters over an index, against their own `build_metadata_filter_fn`: the same nodes, or a refusal."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Index, UsageError

pytest.importorskip("llama_index.core", reason="needs the extra llama-index")

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from retrieve.bridges.llama_index import IndexVectorStore

RECIPE = {"name": "words", "passages": {"unit": "words", "mode": "whole"}, "bm25": {}}
KEYS = ("a", "b.c")
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    2.5,
    -1,
    "",
    "x",
    "xy",
    [],
    [1],
    [1, 2.5],
    ["x"],
    ["x", "y"],
    [True],
]
METADATA = [{}, *({"a": value} for value in VALUES), *({"a": 1, "b.c": value} for value in VALUES)]
SINGLE = st.sampled_from([0, 1, 2, 1.0, 2.5, "", "x", "y"])
LISTS = st.sampled_from([[], ["x"], ["y", ""], [1, 2], [2.5], [0, 1]])

_OF_LISTS = {FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY, FilterOperator.ALL}
_OF_TEXT = {FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE}


@pytest.fixture(scope="module")
def store() -> Iterator[IndexVectorStore]:
    with tempfile.TemporaryDirectory() as folder, Index.create(Path(folder) / "index", RECIPE) as index:
        store = IndexVectorStore(index)
        store.add([TextNode(id_=str(n), text="wing", metadata=own) for n, own in enumerate(METADATA)])
        yield store


@st.composite
def leaves(draw: st.DrawFn) -> MetadataFilter:
    operator = draw(st.sampled_from(sorted(set(FilterOperator) - _OF_TEXT)))
    value = None if operator == FilterOperator.IS_EMPTY else draw(LISTS if operator in _OF_LISTS else SINGLE)
    return MetadataFilter(key=draw(st.sampled_from([*KEYS, "none"])), operator=operator, value=value)


def theirs(filters: MetadataFilters) -> set[str] | None:
    """The nodes that their function lets pass; None where it raises, as it does for values of mixed types."""
    asked = build_metadata_filter_fn(lambda node_id: METADATA[int(node_id)], filters)
    try:
        return {str(number) for number in range(len(METADATA)) if asked(str(number))}
    except TypeError:
        return None


@settings(max_examples=300)
@given(
    st.lists(leaves(), max_size=3),
    st.sampled_from([None, *FilterCondition]),
)
def test_they_select_what_theirs_selects(
    store: IndexVectorStore, parts: list[MetadataFilter], condition: FilterCondition | None
) -> None:
    filters = MetadataFilters(filters=parts, condition=condition)
    expected = theirs(filters)
    if expected is None:
        return
    try:
        found = {node.node_id for node in store.get_nodes(filters=filters)}
    except UsageError as error:
        assert "look for parts" in str(error)  # contains, any and all, of a key that has strings
        return
    assert found == expected


@pytest.mark.parametrize("operator", sorted(set(FilterOperator) - _OF_TEXT))
def test_every_operator_alone_over_values_of_one_type(
    store: IndexVectorStore, operator: FilterOperator
) -> None:
    """Their function raises for most mixtures, so that random filters would rarely compare these."""
    lists = operator in {FilterOperator.ANY, FilterOperator.ALL, FilterOperator.CONTAINS}
    kinds = [[1]] if lists else [[1], [2.5], ["x"]]
    for kind in kinds:
        own = [
            {},
            {"a": None},
            *(
                {"a": value}
                for value in (
                    [[], [1], [1, 2], [2]]
                    if lists
                    else ["x", "y"]
                    if kind == ["x"]
                    else [True, False, 0, 1, 2, 2.5]
                )
            ),
        ]
        value: Any = None
        if operator != FilterOperator.IS_EMPTY:
            value = kind if operator in _OF_LISTS else kind[0]
        filters = MetadataFilters(filters=[MetadataFilter(key="a", operator=operator, value=value)])
        asked = build_metadata_filter_fn(lambda node_id, own=own: own[int(node_id)], filters)
        with tempfile.TemporaryDirectory() as folder, Index.create(Path(folder) / "index", RECIPE) as index:
            one = IndexVectorStore(index)
            one.add([TextNode(id_=str(n), text="wing", metadata=metadata) for n, metadata in enumerate(own)])
            found = {node.node_id for node in one.get_nodes(filters=filters)}
        assert found == {str(n) for n in range(len(own)) if asked(str(n))}


def test_nested_filters_mean_what_they_say(store: IndexVectorStore) -> None:
    """Their own store refuses these."""
    ones = MetadataFilter(key="a", value=1)
    inner = MetadataFilters(
        filters=[MetadataFilter(key="b.c", value="x"), MetadataFilter(key="b.c", value="xy")],
        condition=FilterCondition.OR,
    )
    found = store.get_nodes(filters=MetadataFilters(filters=[ones, inner]))
    assert [node.metadata for node in found] == [{"a": 1, "b.c": "x"}, {"a": 1, "b.c": "xy"}]


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (MetadataFilter(key="a", operator=FilterOperator.TEXT_MATCH, value="x"), "text_match"),
        (
            MetadataFilter(key="a", operator=FilterOperator.TEXT_MATCH_INSENSITIVE, value="x"),
            "text_match_insensitive",
        ),
        (MetadataFilter(key="a", operator=FilterOperator.CONTAINS, value="x"), "is a string"),
        (MetadataFilter(key="a", operator=FilterOperator.ANY, value=["x"]), "is a string"),
        (MetadataFilter(key="a", operator=FilterOperator.EQ, value=None), "is_empty"),
        (MetadataFilter(key="a", operator=FilterOperator.EQ, value=["x"]), "one value"),
        (MetadataFilter(key="a", operator=FilterOperator.IN, value="x"), "wanted a list"),
        (MetadataFilter(key="or", operator=FilterOperator.EQ, value="x"), "'or'"),
    ],
)
def test_what_ours_cannot_say_is_refused_by_name(
    store: IndexVectorStore, leaf: MetadataFilter, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        store.get_nodes(filters=MetadataFilters(filters=[leaf]))

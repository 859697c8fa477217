"""A filter of a field that no document has is told of, once, and only where that is certain."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import store_filters as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from store_index import lexical_recipe, make

from retrieve import Document, Index, Query
from retrieve.store.documents import DocumentTable
from retrieve.store.fields import FieldWatch
from retrieve.store.filters import parse_filter

ROWS = [
    Document(f"d{number}", "ruling of a court", "", {"year": 1990 + number, "court": {"name": "Bremen"}})
    for number in range(6)
]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What was warned of, as a list that grows."""
    found: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.WARNING:
                found.append(record.getMessage())

    caplog.set_level(logging.INFO, "retrieve")
    handler = Collect()
    logging.getLogger("retrieve").addHandler(handler)
    yield found
    logging.getLogger("retrieve").removeHandler(handler)


def _index(folder: Path, rows: Sequence[Document] = ROWS, fields: Sequence[str] = ()) -> Index:
    return make(folder, lexical_recipe(2) | {"filters": {"fields": list(fields)}}, rows)


YAER = "no document has the field 'yaer'; did you mean 'year'?"


@pytest.mark.parametrize("fields", [[], ["year"], ["yaer"], ["year", "yaer"]])
@pytest.mark.parametrize(
    "where",
    [
        {"yaer": 1990},
        {"yaer": {"ne": 1990}},
        {"not": {"yaer": {"exists": False}}},
        {"or": [{"yaer": 1}, {"year": 1991}]},
        {"and": [{"year": {"gte": 0}}, {"yaer": {"lt": 3}}]},
    ],
)
def test_a_slip_is_told_once_in_each_generation(
    tmp_path: Path, told: list[str], fields: list[str], where: dict[str, Any]
) -> None:
    with _index(tmp_path / "a.index", fields=fields) as index:
        wanted = YAER
        if fields == ["yaer"] and "or" not in where:
            wanted = "no document has the field 'yaer'"  # its column knows, and no metadata was read
        for _ in range(3):
            index.search("ruling", where=where)
            index.search("ruling", k=3, where=json.dumps(where), unit="passage")
            index.run([Query("q", "court")], where=where)
        assert told == [wanted]
        for number in range(30):
            index.search("ruling", where={"year": number})
        index.search("ruling", where=where)
        assert told == [wanted], "forgotten filters are told again"
        with index.writer() as writer:
            writer.add([Document("new", "ruling", "", {"year": 1})])
        index.search("ruling", where=where)
        assert told == [wanted] * 2


@pytest.mark.parametrize("fields", [[], ["year"], ["yaer", "year"]])
def test_a_deletion_tells_too(tmp_path: Path, told: list[str], fields: list[str]) -> None:
    with _index(tmp_path / "a.index", fields=fields) as index:
        with index.writer() as writer:
            for _ in range(2):
                assert writer.delete(where={"yaer": 1990}) == 0
            assert told == [YAER]
            writer.add([Document("waits", "ruling", "", {"yaer": 1990})])
            assert writer.delete(where={"yaer": {"lt": 1990}}) == 0
            assert writer.delete(where={"yaer": 1990}) == 1
        assert told == [YAER]


@pytest.mark.parametrize("fields", [[], ["here", "a.b"]])
@pytest.mark.parametrize(
    "metadata",
    [
        {"here": 1, "a.b": 1},
        {"here": None, "a.b": None},
        {"here": {}, "a": {"b": []}},
        {"here": [], "a": {"b": None}},
    ],
)
def test_a_field_that_one_document_has_is_not_told(
    tmp_path: Path, told: list[str], fields: list[str], metadata: dict[str, Any]
) -> None:
    """Be it null, in the last segment, or of a deleted document that is still stored."""
    rows = [*ROWS, Document("x", "ruling", "", metadata), Document("y", "ruling")]
    with _index(tmp_path / "a.index", rows, fields) as index:
        for _ in range(2):
            for field in ("here", "a.b"):
                index.search("ruling", where={field: 5})
            with index.writer() as writer:
                writer.delete(where={"here": "nothing"})
                writer.delete(["x"])
        assert told == []


def test_nothing_is_told_where_not_everything_was_read(tmp_path: Path, told: list[str]) -> None:
    with _index(tmp_path / "a.index", fields=["year"]) as index:
        index.search("ruling", where={"year": 1, "yaer": 5})  # the column has refused all
        index.search("ruling", where={"year": {"gte": 1994}, "yaer": 5})  # or all but those of one segment
    assert told == []


def test_nothing_is_told_of_an_empty_index(tmp_path: Path, told: list[str]) -> None:
    with _index(tmp_path / "a.index", []) as index:
        index.search("ruling", where={"yaer": 5})
        with index.writer() as writer:
            writer.delete(where={"yaer": 5})
    assert told == []


def test_columns_that_know_spare_the_reading(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _index(tmp_path / "a.index", fields=["year", "yaer"]) as index:
        monkeypatch.setattr(DocumentTable, "metadata", None)
        index.search("ruling", where={"year": 1990})
        index.search("ruling", where={"yaer": 1990})
        assert told == [YAER]


def test_metadata_is_read_once(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with _index(tmp_path / "a.index") as index:
        read: list[int] = []
        whole = DocumentTable.metadata

        def counting(table: DocumentTable, rows: int) -> Any:
            read.append(rows)
            return whole(table, rows)

        monkeypatch.setattr(DocumentTable, "metadata", counting)
        index.search("ruling", where={"yaer": 1990, "nmae": 2})
        assert read == [2, 2, 2]
        assert sorted(told) == ["no document has the field 'nmae'", YAER]


NEAREST: list[tuple[str, dict[str, Any], str]] = [
    ("YEAR", {"year": 1}, "; did you mean 'year'?"),
    ("court.nmae", {"court": {"name": 1, "place": 2}}, "; did you mean 'court.name' or 'court.place'?"),
    ("court.nmae", {"court.name": 1}, "; did you mean 'court.name'?"),
    ("court.nam", {"court": {"name": {"of": 1}}}, "; did you mean 'court.name.of'?"),
    ("nam", {"name": 1, "names": 2}, "; did you mean 'name' or 'names'?"),
    ("zzz", {"name": 1}, ""),
    ("andd", {"and": 1}, ""),  # no filter can name such a key
    ("a.bb.c", {"a": {"bb.d": 1}}, ""),
    ("a.bb.c", {"a.bb": {"d": 1}}, ""),
    ("kkkkl", {"a": {"a": {"a": {"kkkkk": 1}}}, "k": [{"kkkkk": 1}]}, ""),
    ("\ud800x", {"xx": 1}, ""),
    ("n" * 5000, {"n" * 4999: 1}, ""),
]


@pytest.mark.parametrize(("field", "metadata", "said"), NEAREST)
def test_the_nearest_names(told: list[str], field: str, metadata: dict[str, Any], said: str) -> None:
    watch = FieldWatch(parse_filter({field: {"exists": True}}))
    watch.look(metadata)
    watch.warn()
    assert told == [f"no document has the field {field!r}{said}"]


def test_the_names_to_choose_from_are_bounded(told: list[str]) -> None:
    watch = FieldWatch(parse_filter({"name": 1}))
    for number in range(3000):
        watch.look({f"{'x' * 30}{number}": number})
    assert len(watch._names) == 1000
    deep: dict[str, Any] = {"name": 1}
    for _ in range(30):
        deep = {"k": deep}
    watch = FieldWatch(parse_filter({"nmae": 1}))
    watch.look(deep)
    watch.warn()
    assert told == ["no document has the field 'nmae'"]


names = st.sampled_from(reference.KEYS)
objects = st.dictionaries(
    names,
    st.recursive(st.none() | st.integers(0, 2), lambda inner: st.dictionaries(names, inner, max_size=2)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(objects, max_size=6), st.sets(st.sampled_from(reference.FIELDS), min_size=1, max_size=4))
def test_absent_is_what_no_document_has(documents: list[dict[str, Any]], fields: set[str]) -> None:
    watch = FieldWatch(parse_filter(dict.fromkeys(fields, 1)))
    for metadata in documents:
        watch.look(metadata)
    wanted = [] if not documents else sorted(f for f in fields if not any(_has(d, f) for d in documents))
    assert watch.absent == wanted


def _has(document: Mapping[str, Any], field: str) -> bool:
    """Whether the field is there: asked of a document in which every null has become a 0."""

    def filled(value: Any) -> Any:
        return {key: filled(inner) for key, inner in value.items()} if isinstance(value, dict) else value or 0

    return reference.held_by(filled(document), field) is not None

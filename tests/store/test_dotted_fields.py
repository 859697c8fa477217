"""Filters over metadata whose keys have dots, and worse, in whole indexes; deletions first: nothing undoes them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import store_filters as reference
from store_index import damage_array, lexical_recipe, make

from retrieve import Document, Index
from retrieve.errors import IndexCorrupt, IndexLocked
from retrieve.files import writer_lock
from retrieve.store import upgrade, write_segment
from retrieve.store.filter_columns import build_columns
from retrieve.store.filters import matches, parse_filter
from retrieve.store.upgrade import upgrade_index

DECLARED = ["a", "a.b", "a.b.c", "c.", "", 'it\'s "$[0]"', "$.a"]


def _rows(count: int, seed: int) -> list[Document]:
    chance = random.Random(seed)
    return [
        Document(f"d{number:04}", "ruling of a court", "", reference.metadata(chance))
        for number in range(count)
    ]


def _recipe(fields: Sequence[str], passages: int = 40) -> dict[str, Any]:
    return lexical_recipe(passages) | {"filters": {"fields": list(fields)}}


def _expected(rows: Iterable[Document], where: Mapping[str, Any]) -> list[str]:
    return [row.id for row in rows if reference.accepts(dict(where), dict(row.metadata))]


def _found(index: Index, where: Mapping[str, Any]) -> list[str]:
    return [hit.doc_id for hit in index.search("ruling", k=10_000, using="bm25", where=where)]


def test_random_filters_mean_what_the_reference_says() -> None:
    chance = random.Random(4)
    told_apart = 0
    for _ in range(4000):
        where, metadata = reference.where(chance), reference.metadata(chance)
        expected = reference.accepts(where, metadata)
        assert matches(parse_filter(where), metadata) is expected, (where, metadata)
        assert matches(parse_filter(json.dumps(where)), metadata) is expected
        told_apart += expected
    assert 1000 < told_apart < 3000


@pytest.mark.parametrize("declared", [[], DECLARED], ids=["scanned", "declared"])
def test_deletions_take_what_the_reference_says_and_nothing_else(tmp_path: Path, declared: list[str]) -> None:
    """Over sealed segments, documents that wait in the same block, and what earlier deletions left."""
    chance = random.Random(5)
    rows = _rows(240, seed=6)
    with make(tmp_path / "a.index", _recipe(declared), rows[:130]) as index:
        left, waiting = rows[:130], rows[130:]
        deleted = 0
        while waiting:
            with index.writer() as writer:
                writer.add(waiting[:10])
                left, waiting = [*left, *waiting[:10]], waiting[10:]
                for _ in range(12):
                    where = {"and": [reference.where(chance), reference.where(chance)]}
                    doomed = set(_expected(left, where))
                    if len(doomed) > 15:  # or nothing would be left
                        continue
                    assert writer.delete(where=where) == len(doomed), where
                    left = [row for row in left if row.id not in doomed]
                    deleted += len(doomed)
            assert sorted(index.ids()) == [row.id for row in left]
        assert deleted > 25
        assert [index.get(row.id) for row in left] == left
        assert index.verify() == []


@pytest.mark.parametrize("declared", [[], ["a.b"], DECLARED], ids=["scanned", "one declared", "declared"])
def test_searches_find_what_the_reference_says(tmp_path: Path, declared: list[str]) -> None:
    chance = random.Random(7)
    rows = _rows(150, seed=8)
    with make(tmp_path / "a.index", _recipe(declared), rows) as index:
        for _ in range(150):
            where = reference.where(chance)
            assert _found(index, where) == _expected(rows, where), where


OPERATORS: list[dict[str, Any]] = [
    {"eq": "Bremen"},
    {"ne": "Bremen"},
    {"lt": "C"},
    {"lte": "Bremen"},
    {"gt": "Bremen"},
    {"gte": "Bremen"},
    {"in": ["Kiel", "Bremen"]},
    {"exists": True},
    {"exists": False},
]
COURTS: dict[str, dict[str, Any]] = {
    "flat": {"court.name": "Bremen"},
    "flat other": {"court.name": "Kiel"},
    "flat list": {"court.name": ["Kiel", "Bremen"]},
    "nested": {"court": {"name": "Bremen"}},
    "nested other": {"court": {"name": "Aachen"}},
    "null hides nested": {"court.name": None, "court": {"name": "Bremen"}},
    "flat hides nested": {"court.name": "Kiel", "court": {"name": "Bremen"}},
    "not an object": {"court": "Bremen"},
    "list of objects": {"court": [{"name": "Bremen"}]},
    "mixed": {"court": {"x.name": "Bremen"}},
    "none": {},
}


@pytest.mark.parametrize("declared", [[], ["court.name"]], ids=["scanned", "declared"])
@pytest.mark.parametrize("around", ["", "not", "and", "or"])
def test_every_operator_on_a_flat_and_a_nested_key(tmp_path: Path, declared: list[str], around: str) -> None:
    rows = [Document(name, "ruling", "", metadata) for name, metadata in sorted(COURTS.items())]
    with make(tmp_path / "a.index", _recipe(declared, 3), rows) as index:
        for operator in OPERATORS:
            where: dict[str, Any] = {"court.name": operator}
            if around:
                where = {around: where if around == "not" else [where]}
            expected = _expected(rows, where)
            assert _found(index, where) == expected
            with pytest.raises(ZeroDivisionError), index.writer() as writer:
                assert writer.delete(where=where) == len(expected)
                raise ZeroDivisionError  # the next operator finds all of them again


# -- indexes of an older version --------------------------------------------------------------------------------


def _built_by_paths_alone(
    fields: Sequence[str], metadatas: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Columns as they were before: keys with a dot at the top were not seen, and holders not counted."""
    without = ({key: value for key, value in metadata.items() if "." not in key} for metadata in metadatas)
    columns = build_columns(fields, without)
    for arrays in columns.values():
        del arrays["holders"]
    return columns


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Sequence[str], Sequence[Document]], Index]:
    """Makes an index as an older version did, of two commits and with deleted documents."""

    def make_older(folder: Path, fields: Sequence[str], rows: Sequence[Document]) -> Index:
        with monkeypatch.context() as patch:
            patch.setattr(write_segment, "build_columns", _built_by_paths_alone)
            half = len(rows) // 2
            index = make(folder, _recipe(fields), rows[:half])
            with index.writer() as writer:
                writer.add(rows[half:])
        with index.writer() as writer:
            writer.delete([row.id for row in rows[::7]])
        return index

    return make_older


def _alive(rows: Sequence[Document]) -> list[Document]:
    return [row for number, row in enumerate(rows) if number % 7]


def test_an_older_index_is_not_believed_where_names_have_dots(
    tmp_path: Path, older: Callable[..., Index], caplog: pytest.LogCaptureFixture
) -> None:
    rows = _rows(150, seed=9)
    chance = random.Random(10)
    with older(tmp_path / "a.index", DECLARED, rows) as index:
        wheres = [{"a.b": {"exists": True}}, *(reference.where(chance) for _ in range(100))]
        for where in wheres:
            assert _found(index, where) == _expected(_alive(rows), where), where
        told = [record.getMessage() for record in caplog.records if "upgrade" in record.getMessage()]
        assert len(told) == 1
        assert "'a.b'" in told[0]
        doomed = _expected(_alive(rows), {"a.b": {"ne": "a"}})
        with index.writer() as writer:
            assert writer.delete(where={"a.b": {"ne": "a"}}) == len(doomed)


def test_an_older_column_without_values_may_be_of_a_field_that_is_null_everywhere(
    tmp_path: Path, older: Callable[..., Index], caplog: pytest.LogCaptureFixture
) -> None:
    rows = [Document(f"d{number}", "ruling", "", {"plain": None}) for number in range(8)]
    with older(tmp_path / "a.index", ["plain"], rows) as index:
        assert _found(index, {"plain": 1}) == []
        assert upgrade_index(index.path) is None, "names without a dot mean what they meant"
    assert caplog.messages == []


def test_an_index_that_is_not_outdated_is_left_alone(tmp_path: Path) -> None:
    """While a writer is at work, and what an interrupted build has sealed."""
    with make(tmp_path / "a.index", _recipe(["a.b"], 3), _rows(10, seed=16)) as index:
        with pytest.raises(ZeroDivisionError), index.writer() as writer:
            writer.add(_rows(40, seed=17))
            raise ZeroDivisionError
        before = _all(index.path)
        with writer_lock(index.path / "lock"):
            assert upgrade_index(index.path) is None
        assert "pending.json" in before
        assert _all(index.path) == before


def test_an_upgrade_builds_older_columns_anew_and_copies_the_rest(
    tmp_path: Path, older: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _rows(150, seed=11)
    with older(tmp_path / "a.index", DECLARED, rows) as index:
        hits = index.search("ruling court", k=1000)
        before = _parts(index)
        assert upgrade_index(index.path) == len(before) == 4
        with Index.open(index.path) as upgraded:
            assert upgraded.verify() == []
            assert upgraded.search("ruling court", k=1000) == hits
            with monkeypatch.context() as patch:  # columns answer alone
                patch.setattr("retrieve.store.documents.DocumentTable.metadata", None)
                chance = random.Random(12)
                for _ in range(60):
                    where = {chance.choice(DECLARED): reference._condition(chance)}
                    expected = _expected(_alive(rows), where)
                    chosen = upgraded._snapshot.select(parse_filter(where))
                    assert sum(np.count_nonzero(rows) for rows in chosen) == len(expected), where
        index.refresh()
        upgraded_generation = index.generation
    assert upgrade_index(index.path) is None
    with Index.open(index.path) as again:
        assert again.generation == upgraded_generation
        with again.writer():
            pass
        parts = _parts(again)
    assert len(list((index.path / "segments").iterdir())) == 4, (
        "the older ones went when nobody read them any more"
    )
    assert sorted(map(repr, parts)) == sorted(map(repr, before))


def _all(folder: Path) -> dict[str, bytes]:
    """Every file of an index."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _parts(index: Index) -> list[dict[str, bytes]]:
    """What every segment has beside its columns."""
    return [
        {
            name: (segment.folder / name).read_bytes() if values is None else values.tobytes()
            for name in segment.names
            if not name.startswith("columns/")
            for values in [segment.array(name)]
        }
        for segment in index._snapshot.segments
    ]


def test_an_upgrade_that_is_interrupted_leaves_the_older_index(
    tmp_path: Path, older: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _rows(60, seed=13)
    index = older(tmp_path / "a.index", ["a.b"], rows)
    segments = {path.name for path in (index.path / "segments").iterdir()}
    manifest = (index.path / "manifest.json").read_bytes()

    def full(*_: object) -> int:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "commit", full)
        with pytest.raises(OSError, match="no space"):
            upgrade_index(index.path)
    assert (index.path / "manifest.json").read_bytes() == manifest
    assert _found(index, {"a.b": 1}) == _expected(_alive(rows), {"a.b": 1})
    with index.writer(), pytest.raises(IndexLocked):
        upgrade_index(index.path)
    assert {path.name for path in (index.path / "segments").iterdir()} == segments
    assert upgrade_index(index.path) == len(segments)


def test_an_upgrade_does_not_carry_damage_over(tmp_path: Path, older: Callable[..., Index]) -> None:
    index = older(tmp_path / "a.index", ["a.b"], _rows(40, seed=14))
    damaged = damage_array(index, "units")
    with pytest.raises(IndexCorrupt, match="fails its checksum in units"):
        upgrade_index(index.path)
    assert index.verify() == [f"{damaged} fails its checksum in units"]


def test_a_merge_builds_older_columns_anew(tmp_path: Path, older: Callable[..., Index]) -> None:
    rows = _rows(60, seed=15)
    with older(tmp_path / "a.index", ["a.b"], rows) as index:
        index.merge()
        assert upgrade_index(index.path) is None
        for where in ({"a.b": 1}, {"a.b": {"exists": False}}):
            assert _found(index, where) == _expected(_alive(rows), where)

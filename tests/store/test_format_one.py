"""An index of format 1 is read as it is, written by nobody, and becomes one of today's without a text being encoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_index import documents, make, own_recipe, segment_files, vectors
from store_older import to_format_one

from retrieve import Index
from retrieve.errors import FormatTooOld, IndexCorrupt, IndexLocked
from retrieve.files import writer_lock
from retrieve.store import upgrade
from retrieve.store.upgrade import upgrade_index

_RECIPES: dict[str, dict[str, Any]] = {
    "hybrid": own_recipe(10) | {"filters": {"fields": ["number"]}},
    "int8": own_recipe(10, storage="int8", bm25=False),
    "binary": own_recipe(10, storage="binary", rescore="float16"),
}


def _built(folder: Path, recipe: dict[str, Any]) -> Index:
    index = make(folder, recipe, documents(25), vectors(25))
    with index.writer() as writer:
        writer.delete(["d0003", "d0011"])
    with index.writer() as writer:
        writer.add(documents(4, first=30), vectors(4, seed=1))
    return index


def _answers(index: Index) -> list[Any]:
    vector = vectors(1, seed=5)[0]
    text = "court n7" if "bm25" in index.recipe.views else None
    return [
        index.search(text, vector=vector, k=40),
        index.search(text, vector=vector, k=40, where={"number": {"lt": 12}}),
        index.get_many(["d0003", "d0004", "d0031"]),
        list(index.ids()),
        None if text is None else index.explain(text, "d0007", using="bm25"),
    ]


@pytest.mark.parametrize("name", _RECIPES)
def test_it_is_read_and_upgraded(tmp_path: Path, name: str) -> None:
    with _built(tmp_path / "a", _RECIPES[name]) as index:
        expected, layout, info = _answers(index), index.layout, index.info()
    to_format_one(tmp_path / "a")
    with Index.open(tmp_path / "a") as older:
        assert _answers(older) == expected
        assert older.verify() == []
        assert older.info()["format"] == 1
        assert upgrade_index(tmp_path / "a") == info["segments"] == 4
        assert _answers(older) == expected, "its files stay while somebody reads them"
    with Index.open(tmp_path / "a") as upgraded:
        assert _answers(upgraded) == expected
        assert upgraded.layout == layout
        assert upgraded.verify() == []
        again = upgraded.info()
        assert again["format"] == 2 and again["generation"] == info["generation"] + 1
        assert again["bytes"].keys() == info["bytes"].keys()
        upgraded.add(documents(2, first=50), vectors(2, seed=2))
        upgraded.merge()
        assert len(upgraded) == 29 and upgraded.verify() == []
    assert upgrade_index(tmp_path / "a") is None


def test_merged_it_is_what_it_would_have_been(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _built(tmp_path / name, _RECIPES["hybrid"]).close()
    to_format_one(tmp_path / "a")
    upgrade_index(tmp_path / "a")
    found = []
    for name in ("a", "b"):
        with Index.open(tmp_path / name) as index:
            index.merge()
            found.append(sorted(segment_files(index.path).values()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.add(documents(1, first=90), vectors(1)),
        lambda index: index.delete(["d0001"]),
        lambda index: index.writer().__enter__(),
        lambda index: index.merge(),
    ],
)
def test_nobody_writes_it(tmp_path: Path, change: Callable[[Index], object]) -> None:
    _built(tmp_path / "a", _RECIPES["hybrid"]).close()
    to_format_one(tmp_path / "a")
    before = _all(tmp_path / "a")
    with (
        Index.open(tmp_path / "a") as older,
        pytest.raises(FormatTooOld, match=r"format 1.*writes 2.*retrieve index upgrade"),
    ):
        change(older)
    after = _all(tmp_path / "a")
    assert after == before
    assert upgrade_index(tmp_path / "a") == 4


def test_an_interrupted_upgrade_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _built(tmp_path / "a", _RECIPES["hybrid"]) as index:
        expected = _answers(index)
    to_format_one(tmp_path / "a")
    before = _all(tmp_path / "a")

    def full(*_: object) -> int:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "commit", full)
        with pytest.raises(OSError, match="no space"):
            upgrade_index(tmp_path / "a")
    with Index.open(tmp_path / "a") as older:
        assert _answers(older) == expected and older.info()["format"] == 1
    with writer_lock(tmp_path / "a/lock"), pytest.raises(IndexLocked):
        upgrade_index(tmp_path / "a")
    assert before.items() <= _all(tmp_path / "a").items()
    assert upgrade_index(tmp_path / "a") == 4


@pytest.mark.parametrize("name", ["bm25/tfs.npy", "units.npy", "documents.sqlite", "dense/vectors.npy"])
def test_damage_is_not_packed(tmp_path: Path, name: str) -> None:
    _built(tmp_path / "a", _RECIPES["hybrid"]).close()
    to_format_one(tmp_path / "a")
    damaged = next((tmp_path / "a/segments").glob(f"*/{name}"))
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    with Index.open(tmp_path / "a") as older:
        assert older.verify() == [f"{damaged} fails its checksum"]
    with pytest.raises(IndexCorrupt, match=str(damaged)):
        upgrade_index(tmp_path / "a")
    damaged.unlink()
    with pytest.raises(IndexCorrupt, match=str(damaged)):
        Index.open(tmp_path / "a")


def test_a_journal_of_format_one_is_not_continued(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a", own_recipe(5)) as index:
        with pytest.raises(KeyError), index.writer() as writer:
            writer.add(documents(20), vectors(20))
            raise KeyError
        journal = index.path / "pending.json"
        text = journal.read_text()
        assert '"format":2' in text
        journal.write_text(text.replace('"format":2', '"format":1'))
        with index.writer() as writer:
            writer.add(documents(20), vectors(20))
        assert len(index) == 20 and index.verify() == []


def _all(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "readers")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.name != "lock"}

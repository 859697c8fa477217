"""What is missing, cut short, flipped, from the future or of another encoder is refused, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_index import documents, make, own_recipe, vectors
from tiny_models import tiny_encoder_folder

from retrieve import Index
from retrieve.errors import EncoderMismatch, FormatTooNew, IndexCorrupt, IndexNotFound
from retrieve.files import checksum_bytes
from retrieve.store.manifest import Manifest, read_manifest, seal_object


@pytest.fixture
def index(tmp_path: Path) -> Index:
    made = make(tmp_path / "a.index", own_recipe(5), documents(12), vectors(12))
    with made.writer() as writer:
        writer.delete(["d0003"])
    return made


def _files(folder: Path) -> list[Path]:
    return [
        path for place in ("segments", "deletions") for path in (folder / place).rglob("*") if path.is_file()
    ]


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_every_flipped_byte_is_found_by_verify(index: Index) -> None:
    assert index.verify() == []
    for path in _files(index.path):
        good = path.read_bytes()
        _flip(path, len(good) // 2)
        (problem,) = (problem for problem in index.verify() if str(path) in problem)
        assert problem.startswith(f"{path} fails its checksum")
        path.write_bytes(good)
    assert index.verify() == []


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])]
)
def test_every_missing_or_short_file_is_refused_at_open(
    index: Index, damage: Callable[[Path], object]
) -> None:
    for path in _files(index.path):
        good = path.read_bytes()
        damage(path)
        with pytest.raises(IndexCorrupt, match=path.name):
            Index.open(index.path)
        assert any(str(path) in problem for problem in index.verify())
        path.write_bytes(good)
    Index.open(index.path).close()


def test_a_damaged_document_table_is_refused_when_it_is_read(index: Index) -> None:
    table = next(index.path.glob("segments/*/documents.sqlite"))
    good = table.read_bytes()
    wrong = 0
    for at in range(0, len(good), 97):
        _flip(table, at)
        try:
            with Index.open(index.path) as damaged:
                damaged.search("court", k=20, using="bm25")
                list(damaged.search("court", k=20, using="bm25", where={"number": 3}))
        except IndexCorrupt:
            wrong += 1
        table.write_bytes(good)
    assert wrong  # most flipped bytes are in text, which only the checksum knows


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damaged_manifest_is_believed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    good = Manifest(recipe={"name": "x", "bm25": {}}, recipe_digest="d").encode()
    at = data.draw(st.integers(0, len(good) - 2))  # all but the final newline
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != good[at]))
    cut = data.draw(st.booleans())
    (folder / "manifest.json").write_bytes(good[:at] if cut else good[:at] + bytes([byte]) + good[at + 1 :])
    with pytest.raises((IndexCorrupt, FormatTooNew)):
        read_manifest(folder)
    (folder / "manifest.json").write_bytes(good)
    assert read_manifest(folder).encode() == good


def test_a_damaged_manifest_is_named_and_the_one_before_it_lies_beside_it(index: Index) -> None:
    _flip(index.path / "manifest.json", 40)
    for read in (lambda: Index.open(index.path), index.refresh):
        with pytest.raises(IndexCorrupt, match=r"manifest\.N\.json"):
            read()
    assert any("manifest.json fails its own checksum: restore" in problem for problem in index.verify())
    assert read_manifest(index.path, "manifest.1.json").generation == 1


def test_a_format_from_the_future(index: Index) -> None:
    path = index.path / "manifest.json"
    values = json.loads(path.read_bytes())
    del values["checksum"]
    body = json.dumps({**values, "format": 7, "quantum": []}, separators=(",", ":"))
    sealed = f'{body[:-1]},"checksum":"{checksum_bytes(body.encode())}"}}\n'
    for text in (sealed, json.dumps({"format": 7, "anything": "else"})):
        path.write_text(text)
        with pytest.raises(FormatTooNew, match=r"format 7, this version reads up to 2"):
            Index.open(index.path)


def test_a_recipe_from_the_future(index: Index) -> None:
    path = index.path / "manifest.json"
    values = json.loads(path.read_bytes())
    del values["checksum"]
    values["recipe"]["quantum"] = {"entangled": True}
    path.write_bytes(seal_object(values))
    with pytest.raises(FormatTooNew, match=r"unknown key 'quantum'.*a newer one wrote it.*registered first"):
        Index.open(index.path)


def test_no_index(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(IndexNotFound, match="no index at"):
            Index.open(path)


def test_the_same_encoder_in_another_folder_and_another_one(tmp_path: Path) -> None:
    recipe = {"name": "t", "dense": {"model": str(tiny_encoder_folder(tmp_path / "one")), "backend": "torch"}}
    with make(tmp_path / "a.index", recipe, documents(3)) as index:
        expected = index.search("court of law")
    (tmp_path / "one").rename(tmp_path / "moved")
    with Index.open(tmp_path / "a.index", model=str(tmp_path / "moved")) as moved:
        assert moved.search("court of law") == expected
    other = tiny_encoder_folder(tmp_path / "other", seed=1)
    with pytest.raises(EncoderMismatch, match=r"one \(fingerprint .*other is another"):
        Index.open(tmp_path / "a.index", model=str(other))
    other.rename(tmp_path / "one")
    with Index.open(tmp_path / "a.index") as mistaken:
        for use in (lambda: mistaken.search("court"), lambda: _add(mistaken)):
            with pytest.raises(EncoderMismatch, match=r"one \(fingerprint .*one is another"):
                use()


def _add(index: Index) -> None:
    with index.writer() as writer:
        writer.add(documents(1, first=9))

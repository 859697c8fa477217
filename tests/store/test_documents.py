"""The document table: in folders of any name; where it cannot be written, an error of the system that names the file;
and where rows are missing, a corrupt index.
"""

from __future__ import annotations

import gc
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from store_index import documents, lexical_recipe, make

from retrieve import Document
from retrieve.errors import IndexCorrupt
from retrieve.recipe import canonical
from retrieve.store.documents import DocumentTable, fingerprints, write_documents

ROWS = [Document(f"d{number}", "law " * 500) for number in range(100)]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow further, which SQLite takes for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    rows = [(document, fingerprints(document)) for document in ROWS]
    with pytest.raises(OSError, match=r"documents\.sqlite cannot be written"), files_of_at_most(20_000):
        write_documents(path, rows)
    with pytest.raises(OSError, match="cannot be written: unable to open"):
        write_documents(tmp_path / "nowhere" / "documents.sqlite", rows)


NAMES = [
    "plain",
    "a?mode=memory&b#c",
    "100%41",
    "file:x",
    "file:x?mode=memory",
    ":memory:",
    'it\'s "so"',
    "back\\slash",
    " blank ",
    "line\nbreak",
    "Übung",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_in_the_folder_whatever_that_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """SQLite may read a relative path as a URI, and what follows a ? in one as settings."""
    monkeypatch.chdir(tmp_path)
    folder = Path(name)
    folder.mkdir()
    rows = [Document("x", "law", "", {"a.b": 1}), Document("y", "more law")]
    write_documents(folder / "documents.sqlite", [(row, fingerprints(row)) for row in rows])
    assert [path.name for path in folder.iterdir()] == ["documents.sqlite"]
    assert list(tmp_path.iterdir()) == [tmp_path / name]
    table = DocumentTable.open(folder / "documents.sqlite")
    assert [stored.document for stored in table.get([1, 0], ["y", "x"])] == rows[::-1]
    assert list(table.metadata(2)) == [{"a.b": 1}, {}]
    table.close()


def test_metadata_comes_in_row_order_over_several_batches_and_none_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    rows = [Document(f"d{number}", "", "", {"number": number}) for number in range(25_000)]
    write_documents(path, ((row, fingerprints(row)) for row in rows))
    table = DocumentTable.open(path)
    assert [metadata["number"] for metadata in table.metadata(25_000)] == list(range(25_000))
    assert list(table.metadata(0)) == []
    with pytest.raises(IndexCorrupt, match="1 of the rows from 20000 on are missing"):
        list(table.metadata(25_001))
    table.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM documents WHERE row = 10003")
    connection.close()
    table = DocumentTable.open(path)
    with pytest.raises(IndexCorrupt, match="1 of the rows from 10000 on are missing"):
        list(table.metadata(25_000))
    table.close()


def test_a_table_that_is_dropped_closes_its_file(tmp_path: Path) -> None:
    """A connection of `sqlite3` is part of a circle (CPython 3.11.7): dropped alone it waits for the collector."""
    gc.disable()
    try:
        index = make(tmp_path / "a.index", lexical_recipe(), documents(3))
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a number is all that is wanted
        for number in range(30):
            index.add(documents(2, first=10 + 2 * number))
            assert index.search("court", k=3)[0].doc_id
        assert len(os.listdir("/proc/self/fd")) <= before + len(index._snapshot.segments)  # noqa: PTH208
        index.close()
    finally:
        gc.enable()


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.integers(), max_size=3), st.text())
def test_hashes_are_those_of_canonical_json(
    title: str, text: str, metadata: dict[str, str | int], expansion: str
) -> None:
    found = fingerprints(Document("a", text, title, metadata, expansion))
    parts = [title, text, metadata, *([expansion] if expansion else [])]
    assert found.body == xxhash.xxh3_128_digest(canonical([title, text]))
    assert found.content == xxhash.xxh3_128_digest(canonical(parts))

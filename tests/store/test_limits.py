"""Segments stay within the recipe's limits, whatever documents are made of and however they came together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from store_index import documents, lexical_recipe, make

from retrieve import Document, Index
from retrieve.recipe import canonical
from retrieve.store.batch import text_bytes


def _documents_of(index: Index) -> list[int]:
    return [segment.rows for segment in index._snapshot.segments]


def _recipe(passages: int, text_bytes: int) -> dict[str, Any]:
    return lexical_recipe() | {"segments": {"passages": passages, "text_bytes": text_bytes}}


def test_bytes_of_a_document_are_those_of_all_that_it_holds() -> None:
    assert text_bytes(Document("a", "né", "tö", {"é": "ü"})) == 3 + 3 + len('{"é":"ü"}'.encode())


def test_documents_without_passages_fill_a_segment(tmp_path: Path) -> None:
    rows = [Document(f"d{number}", "", "", {}) for number in range(10)]
    with make(tmp_path / "a.index", lexical_recipe(4), rows) as index:
        assert _documents_of(index) == [4, 4, 2]
        index.merge()
        assert _documents_of(index) == [4, 4, 2]


@pytest.mark.parametrize("part", ["text", "title", "metadata"])
def test_text_title_and_metadata_fill_a_segment(tmp_path: Path, part: str) -> None:
    long = {"text": "w", "title": "w", "metadata": {}} | {
        part: {"key": "x" * 1000} if part == "metadata" else "x" * 1000
    }
    rows = [Document(f"d{number}", **long) for number in range(10)]
    with make(tmp_path / "a.index", _recipe(100, 3500), rows) as index:
        assert _documents_of(index) == [3, 3, 3, 1]


def test_merging_keeps_the_limit_of_bytes_and_counts_what_is_live(tmp_path: Path) -> None:
    rows = [Document(f"d{number}", "x" * 1000, "", {}) for number in range(8)]
    with make(tmp_path / "a.index", _recipe(100, 2500), rows) as index:
        assert _documents_of(index) == [2, 2, 2, 2]
        index.merge()
        assert _documents_of(index) == [2, 2, 2, 2]
        with index.writer() as writer:
            writer.delete(["d0", "d2", "d4"])
        index.merge()
        assert _documents_of(index) == [2, 1, 2]
        assert index.verify() == []


def test_bytes_survive_a_merge(tmp_path: Path) -> None:
    rows = documents(9)
    with make(tmp_path / "a.index", lexical_recipe(9), rows[:4]) as index:
        with index.writer() as writer:
            writer.add(rows[4:])
        index.merge()
        (segment,) = index._snapshot.segments
        assert segment.units[:, 3].tolist() == [len(row.text) + len(canonical(row.metadata)) for row in rows]

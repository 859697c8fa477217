"""Readers see one generation until they ask for another, and keep its files for as long as they hold it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

from store_index import documents, lexical_recipe, make

from retrieve import Hit, Index


def _search_all(index: Index) -> list[Hit]:
    return index.search("court law", k=100)


def _segments(folder: Path) -> set[str]:
    return {path.name for path in (folder / "segments").iterdir()}


def _replace(index: Index, word: str) -> None:
    with index.writer() as writer:
        writer.delete(where={"number": {"gte": 0}})
        writer.add(documents(8, word=word))


def test_an_old_generation_stays_whole_while_it_is_read_and_goes_afterwards(tmp_path: Path) -> None:
    index = make(tmp_path / "a.index", lexical_recipe(3), documents(8))
    reader = Index.open(index.path)
    first = _segments(index.path)
    for word in ("court two", "court three", "court four", "court five"):
        _replace(index, word)
        index.merge()
    assert reader.generation == 1 < index.generation
    assert first < _segments(index.path)
    assert [hit.passages[0].text for hit in _search_all(reader)] == [row.text for row in documents(8)]
    assert reader.get("d0003") == documents(8)[3]
    assert reader.refresh()
    assert not reader.refresh()
    assert _search_all(reader) == _search_all(index)
    assert first < _segments(index.path)  # until somebody writes again
    with index.writer():
        pass
    assert not first & _segments(index.path)
    assert {path.name for path in index.path.glob("manifest.*.json")} == {
        f"manifest.{index.generation - age}.json" for age in (1, 2)
    }


def test_deletions_of_an_old_generation_stay_while_it_is_read(tmp_path: Path) -> None:
    index = make(tmp_path / "a.index", lexical_recipe(3), documents(8))
    with index.writer() as writer:
        writer.delete(["d0000"])
    with Index.open(index.path) as reader:
        for number in range(1, 5):
            with index.writer() as writer:
                writer.delete([f"d{number:04}"])
        assert (index.path / "deletions" / "2").is_dir()
        assert len(_search_all(reader)) == 7  # document frequencies of what was deleted are read only now
    with index.writer() as writer:
        writer.delete(["d0005"])
    assert not (index.path / "deletions" / "2").exists()
    assert index.verify() == []


def _hold(folder: Path, ready: Event) -> None:
    with Index.open(folder):
        ready.set()
        signal.pause()


def test_the_lock_of_a_reader_in_another_process_dies_with_it(tmp_path: Path) -> None:
    index = make(tmp_path / "a.index", lexical_recipe(3), documents(8))
    first = _segments(index.path)
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold, args=(index.path, ready))
    process.start()
    assert ready.wait(20)
    _replace(index, "two")
    assert first < _segments(index.path)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with index.writer():
        pass
    assert not first & _segments(index.path)


def test_merging_frees_the_disk(tmp_path: Path) -> None:
    index = make(tmp_path / "a.index", lexical_recipe(20), documents(8))
    with index.writer() as writer:
        writer.add(documents(8, first=8))
    with index.writer() as writer:
        writer.delete(["d0001", "d0009"])
    index.merge()
    assert len(_segments(index.path)) == 1
    assert not list((index.path / "deletions").iterdir())
    assert len(index) == 14


def test_a_crashed_commit_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """Its deletions folder bears the number of the generation that comes next; strangers' files are left alone."""
    index = make(tmp_path / "a.index", lexical_recipe(20), documents(8))
    for name in ("deletions/2", "deletions/.building-2", "segments/.gone-x", "trained/.building-y"):
        (index.path / name).mkdir(parents=True)
        (index.path / name / "x.npy").write_bytes(b"x")
    (index.path / ".pending.json.new").write_bytes(b"{")
    (index.path / "manifest.1.json").write_bytes((index.path / "manifest.json").read_bytes())
    (index.path / "manifest.backup.json").write_text("mine")
    (index.path / "segments" / ".DS_Store").write_text("not ours")
    with Index.open(index.path) as reader, index.writer() as writer:
        writer.delete(["d0001"])
        assert len(reader) == 8
    assert len(index) == 7
    assert index.verify() == []
    assert {path.name for path in (index.path / "deletions").iterdir()} == {"2"}
    assert {path.name for path in index.path.glob(".*")} == set()
    assert (index.path / "manifest.backup.json").exists()
    (index.path / "manifest.2.json").write_bytes((index.path / "manifest.json").read_bytes())
    with index.writer():
        pass
    assert (index.path / "manifest.0.json").exists()  # the copy of the current one is no older generation

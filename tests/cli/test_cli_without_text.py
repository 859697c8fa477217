"""Documents without text are named at the end of a build, kept in `index info`, and refused by --strict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_calls import answer, call


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "full.txt").write_text("some text")
    (folder / "blank.txt").write_text(" \n")
    (folder / "map.html").write_text("<title>Map</title><img src=map.png>")
    return tmp_path


FOUND = {
    "count": 2,
    "why": {"empty": 1, "markup only": 1},
    "first": [{"id": "blank.txt", "why": "empty"}, {"id": "map.html", "why": "markup only"}],
}


def test_they_are_named_at_the_end_and_kept(here: Path) -> None:
    said = call("index", "create", "a", "files", "--recipe", "bm25").stderr
    assert "2 documents without text: blank.txt (empty), map.html (markup only)" in said
    assert answer("index", "info", "a")["without_text"] == FOUND
    made = answer("index", "add", "a", "files")
    assert (made["unchanged"], made["without_text"]) == (3, FOUND)
    hits = call("search", "a", "map", "--where", '{"no_text": "markup only"}', "--format", "jsonl").stdout
    assert json.loads(hits)["doc_id"] == "map.html"


def test_what_has_got_its_text_or_was_deleted_is_not_counted(here: Path) -> None:
    call("index", "create", "a", "files", "--recipe", "bm25")
    call("index", "delete", "a", "blank.txt")
    (here / "files" / "map.html").write_text("<title>Map</title>of the harbour")
    (here / "files" / "blank.txt").unlink()
    call("index", "add", "a", "files")
    assert answer("index", "info", "a")["without_text"] == {"count": 0, "why": {}, "first": []}


def test_only_the_first_five_are_named(here: Path) -> None:
    lines = [json.dumps({"id": f"d{number}", "text": ""}) for number in range(7)]
    (here / "a.jsonl").write_text("\n".join(lines))
    said = call("index", "create", "a", "a.jsonl", "files", "--recipe", "bm25").stderr
    assert "9 documents without text: d0 (empty), d1 (empty), d2 (empty), d3 (empty), d4 (empty), …" in said
    assert answer("index", "info", "a")["without_text"]["count"] == 9


def test_strict_commits_nothing(here: Path) -> None:
    said = call("index", "create", "a", "files", "--recipe", "bm25", "--strict", status=1).stderr
    assert (
        "files: 2 documents without text: blank.txt (empty), map.html (markup only); nothing was added"
        in said
    )
    assert not (here / "home" / "a").exists()
    call("index", "create", "a", "--recipe", "bm25")
    call("index", "add", "a", "files", "--strict", status=1)
    assert answer("index", "info", "a")["generation"] == 0
    for name in ("blank.txt", "map.html"):
        (here / "files" / name).unlink()
    assert answer("index", "add", "a", "files", "--strict")["added"] == 1


def test_skipping_every_record_is_a_failure(here: Path) -> None:
    (here / "bad.jsonl").write_text('{"text": "no id"}\n[]\n')
    said = call("index", "create", "a", "bad.jsonl", "--recipe", "bm25", "--skip-bad", status=1).stderr
    assert "bad.jsonl: every record is bad (2 records skipped)" in said
    assert not (here / "home" / "a").exists()
    assert (
        answer("index", "create", "a", "bad.jsonl", "files", "--recipe", "bm25", "--skip-bad")["skipped"] == 2
    )

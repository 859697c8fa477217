"""Files of one's own on the command line: one of them, a part of a folder, and ids that stay the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_calls import answer, call

from retrieve import Index


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name, text in (("note.md", "# A note"), ("acts/one.txt", "carrier"), ("acts/two.html", "<p>court")):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def ids(name: str) -> list[str]:
    with Index.open(name) as index:
        return sorted(index.ids())


def counts(*arguments: object) -> tuple[int, int, int]:
    made = answer("index", *arguments)
    return made["added"], made["updated"], made["unchanged"]


def test_one_file_has_the_id_that_its_folder_gives_it(here: Path) -> None:
    call("index", "create", "a", "docs", "--recipe", "bm25")
    assert ids("a") == ["acts/one.txt", "acts/two.html", "note.md"]
    assert counts("add", "a", "docs/note.md") == (0, 0, 1)
    assert counts("add", "a", "docs/acts/one.txt", "--root", "docs") == (0, 0, 1)
    assert counts("add", "a", here / "docs" / "acts", "--root", "docs/../docs") == (0, 0, 2)
    (here / "docs/acts/one.txt").write_text("carriers")
    assert counts("add", "a", "docs/acts/one.txt", "docs/note.md", "--root", "docs") == (0, 1, 1)
    assert counts("add", "a", "docs/acts/one.txt") == (1, 0, 0)
    assert ids("a") == ["acts/one.txt", "acts/two.html", "note.md", "one.txt"]


def test_what_root_cannot_do_is_said(here: Path) -> None:
    (here / "more").mkdir()
    (here / "more" / "note.md").write_text("another")
    (here / "cases.jsonl").write_text('{"id": "a", "text": "x"}\n')
    create = ("index", "create", "a", "--recipe", "bm25")
    said = call(*create, "docs/note.md", "more/note.md", status=1).stderr
    assert "more/note.md: would be document 'note.md', and so would docs/note.md: --root FOLDER" in said
    said = call(*create, "docs", "more", "--root", "docs", status=1).stderr
    assert "more/note.md: is not in docs, from which --root says that ids are paths" in said
    said = call(*create, "docs/../more/note.md", "--root", "docs", status=1).stderr
    assert "is not in docs" in said
    said = call(*create, "cases.jsonl", "--root", ".", status=2).stderr
    assert "--root is for files that are a document each, and cases.jsonl has ids of its own" in said
    assert counts("create", "a", "--recipe", "bm25", "docs/note.md", "more/note.md", "--root", ".") == (
        2,
        0,
        0,
    )
    assert ids("a") == ["docs/note.md", "more/note.md"]


def test_ids_that_no_run_can_hold_are_said(here: Path) -> None:
    for name in ("Okoro v Lindqvist.txt", "b c.txt"):
        (here / "docs" / name).write_text("carrier")
    said = call("index", "create", "a", "docs", "--recipe", "bm25").stderr
    assert "2 ids hold white space, which a TREC run cannot (the first: 'Okoro v Lindqvist.txt')" in said
    assert "rename the files, or give ids of your own in JSON lines" in said
    assert "1 id holds white space" in call("index", "add", "a", "docs/b c.txt").stderr
    assert "white space" not in call("index", "add", "a", "docs/note.md").stderr
    (here / "q.tsv").write_text("1\tcarrier\n")
    for verb in (("run", "a", "q.tsv", "--out", "a.run"), ("search", "a", "carrier", "--format", "trec")):
        said = call(*verb, status=1).stderr
        assert "nor hold white space: rename the document, as a file whose name is its id" in said
    assert not (here / "a.run").exists()

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
    assert "more: is not in docs, from which --root says that ids are paths" in said
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


def test_files_that_are_gone_are_said_and_pruned_on_request(here: Path) -> None:
    (here / "docs" / "old.html").write_text("<p>old")
    call("index", "create", "a", "docs", "--recipe", "bm25")
    (here / "docs" / "old.html").unlink()
    (here / "docs" / "acts" / "one.txt").unlink()
    said = call("index", "add", "a", "docs").stderr
    assert "2 documents of this index are not in docs: acts/one.txt, old.html; if nothing else" in said
    assert "not in docs" not in call("index", "add", "a", "docs/note.md").stderr, (
        "one file says nothing of others"
    )
    assert len(ids("a")) == 4
    before = answer("index", "info", "a")["generation"]
    (here / "docs" / "new.md").write_text("new")
    made = answer("index", "add", "a", "docs", "--prune")
    assert (made["added"], made["deleted"], made["generation"]) == (1, 2, before + 1)
    assert ids("a") == ["acts/two.html", "new.md", "note.md"]
    assert "deleted" not in call("index", "add", "a", "docs", "--prune").stdout


def test_pruning_below_a_root_leaves_the_rest_alone(here: Path) -> None:
    call("index", "create", "a", "docs", "--recipe", "bm25")
    (here / "docs" / "acts" / "one.txt").unlink()
    (here / "docs" / "note.md").unlink()
    add = ("index", "add", "a", "docs/acts", "--root", "docs")
    assert "1 document of this index is not in docs/acts: acts/one.txt" in call(*add).stderr
    assert "1 deleted" in call(*add, "--prune").stdout
    assert ids("a") == ["acts/two.html", "note.md"]


def test_a_folder_that_is_new_to_the_index_says_nothing(here: Path) -> None:
    (here / "more").mkdir()
    (here / "more" / "other.md").write_text("other")
    call("index", "create", "a", "docs", "--recipe", "bm25")
    assert "of this index" not in call("index", "add", "a", "more").stderr
    (here / "cases.jsonl").write_text('{"id": "case", "text": "x"}\n')
    call("index", "add", "a", "cases.jsonl")
    assert "of this index" not in call("index", "add", "a", "docs").stderr, "some ids are no files'"
    made = answer("index", "add", "a", "docs", "cases.jsonl", "--prune")
    assert made["deleted"] == 1
    assert ids("a") == ["acts/one.txt", "acts/two.html", "case", "note.md"]


def test_what_must_not_be_pruned_is_not(here: Path) -> None:
    call("index", "create", "a", "docs", "--recipe", "bm25")
    add = ("index", "add", "a", "--prune")
    assert "one file is no such source" in call(*add, "docs/note.md", status=2).stderr
    (here / "bad.jsonl").write_text('{"id": "x", "text": "x"}\n{"id": "note.md"}\n')
    said = call(*add, "bad.jsonl", "--skip-bad", status=1).stderr
    assert "1 bad record skipped, whose documents --prune would delete" in said
    (here / "empty.jsonl").write_text("")
    assert "holds no documents: --prune would" in call(*add, "empty.jsonl", status=1).stderr
    (here / "docs" / "note.md").write_bytes(b"\xe9")
    made = answer(*add, "docs", "--skip-bad")
    assert (made["skipped"], made["deleted"]) == (1, 0), "a file that cannot be read is there"
    assert ids("a") == ["acts/one.txt", "acts/two.html", "note.md"]

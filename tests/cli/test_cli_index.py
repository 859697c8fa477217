"""The verbs of `retrieve index` on a small collection: what they print, how they end; bad input changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_calls import answer, call

from retrieve.files import checksum_file, writer_lock

DOCUMENTS = [
    {"_id": "air", "title": "Carriage by air", "text": "Liability of carriers for delay.", "year": 1999},
    {"_id": "sea", "title": "Carriage by sea", "text": "Liability of ship owners.", "year": 2009},
    {"_id": "rail", "text": "Passengers' rights on trains; carriers and tickets.", "year": 2021},
    {"_id": "none", "text": ""},
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "corpus.jsonl", DOCUMENTS)


def write_lines(path: Path, documents: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    return path


def files(folder: Path) -> dict[str, str]:
    """Every file that readers look at."""
    return {
        str(path.relative_to(folder)): checksum_file(path)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("lock", "pending.json") and "readers" not in path.parts
    }


def test_create_fills_in_one_commit_and_says_what_it_did(corpus: Path) -> None:
    made = answer("index", "create", "laws", corpus, "--recipe", "bm25")
    wanted = {"added": 4, "updated": 0, "unchanged": 0, "skipped": 0, "documents": 4, "empty_documents": 1}
    assert wanted.items() <= made.items()
    assert (made["generation"], made["passages"]) == (1, 3)
    assert made["seconds"] > 0
    assert "an index already" in call("index", "create", "laws", corpus, "--recipe", "bm25", status=1).stderr
    assert answer("index", "create", "laws", "--recipe", "bm25", "--force")["documents"] == 0


@pytest.mark.parametrize(
    "content", [None, b"[]\n", b"\xff\xfe no format", b'{"id": "a", "text": "one"}\n{\n']
)
def test_a_create_that_failed_leaves_nothing_in_the_way(
    corpus: Path, home: Path, tmp_path: Path, content: bytes | None
) -> None:
    source = tmp_path / "source"
    if content is not None:
        source.write_bytes(content)
    call("index", "create", "laws", source, "--recipe", "bm25", status=1)
    assert list(home.glob("*")) == []
    assert answer("index", "create", "laws", corpus, "--recipe", "bm25", "--set", "bm25.language=german")


def test_a_create_that_failed_keeps_what_it_sealed_and_what_was_there(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    many = [{"id": f"d{number}", "text": "one"} for number in range(300)]  # documents are staged by 256
    write_lines(source, [*many, {"text": "no id"}])
    small = ["--recipe", "bm25", "--set", "segments.passages=200"]
    call("index", "create", "sealed", source, *small, status=1)
    assert (home / "sealed" / "pending.json").is_file()
    write_lines(source, many)
    assert answer("index", "create", "sealed", source, *small)["added"] == 300
    call("index", "create", "empty", "--recipe", "bm25")
    call("index", "create", "empty", tmp_path / "nowhere", "--recipe", "bm25", status=1)
    assert answer("index", "info", "empty")["generation"] == 0


def test_a_create_that_is_interrupted_leaves_nothing_and_what_another_writer_began(
    corpus: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retrieve.cli.index import sources

    def interrupted(*_: object, **__: object) -> Callable[..., None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "progress_shown", interrupted)
    call("index", "create", "laws", corpus, "--recipe", "bm25", status=130)
    assert not (home / "laws").exists()

    def interrupted_beside_a_writer(*_: object, **__: object) -> Callable[..., None]:
        locked.enter_context(writer_lock(home / "laws" / "lock"))
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "progress_shown", interrupted_beside_a_writer)
    with ExitStack() as locked:
        call("index", "create", "laws", corpus, "--recipe", "bm25", status=130)
        assert (home / "laws" / "manifest.json").is_file()


def test_add_tells_added_updated_and_unchanged(corpus: Path, tmp_path: Path) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    changed = [DOCUMENTS[0], DOCUMENTS[1] | {"text": "New."}, {"id": "road", "text": "Lorries."}]
    more = write_lines(tmp_path / "more.jsonl", changed)
    wanted = {"added": 1, "updated": 1, "unchanged": 1, "documents": 5, "generation": 2}
    assert wanted.items() <= answer("index", "add", "laws", more).items()
    stdin = json.dumps({"id": "tram", "text": "Rails in streets."}).encode()
    assert "1 added" in call("index", "add", "laws", "-", stdin=stdin).stdout
    call("index", "create", "one", "--recipe", "bm25")
    assert "1 document in 1 passage (" in call("index", "add", "one", "-", stdin=stdin).stdout
    assert call("search", "one", "rails").stderr.startswith("1 hit in ")


@pytest.mark.parametrize(
    ("arguments", "stdin", "left"),
    [
        (["air", "sea", "nobody"], None, 2),
        (["--where", '{"year": {"gte": 2009}}'], None, 2),
        (["--ids-from", "-"], b"air\r\n\nrail\n", 2),
        (["air", "--where", '{"year": {"eq": 2021}}'], None, 2),
    ],
)
def test_delete_by_id_by_filter_and_from_a_list(
    corpus: Path, arguments: list[str], stdin: bytes | None, left: int
) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    assert (
        f"2 deleted, {left} documents left" in call("index", "delete", "laws", *arguments, stdin=stdin).stdout
    )
    assert answer("index", "info", "laws")["documents"] == left


def test_delete_says_how_many_ids_were_not_there(corpus: Path, tmp_path: Path) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    result = call("index", "delete", "laws", "air", "nobody", "nobody", "--where", '{"year": 2009}')
    assert "2 deleted, 2 documents left" in result.stdout
    assert result.stderr == "warning: 1 id: not in the index, so not deleted\n"
    wanted = {"deleted": 1, "not_found": 2, "documents": 1}
    assert wanted.items() <= answer("index", "delete", "laws", "rail", "air", "nobody").items()
    (tmp_path / "none.txt").touch()
    wanted = {"deleted": 0, "not_found": 0, "documents": 1}
    assert wanted.items() <= answer("index", "delete", "laws", "--ids-from", tmp_path / "none.txt").items()
    result = call("index", "delete", "laws", "none")
    assert (result.stderr, "1 deleted, 0 documents left" in result.stdout) == ("", True)


def test_delete_of_nothing_is_wrong_usage(corpus: Path) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    assert "selects everything" in call("index", "delete", "laws", "--where", "{}", status=2).stderr
    assert "nothing to delete" in call("index", "delete", "laws", status=2).stderr
    call("index", "delete", "laws", "--where", "{", status=2)


def test_a_list_of_ids_that_is_not_utf8_is_named_by_line_and_changes_nothing(
    corpus: Path, tmp_path: Path
) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    ids = tmp_path / "ids.txt"
    ids.write_bytes(b"air\nse\xff\n")
    assert "ids.txt:2: byte 3" in call("index", "delete", "laws", "--ids-from", ids, status=1).stderr
    stdin = call("index", "delete", "laws", "--ids-from", "-", stdin=b"\xff\n", status=1)
    assert "standard input:1: byte 1" in stdin.stderr
    assert answer("index", "info", "laws")["documents"] == 4


def test_info_upgrade_and_list(corpus: Path, home: Path) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25", "--set", "search.bm25.k1=1.2")
    assert answer("index", "info", "laws")["recipe"]["search"]["bm25"]["k1"] == 1.2
    assert "recipe.search.bm25.k1\t1.2" in call("index", "info", "laws").stdout
    assert answer("index", "upgrade", "laws") == {
        "index": str(home / "laws"),
        "format": 2,
        "upgraded": False,
        "segments": 0,
    }
    (home / "broken").mkdir()
    (home / "broken" / "manifest.json").write_text("{}")
    listed = answer("index", "list")
    assert [row["name"] for row in listed["indexes"]] == ["broken", "laws"]
    assert "checksum" in listed["indexes"][0]["problem"]
    assert call("index", "list").stdout.splitlines()[2].split("\t")[:3] == ["laws", "bm25", "4"]


def test_merge_packs_segments(corpus: Path, tmp_path: Path) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    call("index", "add", "laws", write_lines(tmp_path / "more.jsonl", [{"id": "road", "text": "Lorries."}]))
    merged = answer("index", "merge", "laws")
    assert (merged["segments_before"], merged["segments"]) == (2, 1)
    assert answer("index", "verify", "laws")["clean"]


def test_verify_lists_what_does_not_hold_and_exits_with_1(corpus: Path, home: Path) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    assert call("index", "verify", "laws").stdout == f"{home / 'laws'}: clean\n"
    victim = max((home / "laws" / "segments").rglob("arrays"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    result = call("index", "verify", "laws", status=1)
    assert victim.name in result.stdout
    found = json.loads(call("index", "verify", "laws", "--json", status=1).stdout)
    assert not found["clean"]
    assert len(found["problems"]) == 1
    call("index", "verify", "nowhere", status=1)


BAD_LINES = {
    "broken JSON": (b'{"id": "x", "text": ', "broken JSON"),
    "missing id": (b'{"text": "no name"}', "there is no id"),
    "duplicate id": (b'{"id": "good", "text": "again"}', "already on line 1"),
    "non-string id": (b'{"id": 7, "text": "seven"}', "the number 7"),
    "invalid UTF-8": (b'{"id": "x", "text": "\xff"}', "UTF-8"),
    "NUL": (b'{"id": "x", "text": "a\\u0000b"}', "NUL"),
    "lone surrogate": (b'{"id": "x", "text": "\\ud800"}', "surrogate"),
    "long line": (b'{"id": "x", "text": "' + b"a" * 4000 + b'"}', "--max-line"),
}


@pytest.mark.parametrize(("line", "said"), BAD_LINES.values(), ids=BAD_LINES)
def test_bad_input_is_named_by_file_and_line_and_changes_nothing(
    corpus: Path, home: Path, tmp_path: Path, line: bytes, said: str
) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    before = files(home / "laws")
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b'{"id": "good", "text": "fine"}\n' + line + b'\n{"id": "last", "text": "fine"}\n')
    result = call("index", "add", "laws", bad, "--max-line", 2000, status=1)
    assert result.stdout == ""
    assert result.stderr.startswith("retrieve: ")
    assert "bad.jsonl:2" in result.stderr
    assert said in result.stderr
    assert files(home / "laws") == before
    skipped = answer("index", "add", "laws", bad, "--max-line", 2000, "--skip-bad")
    assert (skipped["added"], skipped["skipped"]) == (2, 1)


def test_a_recipe_with_an_unknown_key_is_refused(corpus: Path, home: Path) -> None:
    result = call("index", "create", "laws", corpus, "--recipe", "bm25", "--set", "bm25.k3=1", status=1)
    assert "unknown key 'bm25.k3'" in result.stderr
    assert not (home / "laws").exists()


def test_a_manifest_from_the_future_is_refused(corpus: Path, home: Path) -> None:
    call("index", "create", "laws", corpus, "--recipe", "bm25")
    manifest = home / "laws" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format":2', '"format":3', 1))
    for verb in (["index", "info", "laws"], ["index", "upgrade", "laws"], ["search", "laws", "x"]):
        assert "format 3" in call(*verb, status=1).stderr


OWN = ["--recipe", "flat", "--set", "dense.model=none", "--set", "dense.dimensions=3"]


def test_vectors_of_ones_own_go_by_the_order_of_the_documents(corpus: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.npy"
    np.save(vectors, np.eye(4, 3, dtype=np.float32) + 0.1)
    more = write_lines(tmp_path / "more.jsonl", [{"id": "road", "text": "Lorries."}])
    full = write_lines(corpus, DOCUMENTS[:3])
    call("index", "create", "own", *OWN)
    assert answer("index", "add", "own", full, more, "--vectors", vectors)["added"] == 4
    call("index", "add", "own", full, more, "--vectors", vectors, "--skip-bad", status=2)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((4, 3), np.nan, dtype=np.float32), "NaN"),
        (np.ones((3, 3), dtype=np.float32), "fewer vectors"),
        (np.ones((6, 3), dtype=np.float32), "more vectors than documents"),
        (np.ones((4, 5), dtype=np.float32), "(…, 3)"),
        (np.ones(4, dtype=np.float32), "one row of numbers"),
        (np.array([{}], dtype=object), "no .npy file of numbers"),
    ],
)
def test_vectors_that_do_not_fit_change_nothing(
    corpus: Path, tmp_path: Path, array: np.ndarray[Any, Any], said: str
) -> None:
    write_lines(corpus, [*DOCUMENTS[:3], {"id": "road", "text": "Lorries."}])
    vectors = tmp_path / "vectors.npy"
    np.save(vectors, array)
    call("index", "create", "own", *OWN)
    result = call("index", "add", "own", corpus, "--vectors", vectors, status=1)
    assert said in result.stderr
    assert answer("index", "info", "own")["generation"] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no .npy file"), (b"PK\x03\x04 cut", "no .npy file"), (None, "an .npz archive")],
)
def test_files_of_vectors_that_are_no_array(
    corpus: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    vectors = tmp_path / "vectors.npz"
    if content is None:
        np.savez(vectors, np.eye(4, 3))
    else:
        vectors.write_bytes(content)
    call("index", "create", "own", *OWN)
    assert said in call("index", "add", "own", corpus, "--vectors", vectors, status=1).stderr


def test_one_row_of_vectors_for_each_document_empty_ones_too(corpus: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", np.eye(4, 3) + 0.1)
    call("index", "create", "own", *OWN)
    made = answer("index", "add", "own", corpus, "--vectors", tmp_path / "vectors.npy")
    assert (made["added"], made["passages"], made["empty_documents"]) == (4, 3, 1)


def test_ctrl_c_says_what_is_kept(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieve.cli.index import sources

    call("index", "create", "laws", corpus, "--recipe", "bm25")

    def interrupted(*_: object, **__: object) -> Callable[..., None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "progress_shown", interrupted)
    result = call("index", "add", "laws", corpus, status=130)
    assert "interrupted: the index is as it was" in result.stderr

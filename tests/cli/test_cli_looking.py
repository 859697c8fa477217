"""Verbs by which a person looks: search in words, show, analyze, index sample; on a terminal and in a pipe."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from cli_calls import answer, call
from click.testing import CliRunner

from retrieve import Document, Index
from retrieve.cli import main, show
from retrieve.search import snippets
from retrieve.text.analyze import Analyzer

DOCUMENTS = [
    {
        "id": "air",
        "title": "Carriage <by> air",
        "text": "First page here.\fLiability of carriers for delay.\x1b[2J Nothing more follows on this page of ours.",
        "year": 1999,
    },
    {"id": "sea", "text": "Liability of ship owners, who are carriers."},
    {"id": "=1+1", "title": "Two\nlines", "text": 'A "quoted", comma; عن مسؤولية الناقل'},
    {"id": "none", "text": ""},
]
WINDOWS = ("passages.mode=window", "passages.unit=words", "passages.size=12")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("looking")
    for name, settings in (("laws", ()), ("cut", WINDOWS)):
        with Index.create(place / name, "bm25", settings) as index:
            index.add(DOCUMENTS)
    return place


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVE_HOME", str(place))


def test_several_words_are_one_question() -> None:
    quoted = answer("search", "laws", "liability of carriers", "-k", 1)
    for words in (
        ("search", "laws", "liability", "of", "carriers", "-k", 1),
        ("search", "laws", "liability", "-k", 1, "of", "carriers"),
        ("search", "-k", 1, "--", "laws", "liability", "of", "carriers"),
    ):
        found = (
            answer(*words) if "--" not in words else json.loads(call("search", "--json", *words[1:]).stdout)
        )
        assert {**found, "seconds": 0} == {**quoted, "seconds": 0}
    assert (
        json.loads(call("search", "--json", "laws", "--", "-x", "carriers").stdout)["query"] == "-x carriers"
    )
    piped = call("search", "laws", "-", "-k", 1, "--json", stdin="liability of carriers\n").stdout
    assert json.loads(piped)["hits"] == quoted["hits"]


def test_the_table_says_where_and_shows_no_control_characters() -> None:
    head, snippet, place = call(
        "search", "cut", "carriers", "delay", "--format", "table", "-k", 1
    ).stdout.splitlines()
    assert head == "  1  Carriage <by> air  air"
    assert "Liability of carriers for delay. [2J" in snippet
    assert place.strip().startswith("passage 1 of 2, page 2  ")


def test_a_terminal_gets_colours_and_lines_that_fit(place: Path) -> None:
    shown = on_terminal("search", str(place / "laws"), "carriers", "-k", "1")
    assert "\x1b[1;31mcarriers\x1b[0m" in shown
    assert "\x1b[2J" not in shown
    assert "── passage 2" in on_terminal("show", str(place / "cut"), "air")


def on_terminal(*arguments: str) -> str:
    """What a command writes to a terminal of 80 columns; the pager is `cat`."""
    master, slave = pty.openpty()
    terminal = {"PAGER": "cat", "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run(
        [sys.executable, "-m", "retrieve", *arguments],
        env=os.environ | terminal,
        stdin=slave,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            read = os.read(master, 65_536)
        except OSError:
            break
        if not read:
            break
        shown += read
    os.close(master)
    return shown.decode()


def test_a_run_and_a_bench_compute_no_snippet(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked(*_: object) -> None:
        raise AssertionError("a snippet was computed")

    monkeypatch.setattr(snippets, "found_words", looked)
    monkeypatch.setattr(snippets, "sentence_spans", looked)
    data = tmp_path / "data"
    (data / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", DOCUMENTS), ("queries", [{"id": "q", "text": "carriers"}])):
        (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tair\t1\n")
    call("run", "laws", data, "--out", tmp_path / "a.run")
    call("bench", data, "--recipe", "bm25", "-m", "AP")
    call("search", "laws", "carriers", "--format", "trec")
    call("search", "laws", "carriers", "--format", "tsv")
    result = CliRunner().invoke(main, ["search", "laws", "carriers"])
    assert "a snippet was computed" in str(result.exception)


def test_show_in_a_pipe_is_the_text() -> None:
    text = DOCUMENTS[0]["text"]
    assert call("show", "laws", "air").stdout == f"{text}\n"
    assert call("show", "cut", "air", "--query", "carriers").stdout == f"{text}\n"
    passages = answer("show", "cut", "air")["passages"]
    assert call("show", "cut", "air", "--passage", 2).stdout == passages[1]["text"] + "\n"


def test_a_pipe_gets_words_whole_that_a_line_end_parted(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", "bm25") as index:
        index.add([Document("1", "Who is respon\u00ad\u00adsible for this opera\u00adtion?")])
    assert call("show", tmp_path / "i", "1").stdout == "Who is responsible for this opera\u00adtion?\n"


def test_show_as_json() -> None:
    shown = answer("show", "cut", "air", "--query", "delayed carrier")
    text = str(DOCUMENTS[0]["text"])
    assert (shown["doc_id"], shown["text"], shown["metadata"]) == ("air", text, {"year": 1999})
    assert [text[start:end] for start, end in shown["highlights"]] == ["carriers", "delay"]
    assert [passage["page"] for passage in shown["passages"]] == [1, 2]
    second = answer("show", "cut", "air", "--passage", 2, "--query", "ours first")
    assert second["passages"] == shown["passages"][1:]
    assert [text[start:end] for start, end in second["highlights"]] == ["ours"]
    assert answer("show", "laws", "none")["passages"] == []


def test_show_on_a_terminal_numbers_passages_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    paged: list[str] = []
    monkeypatch.setattr(click, "echo_via_pager", lambda pieces: paged.append("".join(pieces)))

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(show, "sys", type("sys", (), {"stdout": Terminal()}))
    call("show", "cut", "air", "--query", "carriers")
    plain = click.unstyle(paged[0])
    assert "── passage 1, page 1 ──" in plain and "── passage 2, page 2 ──" in plain
    assert "\x1b[2J" not in paged[0] and "\x0c" not in plain
    assert click.style("carriers", fg="red", bold=True) in paged[0]
    words = [word for word in plain.split() if "─" not in word]
    for word in str(DOCUMENTS[0]["text"]).replace("\x1b", " ").split():
        assert word in words


def test_show_what_is_not_there() -> None:
    assert "no document 'nowhere'" in call("show", "laws", "nowhere", status=2).stderr
    assert "no document 'Airr' in" in (said := call("show", "laws", "Airr", status=2).stderr)
    assert "(did you mean 'air'?)" in said
    assert "has 2 passages" in call("show", "cut", "air", "--passage", 3, status=2).stderr
    call("show", "cut", "air", "--passage", 0, status=2)


def test_analyze_prints_words_and_their_terms() -> None:
    rows = [
        row.split("\t")
        for row in call("analyze", "The", "Carriers", "承运人", "--recipe", "bm25").stdout.splitlines()
    ]
    assert rows == [
        ["word", "terms"],
        ["The", "–"],
        ["Carriers", "carrier"],
        *([word, word] for word in ("承", "承运", "运", "运人", "人")),
    ]
    german = answer("analyze", "Die Häuser", "--recipe", "bm25", "--set", "bm25.language=german")
    assert [word["terms"] for word in german["words"]] == [["die"], Analyzer("german").terms("Häuser")]
    assert call("analyze", "-", "--recipe", "bm25", stdin="carriers\n").stdout.endswith("carriers\tcarrier\n")
    assert "no BM25 view" in call("analyze", "law", "--recipe", "flat", status=2).stderr


def test_sample_shows_passages_from_all_over_the_index(place: Path) -> None:
    made = answer("index", "sample", "cut", "-n", 2)["passages"]
    with Index.open(place / "cut") as index:
        everything = [passage for doc_id in sorted(index.ids()) for passage in index.passages(doc_id)]
        titles = {document.id: document.title for document in index.get_many(index.ids()) if document}
    assert [passage["text"] for passage in made] == [
        everything[len(everything) // 4].text,
        everything[3 * len(everything) // 4].text,
    ]
    for passage in made:
        fed = f"{titles[passage['doc_id']]} {passage['text']}"
        assert passage["terms"] == Analyzer().terms(fed)
    assert len(answer("index", "sample", "cut", "-n", 100)["passages"]) == len(everything)
    assert "\x1b" not in call("index", "sample", "cut", "-n", 100).stdout
    call("index", "sample", "cut", "-n", 0, status=2)


def test_a_sample_has_no_deleted_passage(tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", "bm25") as index:
        index.add([{"id": str(number), "text": f"text {number}"} for number in range(20)])
        index.delete([str(number) for number in range(0, 20, 2)])
        index.add([{"id": "new", "text": "text"}])
        ids = [passage.doc_id for passage in index.sample(100)]
        assert sorted(ids) == sorted([*map(str, range(1, 20, 2)), "new"])
        assert len({passage.doc_id for passage in index.sample(3)}) == 3
    with Index.create(tmp_path / "empty", "bm25") as index:
        assert index.sample(3) == []


def test_create_says_what_to_type_next(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(json.dumps(DOCUMENTS[0]) + "\n")
    name = str(tmp_path / "an index")
    made = call("index", "create", name, corpus, "--recipe", "bm25")
    assert made.stderr.splitlines()[-1] == f"next: retrieve search '{name}' \"your question\""
    assert "next" not in made.stdout
    empty = call("index", "create", tmp_path / "b", "--recipe", "bm25")
    assert empty.stderr.splitlines()[-1] == f"next: retrieve index add {tmp_path / 'b'} SOURCE"
    assert "next" not in call("index", "create", tmp_path / "c", corpus, "--recipe", "bm25", "--json").stderr
    assert "next" not in call("-q", "index", "create", tmp_path / "d", corpus, "--recipe", "bm25").stderr


def test_csv_is_read_back_as_it_was_found() -> None:
    printed = call("search", "laws", "carriers", "commas", "الناقل", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    hits = answer("search", "laws", "carriers", "commas", "الناقل")["hits"]
    assert list(rows[0]) == ["rank", "id", "title", "score", "snippet", "place", "year"]
    assert [row["id"] for row in rows] == [hit["doc_id"] for hit in hits]
    assert [row["snippet"] for row in rows] == [hit["snippet"] for hit in hits]
    assert [float(row["score"]) for row in rows] == pytest.approx([hit["score"] for hit in hits], rel=1e-5)
    odd = next(row for row in rows if row["id"] == "=1+1")
    assert odd["title"] == "Two lines" and 'A "quoted", comma;' in odd["snippet"]
    assert next(row for row in rows if row["id"] == "air")["place"] == "page 2"
    assert "choose one" in call("search", "laws", "x", "--csv", "--json", status=2).stderr


def test_a_page_of_hits_is_escaped_and_highlighted(tmp_path: Path) -> None:
    page = tmp_path / "hits.html"
    query = "carriers <script>alert(1)</script> air الناقل"
    call("search", "cut", query, "--html", page, "--json")
    shown = page.read_text(encoding="utf-8")
    assert "<script" not in shown and "&lt;script&gt;alert(1)" in shown
    assert "Carriage &lt;by&gt; <mark>air</mark>" in shown
    assert "<mark>carriers</mark>" in shown and "<mark>الناقل</mark>" in shown
    assert 'class="snippet" dir="auto"' in shown
    assert "passage 2 of 2, page 2" in shown or "passage 1 of 2, page 2" in shown
    assert not {"\x1b", "\x00"} & set(shown)
    call("search", "laws", "zebra", "--html", page)
    assert "Nothing was found." in page.read_text(encoding="utf-8")
    assert (
        "cannot be a page"
        in call("search", "laws", "x", "--html", tmp_path / "no" / "x.html", status=2).stderr
    )


def test_the_version_says_what_this_machine_runs() -> None:
    plain, said = CliRunner().invoke(main, ["--version"]), CliRunner().invoke(main, ["--version", "--json"])
    assert plain.output == f"retrieve, version {version('retrieve-engine')}\n"
    found = json.loads(said.output)
    assert found["version"] == version("retrieve-engine")
    assert found["core"] in found["cores"]
    for wrong in (["--json"], ["-q"], ["--json", "demo"]):
        assert CliRunner().invoke(main, wrong).exit_code == 2

"""Queries in every format, and what is refused."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.queries import read_queries
from retrieve.errors import InputError
from retrieve.types import Query

TOPICS = """
<top>

<num> Number: 301
<title> International Organized
Crime &amp; more

<desc> Description:
Identify organizations.
</top>
<top><num>2</num><title>Topic: closed tags</title></top>
"""


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (
            '{"_id": "1", "text": "a", "metadata": {"x": 1}}\n\n{"id": "2", "text": " b"}',
            [("1", "a"), ("2", " b")],
        ),
        ("1048585\twhat is it\r\n2\t Androgen\n", [("1048585", "what is it"), ("2", " Androgen")]),
        (TOPICS, [("301", "International Organized Crime & more"), ("2", "closed tags")]),
        ("", []),
    ],
)
@pytest.mark.parametrize("name", ["q.txt", "q.gz", "-"])
def test_queries(
    content: str, wanted: list[tuple[str, str]], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content.encode()
    if name == "-":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        source: str | Path = name
    else:
        source = tmp_path / name
        source.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_queries(source) == [Query(*pair) for pair in wanted]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('{"id": "1", "text": "a"}\n{"id": "1", "text": "b"}', 2, "already on line 1"),
        ('{"id": "", "text": "a"}', 1, "id is empty"),
        ('{"id": "1", "text": " "}', 1, "query '1' has no text"),
        ('{"id": "1", "query": "a"}', 1, 'there is no "text"'),
        ("1\ta\n2\t\n", 2, "query '2' has no text"),
        ("1\ta\tb\n", 1, "3 tab-separated columns, wanted 2 (id, text)"),
        ("1\ta\tb\tc\n", 1, "4 tab-separated columns, wanted 2"),
        ("no tab\n", 1, "1 tab-separated columns"),
        ("\n<top>\n<num> 1\n<desc> x\n</top>", 2, "the topic has no <title>"),
        ("<top>\n<title> x\n</top>", 1, "the topic has no <num>"),
        ("<top>\n<num> 1\n<title>\n</top>", 1, "has no text"),
        ("<top>\n<num> 1\n<title>a<title>b\n</top>", 1, "two <title>"),
        ("<top>\n<num> 1\n<title>a", 1, "<top> is never closed"),
    ],
)
def test_bad_queries(content: str, line: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "queries"
    path.write_text(content)
    with pytest.raises(InputError) as raised:
        read_queries(path)
    assert raised.value.where == f"{path}:{line}"
    assert message in str(raised.value)


def test_a_folder_needs_a_query_file_and_skipping_works(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no queries\.jsonl"):
        read_queries(tmp_path)
    (tmp_path / "queries.jsonl").write_text('{"id": "1", "text": ""}\n{"id": "2", "text": "b"}')
    assert read_queries(tmp_path, options=ReadOptions(skip_bad=True)) == [Query("2", "b")]
    with pytest.raises(InputError, match="none: cannot be read: No such file"):
        read_queries(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.csv", 'id,text\nq1,"who, if any, is liable"\nq2,what folds\n'),
        ("q.csv", 'court;query;qid\nx;who, if any, is liable;q1\ny;"what folds";q2\n'),
        ("q.csv.gz", 'id,text\nq1,"who, if any, is liable"\nq2,what folds\n'),
        ("q.tsv", "Question\tID\nwho, if any, is liable\tq1\nwhat folds\tq2\n"),
        ("q", "query_id\tquery\nq1\twho, if any, is liable\nq2\twhat folds\n"),
    ],
)
def test_tables(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    assert read_queries(path) == [Query("q1", "who, if any, is liable"), Query("q2", "what folds")]


@pytest.mark.parametrize("name", ["q.txt", "Q.TXT", "q.txt.gz"])
def test_a_txt_of_one_question_a_line(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = "\ufeff1999 acts of carriers \r\n\n  what folds, and who; when?\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with caplog.at_level("INFO", "retrieve"):
        found = read_queries(tmp_path / name)
    assert found == [Query("1", "1999 acts of carriers"), Query("2", "what folds, and who; when?")]
    assert f"{name}: one question a line, with the ids 1 to 2" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.txt", "1 who is liable\n2. what folds\n", "every line begins with a number: put a tab behind it"),
        ("q.txt", "who is liable\nq2\twhat folds\n", "q.txt:2: has a tab, and the first line has none"),
        (
            "q.csv",
            "q1,who is liable\n",
            "has no column 'id', 'text'; the heading has 'q1', 'who is liable': call",
        ),
        (
            "q.csv",
            "qid,query_text\n1,x\n",
            "has no column 'id', 'text'; the heading has 'qid', 'query_text': call",
        ),
        ("q.dat", "who is liable\n", "1 tab-separated columns, wanted 2 (id, text)"),
    ],
)
def test_what_could_be_otherwise_is_refused_with_an_example(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as raised:
        read_queries(tmp_path / name)
    assert message in str(raised.value)
    assert name == "q.csv" or "in a .tsv: q1⇥who is liable; in a .csv: a first line id,text" in str(
        raised.value
    )

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

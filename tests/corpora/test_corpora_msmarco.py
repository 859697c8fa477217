"""MS MARCO's files under their names: the collection alone is indexed, each split has its queries and judgments."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from retrieve.corpora.dataset import read_dataset
from retrieve.corpora.msmarco import judged_split
from retrieve.corpora.open import open_corpus
from retrieve.corpora.queries import read_queries
from retrieve.errors import InputError
from retrieve.types import Document

PASSAGES = {
    "collection.tsv": "0\tThe carrier is liable.\n7\tA protein folds.\n",
    "queries.dev.small.tsv": "12\twho is liable\n13\twhat folds\n",
    "qrels.dev.small.tsv": "12\t0\t0\t1\n",
    "queries.train.tsv": "1\twithout judgments here\n",
    "msmarco-test2019-queries.tsv": "9\tprotein\n",
    "2019qrels-pass.txt": "9 0 7 3\n9 Q0 0 0\n",
    "topics.dl20.txt": "20\tliability\n",
    "qrels.dl20-passage.txt": "20 0 0 2\n",
}
DOCUMENTS = {
    "msmarco-docs.tsv": "D1\thttp://a\tTitle\tBody.\nD2\thttp://b\t\tOther body.\n",
    "msmarco-docdev-queries.tsv": "3\tbody\n",
    "msmarco-docdev-qrels.tsv": "3 0 D2 1\n",
    "msmarco-test2019-queries.tsv": "9\tbody\n",
    "2019qrels-docs.txt": "9 0 D1 2\n",
    "2019qrels-pass.txt": "9 0 7 3\n",
}


def _folder(place: Path, files: Mapping[str, str], *, packed: bool = False) -> Path:
    place.mkdir()
    for name, text in files.items():
        if packed:
            (place / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (place / name).write_text(text)
    return place


@pytest.mark.parametrize("packed", [False, True])
def test_passages(tmp_path: Path, packed: bool) -> None:
    folder = _folder(tmp_path / "msmarco", PASSAGES, packed=packed)
    assert [document.id for document in open_corpus(folder)] == ["0", "7"]
    found = {split: read_dataset(folder, split) for split in ("dev.small", "dl19", "dl20")}
    assert {split: data.qrels for split, data in found.items()} == {
        "dev.small": {"12": {"0": 1}},
        "dl19": {"9": {"7": 3, "0": 0}},
        "dl20": {"20": {"0": 2}},
    }
    assert [query.text for query in found["dev.small"].queries] == ["who is liable", "what folds"]
    assert found["dl19"].name == "msmarco"
    with pytest.raises(InputError, match=r"no split 'test'.*in the folder: dev\.small, dl19, dl20"):
        read_dataset(folder)


def test_documents(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "docs", DOCUMENTS)
    first = next(iter(open_corpus(folder)))
    assert (first.id, first.title, first.text, first.metadata["url"]) == ("D1", "Title", "Body.", "http://a")
    assert read_dataset(folder, "dev").qrels == {"3": {"D2": 1}}
    assert read_dataset(folder, "dl19").qrels == {"9": {"D1": 2}}, "those of documents, not of passages"


def test_a_split_of_ones_own_name(tmp_path: Path) -> None:
    files = {
        "collection.tsv": PASSAGES["collection.tsv"],
        "queries.mine.tsv": "1\tx\n",
        "qrels.mine.tsv": "1 0 7 1\n",
    }
    folder = _folder(tmp_path / "m", files)
    assert judged_split(folder, "mine").queries.name == "queries.mine.tsv"


def test_what_is_ambiguous_or_missing_is_said(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "two", PASSAGES)
    (folder / "collection.tsv.gz").write_bytes(gzip.compress(b"0\tx\n"))
    with pytest.raises(InputError, match=r"collection\.tsv, collection\.tsv\.gz: keep one"):
        open_corpus(folder)
    bare = _folder(tmp_path / "bare", {"collection.tsv": "0\tx\n"})
    with pytest.raises(InputError, match="splits in the folder: none"):
        read_dataset(bare, "dl19")


@pytest.mark.parametrize(
    "heading",
    [
        "#DocID\tTitle",
        "pid\tPassage",
        "docno\tbody",
        "corpus-id\ttext",
        "query_id\tquery_text",
        "num\tquestion",
    ],
)
def test_a_heading_is_passed_over_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, heading: str
) -> None:
    path = tmp_path / "c.tsv"
    path.write_text(f"{heading}\n0\thello world\n1\tid\n")
    assert [document.id for document in open_corpus(path)] == ["0", "1"]
    assert [query.id for query in read_queries(path)] == ["0", "1"]
    assert f"c.tsv:1: taken for a heading and passed over: {heading}" in caplog.text


def test_the_columns_of_documents_are_passed_over_too(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text('docid\turl\ttitle\tbody\nD1\thttp://a\tA\t"b" is text\n')
    assert list(open_corpus(path)) == [Document("D1", '"b" is text', "A", {"url": "http://a"})]


@pytest.mark.parametrize(
    "heading",
    [
        "text\tpid",
        "nr\tname\tinhalt\tjahr",
        "id\ttitle\turl\tbody",
        "id\ttitle\tbody",
        "docid\tTitle\tLong Text",
    ],
)
def test_names_of_other_columns_are_refused(tmp_path: Path, heading: str) -> None:
    path = tmp_path / "c.tsv"
    path.write_text(f"{heading}\n1\tx\ty\tz\n")
    with pytest.raises(
        InputError, match=r"c\.tsv:1: the line seems to name columns.*not id and text: call two"
    ):
        list(open_corpus(path))


@pytest.mark.parametrize("line", ["id\thello", "ids\ttext", "7\ttext"])
def test_a_first_line_that_does_not_only_name_columns_is_a_passage(tmp_path: Path, line: str) -> None:
    path = tmp_path / "c.tsv"
    path.write_text(f"{line}\n0\thello world\n")
    assert len(list(open_corpus(path))) == 2


def test_marks_of_joined_files_are_no_part_of_an_id(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "c.tsv").write_bytes(mark + b"1\thello\n" + mark + mark + b"2\tworld\n")
    (tmp_path / "c.jsonl").write_bytes(
        mark + b'{"_id": "1", "text": "a"}\n' + mark + b'{"_id": "2", "text": "b"}\n'
    )
    (tmp_path / "c.csv").write_bytes(mark + b"id,text\n1,a\n" + mark + b"2,b\n")
    for name in ("c.tsv", "c.jsonl", "c.csv"):
        assert [document.id for document in open_corpus(tmp_path / name)] == ["1", "2"], name


@pytest.mark.parametrize("text", ["id,text\n1,a\nid,text\n2,b\n", "pid\tpassage\n1\ta\npid\tpassage\n2\tb\n"])
def test_the_heading_of_a_second_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / ("c.csv" if "," in text else "c.tsv")
    path.write_text(text)
    with pytest.raises(InputError, match=r"c\.[ct]sv:3.*the heading again"):
        list(open_corpus(path))


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        (
            "c.jsonl",
            '{"_id": "1", "text": "a"}\ufeff{"_id": "2", "text": "b"}\n',
            "a byte order mark at column 26",
        ),
        ("c.jsonl", '{"\ufeffid": "1", "text": "a"}\n', "the key '.ufeffid' begins with a byte order mark"),
        ("c.jsonl", '{"id": "\ufeff1", "text": "a"}\n', "id begins with a byte order mark"),
        ("c.trec", "<DOC><DOCNO>\ufeff1</DOCNO>a</DOC>\n", "id begins with a byte order mark"),
    ],
)
def test_a_mark_that_is_not_seen_is_named(tmp_path: Path, name: str, text: str, error: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"{name}:1: {error}"):
        list(open_corpus(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.trec", "<DOC><DOCNO>1</DOCNO>a</DOC>\ufeff<DOC><DOCNO>2</DOCNO>b</DOC>"),
        (
            "q.xml",
            '<topics><topic id="1"><query>a</query></topic><topic id="2"><query>b</query></topic></topics>',
        ),
        ("q.xml", '<?xml version="1.0" encoding="latin-1"?><t><q id="1">ä</q><q id="2">b</q></t>'),
        ("q.sgml", "<top><num>1<title>a</top>\n\ufeff<top><num>2<title>b</top>"),
        ("q.tsv", "1\ta\n\ufeff2\tb\n"),
    ],
)
def test_marks_in_front_are_read_over(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(f"\ufeff\ufeff{text}", encoding="utf-8")
    found = open_corpus(tmp_path / name) if name.startswith("c") else read_queries(tmp_path / name)
    assert [each.id for each in found] == ["1", "2"]
    assert next(each.text for each in found) in ("a", "ä")


@pytest.mark.parametrize("name", ["a.md", "a.html", "a.eml"])
def test_marks_in_files_are_no_part_of_title_or_text(tmp_path: Path, name: str) -> None:
    texts = {
        "a.md": "\ufeff\ufeff# T\n\ufeffbody",
        "a.html": "\ufeff\ufeff<title>T</title>body",
        "a.eml": "\ufeff\ufeffSubject: T\n\nbody",
    }
    (tmp_path / name).write_text(texts[name], encoding="utf-8")
    (document,) = open_corpus(tmp_path / name)
    assert document.title == "T"
    assert "\ufeff" not in document.text

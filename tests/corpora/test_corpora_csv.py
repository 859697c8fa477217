"""CSV tables as collections: cells as they are, and damaged rows by file and line."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.open import open_corpus
from retrieve.errors import InputError
from retrieve.types import Document


def written(folder: Path, data: str | bytes) -> Path:
    path = folder / "a.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_columns_become_a_document(encoding: str, tmp_path: Path) -> None:
    table = 'id,year,text,title\r\n007,1999,"two\r\nlines, ""quoted""",T\r\n1e5,,x,\r\n'
    assert list(open_corpus(written(tmp_path, table.encode(encoding)))) == [
        Document("007", 'two\r\nlines, "quoted"', "T", {"year": "1999"}),
        Document("1e5", "x", "", {"year": ""}),
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("heading", [("id", "title", "text", "jahr"), ("DocID", "Title", " TEXT ", "jahr")])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_heading_tells_what_separates_cells(
    mark: str, heading: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    if name == "a.tsv" and mark != "\t":
        pytest.skip("a .tsv has tabs")
    rows = [heading, ("7", "Tort", "1,5 ; liable", "1999"), ("8", "", '"quoted"', "2001")]
    file = io.StringIO()
    csv.writer(file, delimiter=mark).writerows(rows)
    (tmp_path / name).write_text(file.getvalue())
    assert list(open_corpus(tmp_path / name)) == [
        Document("7", "1,5 ; liable", "Tort", {"jahr": "1999"}),
        Document("8", '"quoted"', "", {"jahr": "2001"}),
    ]


def test_one_of_two_ids_is_the_id(tmp_path: Path) -> None:
    assert list(open_corpus(written(tmp_path, "docid,id,text\n1,a,t\n"))) == [
        Document("a", "t", "", {"docid": "1"})
    ]


def test_damaged_rows_are_told_by_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, 'id,text\na,"two\nlines"\nb,x,y\n,z\nc,"q"r\nd,good\nd,again\n')
    corpus = open_corpus(path, options=ReadOptions(skip_bad=True))
    assert [document.id for document in corpus] == ["a", "d"]
    assert corpus.skipped == 4
    with pytest.raises(InputError, match=r"a\.csv:4: 3 columns, and the heading has 2: quote"):
        list(open_corpus(path))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id;body\na;b\n", "has no column 'text'; the heading has 'id', 'body': call them id and text"),
        ("id;text;x\na;b\n", r"a\.csv:2: 2 columns, and the heading has 3: quote cells with semicolons"),
        ("id,body\na,b\n", "has no column 'text'; the heading has 'id', 'body': call them id and text"),
        ("id,text,text\na,b,c\n", "has the column 'text' twice"),
        ("id,text,x,x\na,b,c,d\n", "has the column 'x' twice"),
        ("", "is empty, wanted a heading"),
        (b"id,text\na,\xff\n", r"a\.csv:2: byte 3 \(0xff\) is not UTF-8"),
        ("id,text\na,b\0\n", r"a\.csv:2"),
    ],
)
def test_a_table_that_is_no_collection(table: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        list(open_corpus(written(tmp_path, table)))


def test_other_tables_beside_texts_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "labels.csv").write_text("file,labels\na.txt,x\n")
    (tmp_path / "a.txt").write_text("text")
    with caplog.at_level(logging.WARNING, "retrieve"):
        assert [document.id for document in open_corpus(tmp_path)] == ["a.txt"]
    assert "1 .csv" in caplog.text
    (tmp_path / "labels.csv").write_text("id,text\nx,y\n")
    with pytest.raises(InputError, match=r"holds 1 text \(files\) and 1 csv"):
        open_corpus(tmp_path)
    assert [document.id for document in open_corpus(tmp_path, format="csv")] == ["x"]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=6),
    form=st.sampled_from([("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")]),
)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str]], form: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=form[1])
    writer.writerow(("note", "text", "id"))
    writer.writerows((note, text, f"d{number}") for number, (note, text) in enumerate(rows))
    path = tmp_path_factory.mktemp("csv") / form[0]
    path.write_bytes(file.getvalue().encode())
    read = [(document.metadata["note"], document.text) for document in open_corpus(path)]
    assert read == rows

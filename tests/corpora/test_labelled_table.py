"""Tables: quoting, line numbers, separators, and what the csv module would let pass."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_files import written

from retrieve.corpora.corpus import ReadOptions
from retrieve.corpora.labelled.open import read_labelled
from retrieve.errors import InputError, UsageError

SKIP = ReadOptions(skip_bad=True)


def labels_of(data: Any) -> dict[str, Any]:
    return {labelled.document.id: labelled.labels for labelled in [*data.train, *data.unlabelled]}


def test_a_table(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv",
        'id,title,text,labels,year,split\r\n00123,T,"a ""quoted"", text",x; y,1999,train\r\n#1,,b,,,test\r\n'
        "2,,c,x,2001,test\r\n",
    )
    data = read_labelled(path)
    first = data.train[0]
    assert (first.document.id, first.document.text, first.labels) == ("00123", 'a "quoted", text', ("x", "y"))
    assert (first.document.title, first.document.metadata) == ("T", {"year": "1999"})
    assert data.task == "multilabel"
    assert labels_of(data)["#1"] is None
    assert [labelled.document.id for labelled in data.test] == ["2"]
    assert "labels in a cell are separated by ;" in data.remarks


def test_an_empty_cell_may_say_none_of_the_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,text,labels\n1,a,x|y\n2,b,\n")
    assert labels_of(read_labelled(path)) == {"1": ("x", "y"), "2": None}
    assert labels_of(read_labelled(path, empty_labels="none")) == {"1": ("x", "y"), "2": ()}


def test_the_separator_is_told_or_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,text,labels\n1,a,x;y\n2,b,p|q\n")
    with pytest.raises(UsageError, match="separator="):
        read_labelled(path)
    assert labels_of(read_labelled(path, separator="|")) == {"1": ("x;y",), "2": ("p", "q")}
    assert labels_of(read_labelled(path, separator="")) == {"1": ("x;y",), "2": ("p|q",)}
    with pytest.raises(UsageError, match="wanted one of"):
        read_labelled(path, separator=",")


def test_columns_by_another_name_and_tabs(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfnr\tbody\ttags\n1\ta, b\tx;y\n"))
    data = read_labelled(path, columns={"id": "nr", "text": "body", "labels": "tags"})
    assert data.train[0].document.text == "a, b"
    assert data.train[0].labels == ("x", "y")
    with pytest.raises(InputError, match=r"no column 'labels'; the heading has 'nr', 'body', 'tags'"):
        read_labelled(path, columns={"id": "nr", "text": "body"})
    with pytest.raises(UsageError, match="columns \\['body'\\]"):
        read_labelled(path, columns={"body": "text"})


def test_lines_are_right_after_quoted_line_breaks(tmp_path: Path) -> None:
    """The row with the repeated id starts on line 6; the csv module would say the line on which it ends."""
    path = written(tmp_path / "a.csv", 'id,text,labels\n1,"one\ntwo\n\nfour",x;y\n1,"b\nc",x\n')
    with pytest.raises(InputError, match=r"a\.csv:6: id '1' occurs again.*a\.csv:2;"):
        read_labelled(path)
    data = read_labelled(path, options=SKIP)
    assert data.train[0].document.text == "one\ntwo\n\nfour"
    assert data.skipped == 1


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("2,b,x,more", "4 columns, and the heading has 3"),
        ("2,b", "2 columns"),
        (",b,x", "id is empty"),
        ("2,b,x;;y", "blank"),
        ("2,b,x;x", "twice"),
        ('2,"b"c,x', "not a row of the table"),
        ("2,b\0,x", "NUL"),
    ],
)
def test_a_bad_row_is_named_by_its_line_or_skipped(tmp_path: Path, bad: str, says: str) -> None:
    path = written(tmp_path / "a.csv", f"id,text,labels\n1,a,x;y\n\n{bad}\n3,c,y\n")
    with pytest.raises(InputError, match=says) as caught:
        read_labelled(path)
    assert str(caught.value).startswith(f"{path}:4: ")
    data = read_labelled(path, options=SKIP)
    assert (list(labels_of(data)), data.skipped) == (["1", "3"], 1)


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(tmp_path: Path) -> None:
    """Without its strict mode the csv module gives one long last field and no error."""
    path = written(tmp_path / "a.csv", 'id,text,labels\n1,a,x;y\n2,"b,x\n3,c,y\n')
    with pytest.raises(InputError, match=r"a\.csv:3: is not a row of the table"):
        read_labelled(path)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,text,labels\n1,"a\nb\xe4",x;y\n')
    with pytest.raises(InputError, match=r"a\.csv:3: byte 2 \(0xe4\) is not UTF-8"):
        read_labelled(path)


def test_huge_fields_up_to_the_limit(tmp_path: Path) -> None:
    """The module's own limit of 131,072 characters is one of the process, and is left as it was."""
    before = csv.field_size_limit()
    path = written(tmp_path / "a.csv", f'id,text,labels\n1,"{"a " * 200_000}",x;y\n2,b,x\n')
    assert len(read_labelled(path).train[0].document.text) == 400_000
    with pytest.raises(InputError, match=r"a\.csv:2: longer than 1,000 bytes"):
        read_labelled(path, options=ReadOptions(max_line=1000))
    data = read_labelled(path, options=ReadOptions(max_line=1000, skip_bad=True))
    assert (list(labels_of(data)), data.skipped) == (["2"], 1)
    assert csv.field_size_limit() == before


cells = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=20)
labels = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5)


@given(
    st.dictionaries(
        cells.filter(bool),
        st.tuples(cells, st.lists(labels, min_size=1, unique=True, max_size=3)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(";|"),
)
def test_what_the_csv_module_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, Any], separator: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "labels"])
        writer.writerows([doc_id, text, separator.join(found)] for doc_id, (text, found) in rows.items())
    data = read_labelled(path, task="multilabel", separator=separator)
    found = {d.document.id: (d.document.text, list(d.labels or ())) for d in data.train}
    assert found == rows


def test_a_table_of_other_separators_says_so(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("id;text;labels\n1;a text;x\n")
    with pytest.raises(InputError, match="columns parted by ';' as it seems"):
        read_labelled(tmp_path / "d.csv")

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
        read_labelled(path, separator="/")


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


def test_what_parts_cells_is_told_by_the_heading(tmp_path: Path) -> None:
    """Excel writes semicolons where the comma is the decimal point, and a byte order mark."""
    table = written(tmp_path / "d.csv", '\ufeffID;Text;Label\r\n1;a, b;x\r\n2;c;"y;z"\r\n')
    assert labels_of(read_labelled(table)) == {"1": ("x",), "2": ("y", "z")}
    assert labels_of(read_labelled(written(tmp_path / "t.csv", "id\ttext\tlabels\n1\ta\tx\n2\tb\ty\n"))) == {
        "1": ("x",),
        "2": ("y",),
    }
    with pytest.raises(InputError, match=r"no column 'id', 'text', 'labels'; the heading has 'Nr', 'Body'"):
        read_labelled(written(tmp_path / "n.csv", "Nr;Body\n1;a\n"))
    with pytest.raises(InputError, match=r"columns parted by '\|' as it seems"):
        read_labelled(written(tmp_path / "p.csv", "id|text|labels\n1|a|x\n"))


def test_a_list_in_a_cell_is_a_list(tmp_path: Path) -> None:
    """As `json.dumps` writes it, and as pandas does; what looks like one and is none is a label."""
    rows = [
        ("1", '["x", "y; z"]', ("x", "y; z")),
        ("2", "['x', 'it\\'s']", ("x", "it's")),
        ("3", "[]", ()),
        ("4", "", None),
        ("5", "[x]", ("[x]",)),
        ("6", "[1, 2]", ("1", "2")),
    ]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "text", "labels"), *((at, f"text {at}", cell) for at, cell, _ in rows)]
        )
    data = read_labelled(tmp_path / "a.csv")
    assert labels_of(data) == {at: found for at, _, found in rows}
    assert data.task == "multilabel"
    assert not any("separated" in remark for remark in data.remarks)


def test_a_comma_within_labels_is_said_and_parts_them_when_asked(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'id,text,labels\n1,a,"x, y"\n2,b,x\n')
    data = read_labelled(path)
    assert labels_of(data) == {"1": ("x, y",), "2": ("x",)}
    assert any(remark.startswith("1 cells have a comma") for remark in data.remarks)
    parted = read_labelled(path, separator=",")
    assert labels_of(parted) == {"1": ("x", "y"), "2": ("x",)}
    assert not any("comma" in remark for remark in parted.remarks)


def test_values_need_no_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,text,Importance\n1,a,3\n2,b,1.5\n")
    data = read_labelled(path, columns={"value": "Importance"})
    assert (data.task, [each.value for each in data.train]) == ("ordinal", [3.0, 1.5])
    with pytest.raises(InputError, match="no column 'labels'"):
        read_labelled(path)


def test_columns_are_names_by_names(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,text,area\n1,a,x\n2,b,y\n")
    with pytest.raises(UsageError, match=r"columns is 'area': name those.*--reading"):
        read_labelled(path, columns="area")
    with pytest.raises(UsageError, match="columns has 3"):
        read_labelled(path, columns={"labels": 3})

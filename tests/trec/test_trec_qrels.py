"""Judgments in both forms, and every line that is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import InputError
from retrieve.trec import read_qrels


def qrels_file(folder: Path, content: bytes) -> Path:
    path = folder / "qrels"
    path.write_bytes(content)
    return path


def test_trec_and_beir_forms(tmp_path: Path) -> None:
    expected = {"1": {"a": 2, "b": -1}, "2": {"a": 0}}
    trec = b"# comment\r\n1 0 a 2\r\n\n1\tQ0\tb\t-1\n2 0 a 0"
    beir = b"query-id\tcorpus-id\tscore\n1\ta\t2\n# comment\n1\tb\t-1\r\n2\ta\t0\n"
    assert read_qrels(qrels_file(tmp_path, trec)) == expected
    assert read_qrels(qrels_file(tmp_path, beir)) == expected
    for mark in (b" ", b"\t"):
        three = b"1 a 2\r\n# comment\n1 b -1\n2 a 0".replace(b" ", mark)
        assert read_qrels(qrels_file(tmp_path, three)) == expected


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"1 0 7\n1 0 8\n", 1, "3 columns of which the second is 0: is it an iteration or a document?"),
        (b"1 Q0 7\n", 1, "3 columns of which the second is Q0"),
        (b"1 a 2\n1 0 b 1\n", 2, "4 columns, wanted three, as on the first line"),
        (b"query doc grade\n1 a 2\n", 1, "seems to be a heading"),
        (
            b"1\tmy acts.txt\t1\n",
            1,
            "4 columns by white space and 3 by tabs: is there a space in an id? Begin",
        ),
        (b"1 0 a 1\n1\tmy acts.txt\t1\n", 2, "is there a space in an id?"),
        (b"qid\tdocid\trel\n1\ta\t1\n", 1, "seems to be a heading"),
        (b"query_id 0 doc_id relevance\n1 0 a 1\n", 1, "seems to be a heading"),
        (b"query-id\tscore\tcorpus-id\n1\t1\ta\n", 1, "in this order"),
        (b"query-id\tcorpus-id\tscore\n1\ta\t1\nquery-id\tcorpus-id\tscore\n", 3, "the heading again"),
        (b"1 0 a 1\xef\xbb\xbf2 0 b 1\n", 1, "a byte order mark inside the line"),
    ],
)
def test_columns_that_could_be_others_are_refused(
    tmp_path: Path, content: bytes, line: int, message: str
) -> None:
    path = qrels_file(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_qrels(path)
    assert caught.value.where == f"{path}:{line}"
    assert message in str(caught.value)


def test_a_table_is_split_at_tabs_only(tmp_path: Path) -> None:
    path = qrels_file(tmp_path, b"Query-ID\tcorpus-id\tscore\n1\tan id\t1\n")
    assert read_qrels(path) == {"1": {"an id": 1}}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"1 0 b\n", "3 columns, wanted four"),
        (b"1 0 b 1 more\n", "5 columns, wanted four"),
        (b"1 0 b 1.5\n", "grade '1.5' is no integer"),
        (b"1 0 b 1_0\n", "grade '1_0' is no integer"),
        (b"1 0 a 2\n", "document 'a' was judged for query '1' on line 1"),
        (b"1 0 a 1\n", "document 'a' was judged for query '1' on line 1"),
        (b"1 0 \xff 1\n", "not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: bytes, message: str) -> None:
    path = qrels_file(tmp_path, b"1 0 a 1\n" + bad)
    with pytest.raises(InputError) as caught:
        read_qrels(path)
    assert caught.value.where == f"{path}:2"
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "bad", [b"1\ta\n", b"1\t\t1\n", b"1 a 1\n", b"1\ta\t1\t1\n", b"query-id\tcorpus-id\tscore\n"]
)
def test_a_bad_row_of_a_table_is_named(tmp_path: Path, bad: bytes) -> None:
    path = qrels_file(tmp_path, b"query-id\tcorpus-id\tscore\n" + bad)
    with pytest.raises(InputError) as caught:
        read_qrels(path)
    assert caught.value.where == f"{path}:2"


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text("ab#é.", min_size=1).filter(lambda text: not text.startswith("#")),
        st.dictionaries(st.text("xy#界", min_size=1), st.integers(-5, 5), min_size=1),
    )
)
def test_written_by_hand_and_read_back(
    tmp_path_factory: pytest.TempPathFactory, qrels: dict[str, dict[str, int]]
) -> None:
    rows = [(query, document, grade) for query, grades in qrels.items() for document, grade in grades.items()]
    trec = "".join(f"{query} 0 {document} {grade}\n" for query, document, grade in rows)
    beir = "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows)
    three = "".join(f"{query} {document} {grade}\n" for query, document, grade in rows)
    for content in (trec, beir, three):
        assert read_qrels(qrels_file(tmp_path_factory.getbasetemp(), content.encode())) == qrels


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("RETRIEVE_DATA"), reason="$RETRIEVE_DATA is not set: real judgments")
@pytest.mark.parametrize(
    ("path", "queries", "judgments"),
    [
        ("scifact/qrels/test.tsv", 300, 339),
        ("msmarco-topics/qrels.dl19-passage.txt", 43, 9260),
        ("msmarco-topics/qrels.dl20-passage.txt", 54, 11386),
        ("msmarco-topics/qrels.msmarco-passage.dev-subset.txt", 6980, 7437),
    ],
)
def test_real_judgments(path: str, queries: int, judgments: int) -> None:
    qrels = read_qrels(Path(os.environ["RETRIEVE_DATA"]) / path)
    assert (len(qrels), sum(map(len, qrels.values()))) == (queries, judgments)


def test_marks_of_joined_files_are_no_part_of_a_query_id(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    path = tmp_path / "qrels"
    path.write_bytes(mark + b"q1 0 a 1\n" + mark + b"q2 0 b 1\n")
    assert read_qrels(path) == {"q1": {"a": 1}, "q2": {"b": 1}}

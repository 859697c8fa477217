"""Bad runs and judgments: one line that names file and line, exit status 1, and never a figure."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from retrieve.cli import main

RUN = b"q1 Q0 a 1 2.5 tag\nq1 Q0 b 2 1.5 tag\nq2 Q0 a 1 2.5 tag\n"
QRELS = b"q1 0 a 1\nq2 0 b 2\n"
TABLE = b"query-id\tcorpus-id\tscore\n"

BAD_RUNS = {
    "too few columns": (RUN + b"q2 Q0 b 2 1.5\n", ":4: 5 columns, wanted six"),
    "one word": (b"nothing\n", ":1: 1 columns, wanted six"),
    "judgments for a run": (
        QRELS,
        ":1: 4 columns, wanted six: query id, Q0, document id, rank, score, tag (is this a",
    ),
    "a header": (b"qid Q0 docid rank score tag\n" + RUN, ":1: score 'score' is no finite number"),
    "nan": (RUN + b"q3 Q0 a 1 NaN tag\n", ":4: score 'NaN' is no finite number"),
    "infinite": (RUN + b"q3 Q0 a 1 -Inf tag\n", ":4: score '-Inf'"),
    "too large for a number": (RUN + b"q3 Q0 a 1 1e400 tag\n", ":4: score '1e400'"),
    "a decimal comma": (RUN + b"q3 Q0 a 1 2,5 tag\n", ":4: score '2,5'"),
    "a space in an id": (
        RUN + b"q3 Q0 my doc 1 2.5 tag\n",
        ":4: 7 columns and the rank 'doc': is there a space",
    ),
    "a space in an id and no tag": (RUN + b"q3 Q0 my doc 1 2.5\n", ":4: 6 columns and the rank 'doc'"),
    "commas": (
        b"q1,Q0,a,1,2.5,tag\n",
        ":1: 1 columns, wanted six: query id, Q0, document id, rank, score, tag (are",
    ),
    "rank and score without a blank": (RUN + b"q3 Q0 a 12.5 tag x\n", ":4: score 'tag'"),
    "a pair twice": (RUN + b"q1 Q0 a 3 0.5 tag\n", ":4: document 'a' is listed twice for query 'q1'"),
    "no UTF-8": (RUN + b"q3 Q0 caf\xe9 1 1 tag\n", ":4: an id is not UTF-8"),
    "binary": (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}\n" + bytes(range(40)),
        ":1: a zero byte (a binary file",
    ),
    "zero bytes later": (RUN + b"q3 Q0 a\0 1 1 tag\n", ":4: a zero byte"),
    "UTF-16": (RUN.decode().encode("utf-16"), ":1: a zero byte (a binary file, or UTF-16)"),
    "CR alone": (RUN.replace(b"\n", b"\r"), ":1: a line ends in CR alone"),
    "packed under a plain name": (gzip.compress(RUN), ":1: compressed by gzip"),
    "empty": (b"", ": holds no hits"),
    "comments alone": (b"# a run\n\n \r\n", ": holds no hits"),
    "JSON": (b'{"q1": {"a": 2.5}}\n', ":1: 3 columns, wanted six"),
    "no query in common": (RUN.replace(b"q", b""), " (1, 2) and the judgments (q1, q2) share no query id"),
}
BAD_QRELS = {
    "too few columns": (QRELS + b"q3 0 a\n", ":3: 3 columns, wanted four"),
    "a run for judgments": (
        RUN,
        ":1: 6 columns, wanted four: query id, iteration, document id, grade (or three without the "
        "iteration, or BEIR's header first) (is this a run?)",
    ),
    "no integer": (QRELS + b"q3 0 a 0.5\n", ":3: grade '0.5' is no integer"),
    "nan": (QRELS + b"q3 0 a nan\n", ":3: grade 'nan' is no integer"),
    "a word": (QRELS + b"q3 0 a relevant\n", ":3: grade 'relevant' is no integer"),
    "a pair twice": (QRELS + b"q1 0 a 1\n", ":3: document 'a' was judged for query 'q1' on line 1"),
    "a pair twice, otherwise": (QRELS + b"q1 0 a 0\n", ":3: document 'a' was judged"),
    "no UTF-8": (QRELS + b"q3 0 caf\xe9 1\n", ":3: an id is not UTF-8"),
    "binary": (b"SQLite format 3\0\x10\0\n", ":1: a zero byte"),
    "CR alone": (QRELS.replace(b"\n", b"\r"), ":1: a line ends in CR alone"),
    "packed under a plain name": (gzip.compress(QRELS), ":1: compressed by gzip"),
    "empty": (b"", ": holds no judgments"),
    "a table's header alone": (TABLE, ": holds no judgments"),
    "a table with another header": (b"query\tdoc\tgrade\nq1\ta\t1\n", ":1: seems to be a heading"),
    "a table with a column left out": (TABLE + b"q1\t\t1\n", ":2: 3 columns, wanted three"),
    "a table of commas": (TABLE.replace(b"\t", b",") + b"q1,a,1\n", "first) (are there commas between?"),
    "a table with a weight": (TABLE + b"q1\ta\t1.0\n", ":2: grade '1.0' is no integer"),
    "a grade beyond reason": (QRELS + b"q3 0 a 123456789\n", "query 'q3' has grades from 123456789"),
}


def refused(verb: str, run: Path, qrels: Path, name: str, message: str) -> None:
    runs = [str(run)] if verb == "evaluate" else [str(run.with_name("good")), str(run)]
    result = CliRunner().invoke(main, [verb, *runs, str(qrels)])
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"retrieve: {name}")
    assert message in lines[0]


@pytest.mark.parametrize("verb", ["evaluate", "compare"])
@pytest.mark.parametrize(("content", "message"), BAD_RUNS.values(), ids=BAD_RUNS)
def test_bad_runs(tmp_path: Path, verb: str, content: bytes, message: str) -> None:
    (tmp_path / "good").write_bytes(RUN)
    (tmp_path / "bad").write_bytes(content)
    (tmp_path / "qrels").write_bytes(QRELS)
    refused(verb, tmp_path / "bad", tmp_path / "qrels", f"{tmp_path / 'bad'}", message)


@pytest.mark.parametrize("verb", ["evaluate", "compare"])
@pytest.mark.parametrize(("content", "message"), BAD_QRELS.values(), ids=BAD_QRELS)
def test_bad_judgments(tmp_path: Path, verb: str, content: bytes, message: str) -> None:
    for name in ("good", "other"):
        (tmp_path / name).write_bytes(RUN + b"q3 Q0 a 1 1 tag\n")
    (tmp_path / "bad").write_bytes(content)
    named = "" if message.startswith("query") else f"{tmp_path / 'bad'}"
    refused(verb, tmp_path / "other", tmp_path / "bad", named, message)


@pytest.mark.parametrize("which", ["run", "qrels"])
def test_files_that_are_not_there_or_not_whole(tmp_path: Path, which: str) -> None:
    good = {"run": tmp_path / "run", "qrels": tmp_path / "qrels"}
    good["run"].write_bytes(RUN)
    good["qrels"].write_bytes(QRELS)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(good[which].read_bytes())[:-5])
    (tmp_path / "plain.gz").write_bytes(RUN)
    (tmp_path / "good").write_bytes(RUN)
    for name in ("absent", "cut.gz", "plain.gz"):
        files = good | {which: tmp_path / name}
        refused(
            "evaluate", files["run"], files["qrels"], f"{tmp_path / name}: cannot be read", "cannot be read"
        )


def test_a_split_of_a_file_and_grades_that_nothing_reaches(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(RUN)
    (tmp_path / "qrels").write_bytes(QRELS)
    asked = ["evaluate", str(tmp_path / "run"), str(tmp_path / "qrels"), "-m", "P@1"]
    refused = CliRunner().invoke(main, [*asked, "--split", "dev"])
    assert (refused.exit_code, "leave it out" in refused.stderr) == (2, True)
    zero = CliRunner().invoke(main, [*asked, "--relevance-level", "3"])
    assert "no document is judged 3 or higher, the highest grade is 2" in zero.stderr
    assert zero.stdout == "measure\tvalue\nP(rel=3)@1\t0.0000\n"
    assert "no document" not in CliRunner().invoke(main, [*asked, "--relevance-level", "2"]).stderr


def test_what_is_only_unusual_is_measured(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(
        b"\xef\xbb\xbf# comment\r\n" + RUN.replace(b" ", b"\t").replace(b"\n", b" more\r\n")
    )
    (tmp_path / "qrels").write_bytes(QRELS)
    result = CliRunner().invoke(
        main, ["evaluate", str(tmp_path / "run"), str(tmp_path / "qrels"), "-m", "P@1"]
    )
    assert (result.exit_code, result.stdout) == (0, "measure\tvalue\nP@1\t0.5000\n")

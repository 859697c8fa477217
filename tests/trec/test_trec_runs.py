"""Runs: what is read, what is refused, and that a written run keeps its order under every reader's tie rule."""

from __future__ import annotations

import gzip
import io
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import InputError
from retrieve.trec import as_run, ordered, read_run, trec_eval_order, write_run

LINE = b"q1 Q0 d1 1 2.5 tag\n"
ids = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=6).filter(
    lambda text: text.split() == [text] and not text.startswith("#") and "\ufeff" not in text
)
floats = st.floats(allow_nan=False, allow_infinity=False)
scores = st.one_of(
    floats, st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-12, 1e-300, 3.4e38, -3.5e38, 1e308, -1e308])
)
runs = st.dictionaries(ids, st.dictionaries(ids, scores, min_size=1, max_size=30), min_size=1, max_size=4)


def run_file(folder: Path, content: bytes, name: str = "run") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_columns_comments_blank_lines_and_line_ends(tmp_path: Path) -> None:
    content = (
        b"\xef\xbb\xbfq1 Q0 d#1 9 2.5 tag\r\n# a comment\n\nq2\tQ0\td1\t1\t-1e3\ttag more columns\n"
        b"q1 Q0 d\xc2\xa02 1 3 tag"
    )
    expected = {"q1": {"d#1": 2.5, "d\u00a02": 3.0}, "q2": {"d1": -1000.0}}
    assert read_run(run_file(tmp_path, content)) == expected
    assert read_run(run_file(tmp_path, gzip.compress(content), "run.gz")) == expected


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"q1 Q0 d2 1 2.5\n", "5 columns, wanted six"),
        (b"q1 Q0 d2 1 nan tag\n", "score 'nan'"),
        (b"q1 Q0 d2 1 -inf tag\n", "score '-inf'"),
        (b"q1 Q0 d2 1 1e999 tag\n", "score '1e999'"),
        (b"q1 Q0 d2 1 1_0 tag\n", "score '1_0'"),
        (b"q1 Q0 d2 1 two tag\n", "score 'two'"),
        (b"q1 Q0 d1 2 2.5 tag\n", "document 'd1' is listed twice for query 'q1'"),
        (b"q1 Q0 d\xff 1 2.5 tag\n", "not UTF-8"),
        (b"q1 Q0 d2 1 2.5 tag\xef\xbb\xbfq2 Q0 d2 1 2.5 tag\n", "a byte order mark inside the line"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: bytes, message: str) -> None:
    path = run_file(tmp_path, b"# comment\n" + LINE + bad)
    with pytest.raises(InputError) as caught:
        read_run(path)
    assert caught.value.where == f"{path}:3"
    assert message in str(caught.value)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"q Q0 d%d 1 1 t\n" % place for place in range(1000)))
    bad = [
        tmp_path / "absent",
        tmp_path,
        run_file(tmp_path, whole[:-9], "cut.gz"),
        run_file(tmp_path, LINE, "no.gz"),
    ]
    for path in bad:
        with pytest.raises(InputError, match="cannot be read"):
            read_run(path)
    with pytest.raises(InputError, match="cannot be written"):
        write_run(tmp_path / "absent" / "run", [], "tag")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([LINE, b"#\n", b"q1 Q0 d2 1 1 t\r"]), st.binary(max_size=40))))
def test_any_bytes_give_a_run_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = run_file(tmp_path_factory.getbasetemp(), b"\n".join(lines))
    try:
        run = read_run(path)
    except InputError as error:
        assert error.where.startswith(f"{path}:")
    else:
        assert all(np.isfinite(list(documents.values())).all() for documents in run.values())


@settings(max_examples=100, deadline=None)
@given(runs)
def test_written_and_read_back_every_tie_rule_gives_our_order(
    tmp_path_factory: pytest.TempPathFactory, run: dict[str, dict[str, float]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written"
    write_run(path, [(query_id, ordered(documents)) for query_id, documents in run.items()], "tag")
    back = read_run(path)
    assert list(back) == list(run)
    in_memory = as_run((query_id, ordered(documents)) for query_id, documents in run.items())
    assert in_memory == {q: {d: float(np.float32(s)) for d, s in docs.items()} for q, docs in back.items()}
    for query_id, documents in run.items():
        ours = [document for document, _ in ordered(documents)]
        assert trec_eval_order(back[query_id]) == ours  # float32, ties by id descending
        assert [document for document, _ in ordered(back[query_id])] == ours  # float64, ties by id ascending
        written = list(back[query_id].values())
        assert all(float(np.float32(a)) > float(np.float32(b)) for a, b in pairwise(written))
    ranks = [line.split()[3] for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert ranks == [str(rank) for documents in run.values() for rank in range(1, len(documents) + 1)]


def test_distinct_float32_scores_are_written_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    scores = np.unique(rng.normal(size=500).astype(np.float32))[::-1]
    ranking = [(f"d{place}", float(score)) for place, score in enumerate(scores)]
    write_run(tmp_path / "run", [("q", ranking)], "tag")
    assert [np.float32(score) for score in read_run(tmp_path / "run")["q"].values()] == scores.tolist()


def test_ties_are_one_float32_step_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [("q", [("a", 1.0), ("b", 1.0), ("c", 0.5)])], "tag")
    assert np.nextafter(np.float32(1), np.float32(0)) == np.float32("0.99999994")
    assert (tmp_path / "run").read_text() == "q Q0 a 1 1.0 tag\nq Q0 b 2 0.99999994 tag\nq Q0 c 3 0.5 tag\n"


@pytest.mark.parametrize(
    ("query_id", "ranking", "tag", "message"),
    [
        ("q", [("d 1", 1.0)], "tag", "document id is 'd 1'"),
        ("q", [("d\u20031", 1.0)], "tag", "document id is"),
        ("q", [("", 1.0)], "tag", "document id is ''"),
        ("", [("d", 1.0)], "tag", "query id is ''"),
        ("#q", [("d", 1.0)], "tag", "comment"),
        ("\ufeffq", [("d", 1.0)], "tag", "byte order mark"),
        ("q", [("d\ufeff", 1.0)], "tag", "byte order mark"),
        ("q", [("d\ud800", 1.0)], "tag", "not UTF-8"),
        ("q", [("d", 1.0)], "my tag", "the tag is 'my tag'"),
        ("q", [("d", 1.0), ("d", 0.5)], "tag", "ranked twice"),
        ("q0", [("d", 1.0)], "tag", "ranked twice"),
        ("q", [("d", float("nan"))], "tag", "score nan"),
        ("q", [("d", float("inf"))], "tag", "score inf"),
        ("q", [("d", 1.0), ("e", 2.0)], "tag", "not in order"),
    ],
)
def test_what_no_run_can_hold_is_refused_and_nothing_changes(
    tmp_path: Path, query_id: str, ranking: list[tuple[str, float]], tag: str, message: str
) -> None:
    path = run_file(tmp_path, LINE)
    if message in {"ranked twice", "score nan", "score inf", "not in order"}:
        with pytest.raises(InputError, match=message):
            as_run([("q0", [("d", 1.0)]), (query_id, ranking)])
    with pytest.raises(InputError, match=message):
        write_run(path, [("q0", [("d", 1.0)]), (query_id, ranking)], tag)
    assert path.read_bytes() == LINE
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_gz_is_compressed_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a.run.gz", "b.run.gz"):
        write_run(tmp_path / name, [("q", [("d", 1.0)])], "tag")
    assert (tmp_path / "a.run.gz").read_bytes() == (tmp_path / "b.run.gz").read_bytes()
    assert read_run(tmp_path / "a.run.gz") == {"q": {"d": 1.0}}


def test_links_and_devices_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run_file(tmp_path, b"old"))
    write_run(tmp_path / "link", [("q", [("d", 1.0)])], "tag")
    assert (tmp_path / "link").is_symlink()
    assert read_run(tmp_path / "run") == {"q": {"d": 1.0}}
    write_run("/dev/null", [("q", [("d", 1.0)])], "tag")
    assert Path("/dev/null").is_char_device()


def test_dash_is_standard_input_and_output(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run("-", [("q", [("d", 1.0)])], "tag")
    out = capfdbinary.readouterr().out
    assert out == b"q Q0 d 1 1.0 tag\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out)))
    assert read_run("-") == {"q": {"d": 1.0}}


def test_orders() -> None:
    assert ordered({"b": 1.0, "a": 1.0, "c": 2.0}) == [("c", 2.0), ("a", 1.0), ("b", 1.0)]
    assert ordered({9: 1.0, 10: 1.0}) == [(9, 1.0), (10, 1.0)]
    same_in_float32 = {"a": 1.0 + 1e-12, "b": 1.0, "c": 2.0}
    assert trec_eval_order(same_in_float32) == ["c", "b", "a"]
    assert trec_eval_order({"a": 1e300, "b": 1e200, "c": -1e300}) == ["b", "a", "c"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(ids, scores))
def test_orders_are_those_of_plain_sorts(documents: dict[str, float]) -> None:
    assert ordered(documents) == sorted(documents.items(), key=lambda pair: (-pair[1], pair[0]))
    with np.errstate(over="ignore"):
        by_rule = sorted(
            sorted(documents, reverse=True), key=lambda document: -np.float32(documents[document])
        )
    assert trec_eval_order(documents) == by_rule

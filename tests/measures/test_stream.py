"""A run measured query by query from its file: the same as in memory, whatever the file is like."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_runs import pairs

from retrieve.errors import InputError, MeasureError
from retrieve.measures import stream
from retrieve.measures.evaluate import evaluate
from retrieve.measures.stream import evaluate_file
from retrieve.trec import Run, groups, read_run
from retrieve.trec.groups import Unusual, read_groups

NAMES = (
    *(
        "nDCG",
        "nDCG@5",
        "AP",
        "AP@5",
        "RR",
        "RR@3",
        "P@5",
        "R@5",
        "Success@3",
        "Rprec",
        "Bpref",
        "Judged@4",
        "Judged",
    ),
    *("IPrec@0.5", "AP(rel=2)", "Bpref(rel=2)", "IPrec(rel=2)@0.3"),
)


def written(run: Run, place: Path) -> Path:
    lines = [
        f"{query} Q0 {name} 0 {score!r} t\n" for query, hits in run.items() for name, score in hits.items()
    ]
    place.write_text("".join(lines), encoding="utf-8")
    return place


@pytest.mark.parametrize("block", [1, 50, 1 << 21])
def test_random_runs_are_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Also where blocks end inside lines and queries; the careful reader is out of reach."""
    monkeypatch.setattr(groups, "_BLOCK", block)
    monkeypatch.setattr(stream, "read_run", None)
    for number, (run, qrels) in enumerate(pairs(300, seed=block)):
        path = written(run, tmp_path / "run")
        for alone in (False, True):
            found = evaluate_file(path, qrels, NAMES, retrieved_only=alone)
            wanted = evaluate(run, qrels, NAMES, retrieved_only=alone)
            assert found[2:] == wanted[2:], number
            for name in NAMES:
                assert found.per_query[name] == pytest.approx(wanted.per_query[name], abs=1e-9), (
                    name,
                    run,
                    qrels,
                )
                assert found.means[name] == pytest.approx(wanted.means[name], abs=1e-9)


LINES = st.sampled_from(
    [
        *(
            f"q{q} Q0 d{d} 1 {score} t".encode()
            for q in (1, 2)
            for d in range(3)
            for score in ("1", "2.5", "-1e-3")
        ),
        b"q1 Q0 d\xc3\xa4 1 1 t",
        b"q1 Q0 d1 1 1 t more",
        b"q1 Q0 d1 1 1",
        b"# q1 Q0 d2 1 1 t",
        b"",
        b"q1\tQ0\td1  1 1 t ",
        b"q1 Q0 d1 1 1_0 t",
        b"q1 Q0 d1 1 nan t",
        b"q1 Q0 d1 1 x t",
        b"q1 Q0 d\xff 1 1 t",
        b"q1 Q0 d1 1 1 t\r",
        b"q1 Q0 d\0 1 1 t",
        b"\xef\xbb\xbfq1 Q0 d1 1 1 t",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, max_size=6), st.booleans(), st.booleans())
def test_any_file_gives_what_the_careful_reader_gives(
    tmp_path: Path, lines: list[bytes], last: bool, packed: bool
) -> None:
    content = b"\n".join(lines) + b"\n" * last
    path = tmp_path / ("run.gz" if packed else "run")
    path.write_bytes(gzip.compress(content) if packed else content)
    qrels = {"q1": {"d1": 1, "dä": 2}, "q2": {"d0": 1}}
    try:
        run = read_run(path)
        if not run:
            raise InputError(str(path), "holds no hits")  # noqa: TRY301
        wanted = evaluate(run, qrels, ["AP", "nDCG@2"])
    except (InputError, MeasureError) as error:
        with pytest.raises(type(error)) as caught:
            evaluate_file(path, qrels, ["AP", "nDCG@2"])
        assert str(caught.value).startswith(str(error))
    else:
        found = evaluate_file(path, qrels, ["AP", "nDCG@2"])
        assert found.means == pytest.approx(wanted.means, abs=1e-12)
        assert found[2:] == wanted[2:]


@pytest.mark.parametrize(
    "content",
    [
        b"q1 Q0 a 1 1 t\nq2 Q0 a 1 1 t\nq1 Q0 b 1 1 t\n",
        b"q1 Q0 a 1 1 t\nq1 Q0 a 2 0 t\n",
        b"q1 Q0 a 1 1\nq1 Q0 b 2 0 t more\n",
        b"q1 Q0 a 1 1 t\n# said\nq1 Q0 b 2 0 t\n",
    ],
)
def test_what_is_unusual_is_noticed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").write_bytes(content)
    with pytest.raises(Unusual):
        list(read_groups(tmp_path / "run"))


def test_measures_that_are_not_of_ranks(tmp_path: Path) -> None:
    ((run, qrels),) = pairs(1, seed=5)
    names = ["SetP", "NumRet", "nDCG(gains={1:5})@5", "AP"]
    assert evaluate_file(written(run, tmp_path / "run"), qrels, names) == evaluate(run, qrels, names)


def test_what_is_said_and_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written({"1": {"a": 1.0}, "9": {"a": 1.0}}, tmp_path / "run")
    with caplog.at_level(logging.WARNING, logger="retrieve"):
        evaluate_file(path, {"1": {"a": 1}, "2": {"a": 1}}, ["AP"], name="mine")
    assert "mine: 1 judged queries have no hits and count as zero: 2" in caplog.text
    assert "mine: 1 queries of the run have no judgments and are ignored: 9" in caplog.text
    with pytest.raises(MeasureError, match=r"mine \(1, 9\) and the judgments \(3\) share no query id"):
        evaluate_file(path, {"3": {"a": 1}}, ["AP"], name="mine")
    with pytest.raises(InputError, match="cannot be read"):
        evaluate_file(tmp_path / "absent", {"3": {"a": 1}}, ["AP"])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(path.read_bytes())[:-9])
    with pytest.raises(InputError, match="cannot be read"):
        evaluate_file(tmp_path / "cut.gz", {"3": {"a": 1}}, ["AP"])

"""The conventions around the measures: ties, queries without hits or judgments, levels; and each measure by hand."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import MeasureError, UsageError
from retrieve.measures.evaluate import evaluate
from retrieve.trec import Qrels, Run, ordered, read_run, trec_eval_order, write_run

BY_HAND = [
    "nDCG",
    "nDCG@3",
    "AP",
    "AP@3",
    "RR",
    "RR@3",
    "P@3",
    "R@3",
    "Success@3",
    "Judged@3",
    "Judged",
    "IPrec@0.5",
]
DOCUMENTS = "abcdefgh"
grades = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-1, 3), min_size=1)
hits = st.dictionaries(
    st.sampled_from(DOCUMENTS), st.sampled_from([-1.0, 0.0, 1.0, 1.0 + 1e-12, 1e300]), min_size=1
)


def gain(gains: list[int]) -> float:
    return sum(max(value, 0) / math.log2(rank + 1) for rank, value in enumerate(gains, start=1))


def slow(name: str, ranking: list[str], judged: dict[str, int], level: int) -> float:
    """A measure from its definition, for a ranking without ties."""
    name, _, at = name.partition("@")
    cutoff = int(at) if at.isdigit() else len(DOCUMENTS)
    top = ranking[:cutoff]
    relevant = {document for document, grade in judged.items() if grade >= level}
    ranks = [rank for rank, document in enumerate(top, start=1) if document in relevant]
    if name == "nDCG":
        ideal = gain(sorted(judged.values(), reverse=True)[:cutoff])
        return gain([judged.get(document, 0) for document in top]) / ideal if ideal else 0.0
    if name == "Judged":
        return sum(document in judged for document in top) / len(top)
    if not ranks:
        return 0.0
    if name == "IPrec":
        needed = max(1, math.floor(len(relevant) * float(at) + 0.5))
        everywhere = [rank for rank, document in enumerate(ranking, start=1) if document in relevant]
        return max((n / rank for n, rank in enumerate(everywhere, start=1) if n >= needed), default=0.0)
    return {
        "AP": sum(n / rank for n, rank in enumerate(ranks, start=1)) / len(relevant),
        "RR": 1 / ranks[0],
        "P": len(ranks) / cutoff,
        "R": len(ranks) / len(relevant),
        "Success": 1.0,
    }[name]


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from("1234"), grades, min_size=1),
    st.dictionaries(st.sampled_from("123456"), hits, min_size=1),
    st.integers(1, 2),
    st.booleans(),
)
def test_every_measure_is_its_definition_on_trec_evals_ranking(
    qrels: Qrels, run: Run, level: int, retrieved_only: bool
) -> None:
    if not qrels.keys() & run.keys():
        with pytest.raises(MeasureError, match="share no query"):
            evaluate(run, qrels, BY_HAND)
        return
    evaluation = evaluate(run, qrels, BY_HAND, relevance_level=level, retrieved_only=retrieved_only)
    counted = [query for query in qrels if query in run or not retrieved_only]
    assert evaluation.queries == len(counted)
    assert evaluation.missing == [query for query in qrels if query not in run]
    assert evaluation.ignored == [query for query in run if query not in qrels]
    for name, measure in zip(BY_HAND, evaluation.means, strict=True):
        expected = {
            query: slow(name, trec_eval_order(run[query]), qrels[query], level) if query in run else 0.0
            for query in counted
        }
        assert evaluation.per_query[measure] == pytest.approx(expected)
        assert evaluation.means[measure] == pytest.approx(sum(expected.values()) / len(expected))


@pytest.mark.parametrize(("relevant", "rank"), [("c", 1), ("b", 2), ("a", 3)])
def test_with_everything_tied_all_providers_see_one_ranking(relevant: str, rank: int) -> None:
    names = ["nDCG@1", "RR", "RR@10", "P@1", "Success@1", "Judged@1"]
    means = evaluate({"q": {"a": 1.0, "b": 1.0, "c": 1.0}}, {"q": {relevant: 1}}, names).means
    first = float(rank == 1)
    assert means == {
        **dict.fromkeys(names, first),
        "RR": pytest.approx(1 / rank),
        "RR@10": pytest.approx(1 / rank),
    }


def test_a_run_of_ours_is_measured_in_our_order(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [("q", ordered({"a": 1.0, "b": 1.0, "c": 1.0}))], "tag")
    means = evaluate(read_run(tmp_path / "run"), {"q": {"a": 1}}, ["RR", "RR@10", "nDCG@1"]).means
    assert means == {"RR": 1.0, "RR@10": 1.0, "nDCG@1": 1.0}


def test_missing_queries_count_as_zero_and_ignored_ones_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    run: Run = {"1": {"a": 1.0}, "3": {}, "9": {"a": 1.0}}
    qrels: Qrels = {"1": {"a": 1}, "2": {"b": 1, "c": 2}, "3": {"a": 1}}
    with caplog.at_level(logging.WARNING, logger="retrieve"):
        whole = evaluate(run, qrels, ["AP", "Judged@10", "NumQ", "NumRel", "NumRet"])
    assert whole.queries == 3
    assert (whole.missing, whole.ignored) == (["2", "3"], ["9"])
    assert whole.per_query["AP"] == {"1": 1.0, "2": 0.0, "3": 0.0}
    assert whole.means == {"AP": 1 / 3, "Judged@10": 1 / 3, "NumQ": 3.0, "NumRel": 4.0, "NumRet": 1.0}
    assert "2 judged queries have no hits and count as zero: 2, 3" in caplog.text
    assert "1 queries of the run have no judgments and are ignored: 9" in caplog.text
    part = evaluate(run, qrels, ["AP", "NumRel"], retrieved_only=True)
    assert (part.queries, part.means) == (1, {"AP": 1.0, "NumRel": 1.0})
    assert part.missing == ["2", "3"]


def test_a_judged_query_without_a_relevant_document_counts() -> None:
    evaluation = evaluate(
        {"1": {"a": 1.0}, "2": {"a": 1.0}}, {"1": {"a": 1}, "2": {"a": 0}}, ["AP", "RR@10", "nDCG"]
    )
    assert set(evaluation.means.values()) == {0.5}


@pytest.mark.parametrize("grade", [-1, -2, -10_000, 0, 10_000])
def test_any_single_grade_is_measured(grade: int) -> None:
    found = float(grade > 0)
    names = ["AP", "nDCG@3", "RR", "RR@3", "P@1", "Bpref", "infAP", "Rprec", "SetF", "NumRet", "Judged@1"]
    means = evaluate({"1": {"a": 1.0}}, {"1": {"a": grade}}, names).means
    assert means == {**dict.fromkeys(names, found), "NumRet": 1.0, "Judged@1": 1.0}


@pytest.mark.parametrize("grade", [-10_001, 10_001, 2**70])
def test_grades_beyond_reason_are_refused(grade: int) -> None:
    with pytest.raises(MeasureError, match="query '1' has grades"):
        evaluate({"1": {"a": 1.0}}, {"1": {"a": grade, "b": 1}}, ["AP"])


@pytest.mark.parametrize(
    ("run", "qrels", "message"),
    [
        ({"1": {"a": float("nan"), "b": 1.0}}, {"1": {"a": 1}}, "score NaN for document 'a'"),
        ({"1": {"a": "high"}}, {"1": {"a": 1}}, "a score that is no number"),
        ({"1": ["a", "b"]}, {"1": {"a": 1}}, "the run, query '1': a list, wanted document id → score"),
        ({1: {"a": 1.0}}, {"1": {"a": 1}}, r"the run has the id 1, a int: ids are strings, as str\(1\)"),
        ({"1": {2: 1.0}}, {"1": {"a": 1}}, "query '1' of the run has the id 2"),
        ({"1": {"a": 1.0}}, {"1": {"a": 1.0}}, "grade 1.0 for document 'a': wanted a whole number"),
        ({"1": {"a": 1.0}}, {"1": {7: 1}}, "query '1' of the judgments has the id 7"),
        ("a.run", {"1": {"a": 1}}, "the run: a str, wanted a mapping of query id"),
        ({"1": {"a": 1.0}}, "qrels", "the judgments: a str"),
    ],
)
def test_what_is_no_run_or_no_judgments(run: Any, qrels: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(run, qrels, ["P@1"])


def test_numbers_of_numpy_are_numbers() -> None:
    run, qrels = {"1": {"a": np.float32(3)}}, {"1": {"a": np.int64(1)}}
    assert evaluate(run, qrels, ["P@1"]).means == {"P@1": 1.0}  # type: ignore[arg-type]


def test_all_shared_queries_without_hits() -> None:
    evaluation = evaluate({"1": {}}, {"1": {"a": 1}}, ["AP", "NumQ"])
    assert (evaluation.means, evaluation.missing) == ({"AP": 0.0, "NumQ": 1.0}, ["1"])
    with pytest.raises(MeasureError, match="no hit for any judged query"):
        evaluate({"1": {}}, {"1": {"a": 1}}, ["AP"], retrieved_only=True)


def test_no_shared_query_is_an_error_that_shows_both() -> None:
    with pytest.raises(MeasureError, match=r"the run \(q1\) and the judgments \(1\) share no query id"):
        evaluate({"q1": {"a": 1.0}}, {"1": {"a": 1}}, ["AP"])

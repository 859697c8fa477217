"""Every form of a measure's name that people write, and what is refused."""

from __future__ import annotations

import sys

import pytest

from retrieve.errors import MeasureError, MissingExtra, UsageError
from retrieve.measures.names import EXAMPLES, parse_measures


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("nDCG@10", "nDCG@10"),
        ("ndcg@10", "nDCG@10"),
        ("NDCG(cutoff=10)", "nDCG@10"),
        ("MAP", "AP"),
        ("map", "AP"),
        ("AP(rel=2)", "AP(rel=2)"),
        ("AP(rel=1)", "AP"),
        ("MRR@10", "RR@10"),
        ("mrr", "RR"),
        ("R@100", "R@100"),
        ("recall@100", "R@100"),
        ("Recall(rel=2)@1000", "R(rel=2)@1000"),
        ("precision@5", "P@5"),
        ("judged@10", "Judged@10"),
        (" success@5 ", "Success@5"),
        ("iprec@1", "IPrec@1.0"),
        ("setf(beta=2)", "SetF(beta=2.0)"),
        ("ndcg_cut_10", "nDCG@10"),
        ("map_cut.100", "AP@100"),
        ("P_5", "P@5"),
        ("recall_1000", "R@1000"),
        ("recip_rank", "RR"),
        ("success_1", "Success@1"),
        ("iprec_at_recall_0.10", "IPrec@0.1"),
    ],
)
def test_forms(written: str, canonical: str) -> None:
    assert [str(measure) for measure in parse_measures([written])] == [canonical]


def test_examples_are_offered() -> None:
    names = EXAMPLES.split(", ")
    assert [str(measure) for measure in parse_measures(names)] == names


@pytest.mark.parametrize("written", ["P@5,nDCG(cutoff=10), SetF(beta=2)", "P.5,10", "P_5, P_10"])
def test_several_in_one_name(written: str) -> None:
    names = [str(measure) for measure in parse_measures([written])]
    assert names == (["P@5", "nDCG@10", "SetF(beta=2.0)"] if "nDCG" in written else ["P@5", "P@10"])


@pytest.mark.parametrize("written", ["P@5,", "ndcg_cut_0", "P_5,F1", "ndcg_cut_"])
def test_what_is_none_of_several(written: str) -> None:
    with pytest.raises(MeasureError):
        parse_measures([written])


def test_one_name_is_no_list_of_letters() -> None:
    assert [str(measure) for measure in parse_measures("P@5,AP")] == ["P@5", "AP"]


def test_each_once_in_the_order_given() -> None:
    measures = parse_measures(["R@10", "MAP", "recall@10", "AP", "RR"])
    assert [str(measure) for measure in measures] == ["R@10", "AP", "RR"]
    assert parse_measures(measures) == measures


def test_relevance_level_goes_to_binary_measures_without_their_own() -> None:
    names = [
        "nDCG@10",
        "AP",
        "AP(rel=3)",
        "RR@10",
        "R@100",
        "P@5",
        "Success@1",
        "Judged@10",
        "Bpref",
        "NumRet",
    ]
    assert [str(measure) for measure in parse_measures(names, relevance_level=2)] == [
        "nDCG@10",
        "AP(rel=2)",
        "AP(rel=3)",
        "RR(rel=2)@10",
        "R(rel=2)@100",
        "P(rel=2)@5",
        "Success(rel=2)@1",
        "Judged@10",
        "Bpref(rel=2)",
        "NumRet",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nDGC@10", "does not exist; examples: nDCG@10"),
        ("", "does not exist"),
        ("nDCG@-1", "does not exist"),
        ("P@5@10", "does not exist"),
        ("P", "needs its cutoff"),
        ("nDCG@0", "cutoff cannot be 0"),
        ("R@2.5", "cutoff cannot be 2.5"),
        ("AP(rel=0)", "rel cannot be 0"),
        ("AP(rel=99999999999)", "rel cannot be"),
        ("R@100000000000000000000", "cutoff cannot be"),
        ("nDCG(gains={1:2.5})", "gains cannot be"),
        ("nDCG(gains={1:100000000000})", "gains cannot be"),
        ("IPrec@1.5", "recall cannot be 1.5"),
        ("P(level=2)@5", r"no argument \['level'\]"),
        ("AP(2)", "cannot be read"),
        ("AP(rel=two)", "cannot be read"),
        ("ERR@10", "not offered"),
        ("Accuracy", "not offered"),
        ("nDCG(dcg='exp-log2')@10", "not offered"),
        ("nDCG(dcg='linear')@10", "dcg cannot be 'linear'"),
    ],
)
def test_what_does_not_exist_is_said(name: str, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        parse_measures(["AP", name])


def test_usage() -> None:
    with pytest.raises(UsageError, match="no measure"):
        parse_measures([])
    with pytest.raises(UsageError, match="relevance level is 0"):
        parse_measures(["AP"], relevance_level=0)


@pytest.mark.parametrize("package", ["ir_measures", "pytrec_eval"])
def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"\[eval\]"):
        parse_measures(["AP"])

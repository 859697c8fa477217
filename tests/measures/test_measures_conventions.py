"""Other tools' conventions: ours among them is `evaluate`, and what moved a figure adds up to the whole of it.

Each tool is held against itself in `test_conventions_peers.py`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import pytrec_eval
from click.testing import CliRunner
from random_runs import pairs

from retrieve.cli import main
from retrieve.cli.imitation import moved_by
from retrieve.errors import MeasureError, UsageError
from retrieve.measures.conventions.imitate import evaluate_as
from retrieve.measures.conventions.records import OURS, SAID, Conventions, said
from retrieve.measures.conventions.tools import TOOLS
from retrieve.measures.evaluate import evaluate
from retrieve.trec import Qrels, Run

OURS_TOO = ["nDCG", "nDCG@5", "AP", "AP@5", "RR", "RR@3", "P@5", "R@5", "Success@3", "Rprec", "Bpref"]
IN_TREC_EVAL = {
    "nDCG": "ndcg",
    "nDCG@5": "ndcg_cut_5",
    "AP": "map",
    "AP@5": "map_cut_5",
    "RR": "recip_rank",
    "P@5": "P_5",
    "R@5": "recall_5",
    "Success@3": "success_3",
    "Rprec": "Rprec",
    "Bpref": "bpref",
}


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_random_pairs_are_pytrec_evals_and_ours(count: int) -> None:
    """All pairs as one, since a query's value depends on no other: `evaluate`, `--as trec_eval` and pytrec_eval."""
    run: Run = {}
    qrels: Qrels = {}
    for number, (one, judged) in enumerate(pairs(count, documents=12, queries=2)):
        run |= {f"{number}-{query}": hits for query, hits in one.items()}
        qrels |= {f"{number}-{query}": grades for query, grades in judged.items()}
    names = [*IN_TREC_EVAL, "RR@3"]
    ours = evaluate(run, qrels, names, retrieved_only=True)
    imitated = evaluate_as("trec_eval", run, qrels, names)
    raw = pytrec_eval.RelevanceEvaluator(
        {
            query: dict.fromkeys(grades, 0) if max(grades.values()) < 0 else grades
            for query, grades in qrels.items()
        },
        {
            "ndcg",
            "ndcg_cut.5",
            "map",
            "map_cut.5",
            "recip_rank",
            "P.5",
            "recall.5",
            "success.3",
            "Rprec",
            "bpref",
        },
    ).evaluate(run)
    assert len(raw) > count
    for name in names:
        assert imitated.per_query[name].keys() == ours.per_query[name].keys() == raw.keys()
        assert imitated.means[name] == pytest.approx(ours.means[name], abs=1e-9)
        wrong = [
            query
            for query, value in imitated.per_query[name].items()
            if abs(value - ours.per_query[name][query]) > 1e-9
            or (name in IN_TREC_EVAL and abs(value - raw[query][IN_TREC_EVAL[name]]) > 1e-9)
        ]
        assert wrong == []
    assert imitated.ours == pytest.approx(evaluate(run, qrels, names).means, abs=1e-9)


@pytest.mark.parametrize("level", [1, 2])
def test_levels_are_ours(level: int) -> None:
    for run, qrels in pairs(200, seed=level):
        found = evaluate_as("ranx", run, qrels, OURS_TOO[:-1], relevance_level=level)
        assert found.ours == pytest.approx(
            evaluate(run, qrels, OURS_TOO[:-1], relevance_level=level).means, abs=1e-9
        )


@pytest.mark.parametrize("tool", TOOLS)
def test_what_moved_a_figure_adds_up_to_the_difference(tool: str) -> None:
    names = [
        name + ("@5" if TOOLS[tool].cutoff else "")
        for name in dict.fromkeys(name.rstrip("@") for name in TOOLS[tool].measures)
        if name != "Bpref"
    ]
    names = [f"{name}@5" if name in {"P", "R", "Success"} else name for name in names]
    for run, qrels in pairs(50, lowest=0, tied=tool != "torchmetrics", documents=9):
        try:
            found = evaluate_as(tool, run, qrels, names)
        except MeasureError as error:
            assert tool in {"sklearn", "gdeval"}
            assert "one hit" in str(error) or "no query counts" in str(error)
            continue
        for name in names:
            total = sum(one.difference for one in found.moved[name])
            assert found.ours[name] + total == pytest.approx(found.means[name], abs=1e-12)


def test_every_convention_is_said_in_words() -> None:
    for tool in TOOLS.values():
        for conventions in (OURS, *tool.measures.values()):
            for field in Conventions._fields:
                if field != "depth":
                    assert said(field, getattr(conventions, field))
    assert set(SAID) == set(Conventions._fields) - {"depth"}
    assert said("depth", 1000) == "a ranking ends at 1000"


FOUND_1_3_5: Run = {"1": {f"d{rank}": float(-rank) for rank in range(1, 11)}}
TWENTY: Qrels = {"1": {**{"d1": 1, "d3": 1, "d5": 1}, **{f"x{number}": 1 for number in range(17)}}}


@pytest.mark.parametrize(
    ("tool", "value"),
    [
        ("trec_eval", 0.1133),
        ("ranx", 0.1133),
        ("trectools", 0.1133),
        ("sentence-transformers", 0.2267),
        ("torchmetrics", 0.0),  # every score is negative
    ],
)
def test_what_average_precision_is_divided_by(tool: str, value: float) -> None:
    found = evaluate_as(tool, FOUND_1_3_5, TWENTY, ["AP@10"])
    assert found.means["AP@10"] == pytest.approx(value, abs=5e-5)
    above = {"1": {document: 20 + score for document, score in FOUND_1_3_5["1"].items()}}
    if tool == "torchmetrics":
        assert evaluate_as(tool, above, TWENTY, ["AP@10"]).means["AP@10"] == pytest.approx(0.7556, abs=5e-5)
    if tool == "sentence-transformers":
        assert moved_by(found.moved["AP@10"]) == "divided by at most the cut-off +0.1133"


def test_gdeval_merges_topics_and_counts_a_document_twice() -> None:
    run: Run = {"wt-1": {"a": 2.0, "b": 1.0}, "xx-1": {"a": 1.5}}
    qrels: Qrels = {"wt-1": {"a": 1, "c": 2}}
    found = evaluate_as("gdeval", run, qrels, ["nDCG@3", "ERR@3"])
    assert list(found.per_query["nDCG@3"]) == ["1"]
    assert found.queries["nDCG@3"] == 1
    assert found.means["ERR@3"] == pytest.approx(1 / 16 + 1 / 16 * 15 / 16 / 2)
    for bad, message in (({"q1": {"a": 1}}, "does not end in a number"), ({"1": {"a": 5}}, "4 at most")):
        with pytest.raises(MeasureError, match=message):
            evaluate_as("gdeval", {next(iter(bad)): {"a": 1.0}}, bad, ["nDCG@3"])
    with pytest.raises(MeasureError, match="end in 1 and in 01"):
        evaluate_as("gdeval", {"1": {"a": 1.0}}, {"1": {"a": 1}, "01": {"a": 1}}, ["nDCG@3"])


@pytest.mark.parametrize(
    ("tool", "measure", "message"),
    [
        ("mteb", "AP", "mteb has no AP that is imitated; it has AP@k, P@k, R@k, RR@k, Success@k, nDCG@k"),
        ("sklearn", "AP@10", "sklearn has no AP@10"),
        ("ranx", "Judged@10", "ranx has no Judged@10"),
        ("ranx", "ERR@10", "ranx has no ERR@10"),
        ("ranx", "nDCG(dcg='exp-log2')@10", "dcg of ranx is not imitated"),
        ("trectools", "AP(rel=2)", "trectools has no relevance level"),
        ("ranx", "nDGC@10", "does not exist"),
    ],
)
def test_what_a_tool_does_not_have(tool: str, measure: str, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        evaluate_as(tool, {"1": {"a": 1.0}}, {"1": {"a": 1}}, [measure])


def test_what_a_tool_refuses() -> None:
    two = {"1": {"a": 2.0, "b": 1.0}}
    with pytest.raises(UsageError, match="no conventions of 'anserini' are known: choose one of gdeval"):
        evaluate_as("anserini", two, {"1": {"a": 1}}, ["AP"])
    with pytest.raises(MeasureError, match="negative grade"):
        evaluate_as("sklearn", two, {"1": {"a": -1}}, ["nDCG"])
    with pytest.raises(MeasureError, match="one hit"):
        evaluate_as("sklearn", {"1": {"a": 2.0}}, {"1": {"a": 1}}, ["nDCG"])
    with pytest.raises(MeasureError, match="Bpref is not defined"):
        evaluate_as("ranx", two, {"1": {"a": 1}}, ["Bpref"])
    with pytest.raises(MeasureError, match="no hit for any judged query"):
        evaluate_as("ranx", two, {"2": {"a": 1}}, ["AP"])


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("1 Q0 a 1 1.0 t\n1 Q0 b 2 1.0 t\n2 Q0 a 1 1.0 t\n")
    (tmp_path / "qrels").write_text("1 0 a 1\n2 0 a 1\n3 0 a 1\n")

    def call(*arguments: str, status: int = 0) -> tuple[str, str]:
        files = [str(tmp_path / "run"), str(tmp_path / "qrels")]
        result = CliRunner().invoke(main, ["evaluate", *files, *arguments])
        assert result.exit_code == status, result.output
        return result.stdout, result.stderr

    out, said = call("--as", "trectools", "-m", "nDCG@10", "-m", "R@10")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["measure", "trectools", "ours", "difference", "queries", "moved by"]
    assert rows[1] == [
        "nDCG@10",
        "1.0000",
        "0.5436",
        "+0.4564",
        "2",
        "the mean is over the queries of the run, judged or not +0.2718; "
        "scores in double precision, ties by document id, ascending +0.1845",
    ]
    assert rows[2][1:4] == ["1.0000", "0.6667", "+0.3333"]
    assert "as trectools 0.0.50" in said
    assert "which is not imitated" in said
    found = json.loads(call("--as", "trectools", "-m", "nDCG@10", "--json", "--per-query")[0])
    assert {"nDCG@10": 1.0, "as": "trectools"}.items() <= found.items()
    assert found["ours"]["nDCG@10"] == pytest.approx((1 / math.log2(3) + 1) / 3)
    assert found["per_query"] == {"nDCG@10": {"1": 1.0, "2": 1.0}}
    assert [one["convention"] for one in found["moved"]["nDCG@10"]] == ["queries", "order", "depth"]
    assert call("--as", "mteb", "-m", "P@1", "--per-query")[0].splitlines()[-1] == "P@1\tall\t0.5000"
    assert "choose one of" in call("--as", "nothing", status=2)[1]
    out, said = call("--as", "mteb")  # of the usual measures those that it has
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == ["nDCG@10", "R@100", "RR@10"]
    assert "mteb has no AP" in said
    assert "neither --retrieved-only" in call("--as", "mteb", "--retrieved-only", status=2)[1]
    assert "mteb has no AP" in call("--as", "mteb", "-m", "AP", status=1)[1]

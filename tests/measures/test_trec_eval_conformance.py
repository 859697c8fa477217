"""Equal to trec_eval 10.0 to the printed digit, query by query and in the means, on its own test files and a DL19 run.

Every line of every expected file is either compared or named in `NOT_OFFERED`: no measure is passed over in silence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieve.measures.evaluate import Evaluation, evaluate
from retrieve.trec import Run, read_qrels, read_run, trec_eval_order

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not os.environ.get("RETRIEVE_DATA"), reason="$RETRIEVE_DATA is not set: trec_eval's files"
    ),
]
FOLDER = Path(os.environ.get("RETRIEVE_DATA", "")) / "trec_eval_conformance"

NAMES = {
    "map": "AP",
    "Rprec": "Rprec",
    "bpref": "Bpref",
    "recip_rank": "RR",
    "infAP": "infAP",
    "ndcg": "nDCG",
    "ndcg_1=3,2=9,4=4.5": "nDCG(gains={1:3,2:9})",  # these judgments have no grade 4; gains are whole numbers here
    "set_P": "SetP",
    "set_relative_P": "SetRelP",
    "set_recall": "SetR",
    "set_map": "SetAP",
    "set_F": "SetF",
    "num_q": "NumQ",
    "num_ret": "NumRet",
    "num_rel": "NumRel",
    "num_rel_ret": "NumRelRet",
}
WITH_CUTOFF = {
    "P": "P",
    "recall": "R",
    "ndcg_cut": "nDCG",
    "map_cut": "AP",
    "success": "Success",
    "iprec_at_recall": "IPrec",
}
NOT_OFFERED = re.compile(
    r"runid|relstring.*|gm_map|gm_bpref|Rprec_mult_.*|utility.*|11pt_avg.*|binG|G|ndcg_rel|Rndcg|relative_P_\d+"
    r"|num_nonrel_judged_ret|rbp|rbp_resid|unj_\d+"
)
# Whole option sets that are not offered: -m all_prefs (two), -m qrels_jg, -Z (z-scores).


def canonical(trec_name: str) -> str | None:
    """Our name of a measure of trec_eval; None if we do not offer it, KeyError if nobody decided."""
    if trec_name in NAMES:
        return NAMES[trec_name]
    if NOT_OFFERED.fullmatch(trec_name):
        return None
    stem, _, cutoff = trec_name.rpartition("_")
    return f"{WITH_CUTOFF[stem]}@{cutoff}"


def expected(path: Path) -> Iterator[tuple[str, str, str]]:
    """Our measure's name, the query id or `all`, the printed value."""
    for line in path.read_text().splitlines():
        trec_name, query, value = line.split("\t")
        if (name := canonical(trec_name.strip())) is not None:
            yield name, query, value


def cut(run: Run, depth: int) -> Run:
    """trec_eval -M."""
    return {query: {doc: docs[doc] for doc in trec_eval_order(docs)[:depth]} for query, docs in run.items()}


def at_level(level: int, name: str, query: str, value: str) -> tuple[str, str, str]:
    """trec_eval -l, for the two counts whose level `relevance_level` does not set."""
    counts = {"NumRel": f"NumRel(rel={level})", "NumRelRet": f"NumRet(rel={level})"}
    return counts.get(name, name), query, value


def printed(value: float, like: str) -> str:
    return f"{value:.4f}" if "." in like else f"{value:.0f}"


def differences(
    lines: list[tuple[str, str, str]], evaluation: Evaluation, names: dict[str, str]
) -> list[str]:
    wrong = []
    for name, query, value in lines:
        key = names[name]
        ours = evaluation.means[key] if query == "all" else evaluation.per_query[key][query]
        if printed(ours, value) != value:
            wrong.append(f"{name} of {query}: {ours}, trec_eval prints {value}")
    return wrong


DL19 = ("dl19-passage.qrels", "dl19-passage.bm25-tuned.run.gz")


@pytest.mark.parametrize(
    ("qrels", "run", "out", "options"),
    [
        ("qrels.test", "results.test", "out.test", {}),
        ("qrels.test.with-comments", "results.test", "out.test", {}),
        ("qrels.comment.test", "results.comment.test.gz", "out.comment.test", {}),
        ("qrels.test", "results.test", "out.test.a", {}),
        ("qrels.test", "results.test", "out.test.aq", {}),
        ("qrels.test", "results.trunc", "out.test.aqc", {"complete": 1}),
        ("qrels.test", "results.trunc", "out.test.aqcM", {"complete": 1, "depth": 100}),
        ("qrels.rel_level", "results.test", "out.test.aql", {"level": 2}),
        ("qrels.test", "results.test", "out.test.meas_params", {}),
        (*DL19, "out.dl19.aqc", {"complete": 1}),
        (*DL19, "out.dl19.aqcl2", {"complete": 1, "level": 2}),
        (*DL19, "out.dl19.aqcM100", {"complete": 1, "depth": 100}),
        (*DL19, "out.dl19.summary", {}),
    ],
)
def test_equal_to_the_printed_digit(qrels: str, run: str, out: str, options: dict[str, int]) -> None:
    level = options.get("level", 1)
    lines = [at_level(level, *line) for line in expected(FOLDER / out)]
    lines = [line for line in lines if line[0] != "NumRel(rel=2)"]  # no provider has it
    names = list(dict.fromkeys(name for name, _, _ in lines))
    evaluation = evaluate(
        cut(read_run(FOLDER / run), options.get("depth", 10**9)),
        read_qrels(FOLDER / qrels),
        names,
        relevance_level=level,
        retrieved_only=not options.get("complete"),
    )
    assert len(lines) > 15
    assert differences(lines, evaluation, dict(zip(names, evaluation.means, strict=True))) == []


def test_published_figures_of_dl19() -> None:
    qrels, run = read_qrels(FOLDER / DL19[0]), read_run(FOLDER / DL19[1])
    evaluation = evaluate(run, qrels, ["nDCG@10", "AP(rel=2)", "R(rel=2)@1000"])
    assert {name: round(mean, 4) for name, mean in evaluation.means.items()} == {
        "nDCG@10": 0.4973,
        "AP(rel=2)": 0.2903,
        "R(rel=2)@1000": 0.7450,
    }
    by_level = evaluate(run, qrels, ["nDCG@10", "MAP", "Recall@1000"], relevance_level=2)
    assert by_level.means == evaluation.means
    assert by_level.queries == 43

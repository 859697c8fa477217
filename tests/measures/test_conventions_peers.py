"""Every tool of `--as` beside the tool itself, on random runs: equal within 1e-9, or as exactly as the tool says.

$RETRIEVE_PAIRS is how many runs (default 100; 1,000 take minutes). A tool that is not installed is skipped by name; one
of another version than its conventions were read from is still held against them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_runs import pairs

from retrieve.errors import MeasureError
from retrieve.measures.conventions.imitate import evaluate_as
from retrieve.trec import Qrels, Run, write_run

PAIRS = int(os.environ.get("RETRIEVE_PAIRS", "100"))

Figures = Mapping[str, float]


def hold(
    tool: str,
    names: list[str],
    real: Callable[[Run, Qrels, list[str]], Figures | None],
    *,
    within: float = 1e-9,
    rounded: int | None = None,
    **settings: Any,
) -> None:
    """`real` gives the tool's means, or None where it cannot take the run (ours must then refuse it)."""
    held = 0
    for run, qrels in pairs(PAIRS, seed=PAIRS, **settings):
        theirs = real(run, qrels, names)
        if theirs is None:
            with pytest.raises(MeasureError):
                evaluate_as(tool, run, qrels, names)
            continue
        ours = evaluate_as(tool, run, qrels, names).means
        if rounded is not None:
            ours = {name: round(value, rounded) for name, value in ours.items()}
        assert ours == pytest.approx(dict(theirs), abs=within, rel=within), (run, qrels)
        held += 1
    assert held >= PAIRS / 3


def named(names: list[str], words: Mapping[str, str]) -> dict[str, str]:
    """Our names to the tool's: `nDCG@5` to `ndcg@5`."""
    split = {name: name.partition("@") for name in names}
    return {name: words[stem] + at + cutoff for name, (stem, at, cutoff) in split.items()}


@pytest.mark.parametrize("missing", [True, False])
def test_ranx(missing: bool) -> None:
    ranx = pytest.importorskip("ranx", reason="ranx is not installed")
    words = {"nDCG": "ndcg", "AP": "map", "RR": "mrr", "P": "precision", "R": "recall", "Success": "hit_rate"}
    names = ["nDCG", "nDCG@5", "AP", "AP@5", "RR", "RR@5", "P@5", "R@5", "Success@3", "Rprec"]
    theirs = named(names, words | {"Rprec": "r-precision"})

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures:
        found = ranx.evaluate(
            ranx.Qrels(qrels),
            ranx.Run(run),
            list(theirs.values()),
            make_comparable=run.keys() != qrels.keys(),
        )
        return {name: float(found[theirs[name]]) for name in names}

    hold("ranx", names, real, missing=missing, documents=40)


def test_bpref_of_ranx() -> None:
    ranx = pytest.importorskip("ranx", reason="ranx is not installed")

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures | None:
        for query in qrels.keys() & run.keys():
            if len({grade > 0 for grade in qrels[query].values()}) < 2:
                return None
        return {"Bpref": float(ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), "bpref"))}

    hold("ranx", ["Bpref"], real, missing=False, queries=1)


def test_mteb() -> None:
    metrics = pytest.importorskip("mteb._evaluators.retrieval_metrics", reason="mteb is not installed")
    names = ["nDCG@5", "AP@5", "P@5", "R@5", "RR@5", "Success@5", "RR@1", "nDCG@1"]

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures:
        shared = {query: hits for query, hits in run.items() if query in qrels}
        not_negative = {query: {d: max(g, 0) for d, g in of.items()} for query, of in qrels.items()}
        found = metrics.calculate_retrieval_scores(shared, not_negative, [1, 5])
        kinds = {
            "nDCG": (found.ndcg, "NDCG"),
            "AP": (found.map, "MAP"),
            "P": (found.precision, "P"),
            "R": (found.recall, "Recall"),
            "RR": (found.mrr, "MRR"),
            "Success": (found.hit_rate, "HitRate"),
        }
        figures = {}
        for name in names:
            stem, _, cutoff = name.partition("@")
            values, word = kinds[stem]
            figures[name] = round(float(values[f"{word}@{cutoff}"]), 5)
        return figures

    hold("mteb", names, real, rounded=5, within=1e-5 + 1e-9)


def _in_torch(run: Run, qrels: Qrels) -> tuple[Any, Any, Any]:
    """Predictions, grades and indexes of the ranked documents of judged queries."""
    import torch

    shared = [query for query in qrels if query in run]
    rows = [
        (number, score, qrels[query].get(document, 0))
        for number, query in enumerate(shared)
        for document, score in run[query].items()
    ]
    number, score, grade = zip(*rows, strict=True)
    return torch.tensor(score), torch.tensor(grade), torch.tensor(number)


@pytest.mark.parametrize(("lowest", "within"), [(0, 2e-6), (-2, 1e-4)])
@pytest.mark.parametrize("tied", [True, False])
def test_torchmetrics(tied: bool, lowest: int, within: float) -> None:
    """Ties are averaged in nDCG and taken in any order elsewhere: there runs without ties are held against it.

    torchmetrics adds up in single precision: within some roundings of 6e-8, and not 1e-9. Negative gains can all but
    cancel the ideal that is divided by; fewer digits are left then.
    """
    retrieval = pytest.importorskip("torchmetrics.retrieval", reason="torchmetrics is not installed")
    classes = {
        "nDCG": retrieval.RetrievalNormalizedDCG,
        "AP": retrieval.RetrievalMAP,
        "RR": retrieval.RetrievalMRR,
        "P": retrieval.RetrievalPrecision,
        "R": retrieval.RetrievalRecall,
        "Success": retrieval.RetrievalHitRate,
    }

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures:
        scores, grades, indexes = _in_torch(run, qrels)
        figures = {}
        for name in names:
            stem, _, cutoff = name.partition("@")
            if stem == "Rprec":
                metric = retrieval.RetrievalRPrecision(empty_target_action="neg")
            else:
                metric = classes[stem](top_k=int(cutoff) if cutoff else None, empty_target_action="neg")
            target = grades if stem == "nDCG" else grades >= 1
            figures[name] = float(metric(scores, target, indexes=indexes))
        return figures

    names = ["nDCG", "nDCG@3"]
    if not tied:
        names += ["AP", "AP@5", "RR", "RR@2", "P@5", "R@5", "Success@3", "Rprec"]
    hold("torchmetrics", names, real, tied=tied, lowest=lowest, within=within)


@pytest.mark.parametrize("name", ["nDCG", "nDCG@3", "AP"])
def test_sklearn(name: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    stem, _, cutoff = name.partition("@")

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures | None:
        values = []
        for query in (query for query in qrels if query in run):
            grades = [qrels[query].get(document, 0) for document in run[query]]
            scores = list(run[query].values())
            try:
                if stem == "nDCG":
                    k = int(cutoff) if cutoff else None
                    values.append(metrics.ndcg_score([grades], [scores], k=k))
                elif any(grade > 0 for grade in grades):
                    values.append(metrics.average_precision_score(np.array(grades) > 0, scores))
                else:  # it warns, and gives 0
                    values.append(0.0)
            except ValueError:
                return None
        return {name: float(np.mean(values))}

    hold("sklearn", [name], real, lowest=0 if stem == "nDCG" else -2, queries=2)


def test_sklearn_takes_no_negative_grades() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    with pytest.raises(ValueError, match="negative"):
        metrics.ndcg_score([[1, -1]], [[2.0, 1.0]])


def test_sentence_transformers() -> None:
    evaluation = pytest.importorskip(
        "sentence_transformers.evaluation", reason="sentence-transformers is not installed"
    )
    names = ["nDCG@5", "AP@5", "RR@5", "P@5", "R@5", "Success@5"]
    words = {"nDCG": "ndcg@k", "AP": "map@k", "RR": "mrr@k", "P": "precision@k", "R": "recall@k"}

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures:
        judged = {query: set(grades) for query, grades in qrels.items()}
        evaluator = evaluation.InformationRetrievalEvaluator(
            dict.fromkeys(judged, ""),
            {"d": ""},
            judged,
            mrr_at_k=[5],
            ndcg_at_k=[5],
            accuracy_at_k=[5],
            precision_recall_at_k=[5],
            map_at_k=[5],
        )
        hits = [
            [{"corpus_id": document, "score": score} for document, score in run.get(query, {}).items()]
            for query in evaluator.queries_ids
        ]
        found = evaluator.compute_metrics(hits)
        return {name: float(found[words.get(name[:-2], "accuracy@k")][5]) for name in names}

    hold("sentence-transformers", names, real)


def test_gdeval(tmp_path: Path) -> None:
    """It prints five decimals: equal within half of the last one."""
    ir_measures = pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    if shutil.which("perl") is None:
        pytest.skip("perl is not installed: gdeval was not run")
    names = ["nDCG@5", "ERR@5"]
    measures = [ir_measures.parse_measure("nDCG(dcg='exp-log2')@5"), ir_measures.parse_measure("ERR@5")]

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures | None:
        sums = {name: [] for name in names}  # type: ignore[var-annotated]
        for found in ir_measures.gdeval.evaluator(measures, qrels)._iter_calc(run):
            sums[names[measures.index(found.measure)]].append(found.value)
        return {name: float(np.mean(values)) for name, values in sums.items()} if sums[names[0]] else None

    hold("gdeval", names, real, within=5.1e-6, prefix="wt-")


def test_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    names = ["nDCG", "nDCG@5", "AP", "AP@5", "RR", "RR@5", "P@5", "R@5", "Success@3", "Rprec", "Bpref"]
    measures = {name: ir_measures.parse_measure(name) for name in names}

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures:
        found = ir_measures.calc_aggregate(list(measures.values()), qrels, run)
        return {name: float(found[measures[name]]) for name in names}

    hold("ir-measures", names, real, lowest=0)


def test_trectools(tmp_path: Path) -> None:
    trectools = pytest.importorskip("trectools", reason="trectools is not installed")
    names = ["nDCG@5", "nDCG", "AP", "AP@5", "RR", "P@5", "R@5"]

    def real(run: Run, qrels: Qrels, names: list[str]) -> Figures:
        lines = [
            f"q{query} Q0 {document} 0 {score!r} t\n"
            for query, hits in run.items()
            for document, score in hits.items()
        ]
        (tmp_path / "run").write_text("".join(lines))
        judged = [
            f"q{query} 0 {d} {grade}\n" for query, grades in qrels.items() for d, grade in grades.items()
        ]
        (tmp_path / "qrels").write_text("".join(judged))
        evaluator = trectools.TrecEval(
            trectools.TrecRun(str(tmp_path / "run")), trectools.TrecQrel(str(tmp_path / "qrels"))
        )
        calls = {
            "nDCG": evaluator.get_ndcg,
            "AP": evaluator.get_map,
            "RR": evaluator.get_reciprocal_rank,
            "P": evaluator.get_precision,
            "R": evaluator.get_recall,
        }
        figures = {}
        for name in names:
            stem, _, cutoff = name.partition("@")
            figures[name] = float(calls[stem](**({"depth": int(cutoff)} if cutoff else {})))
        return figures

    hold("trectools", names, real)


def test_the_versions_that_are_installed_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """For a log: a figure that stops being equal is a matter of the tool's version first."""
    for package in ("ranx", "mteb", "torchmetrics", "scikit-learn", "sentence-transformers", "trectools"):
        try:
            print(package, version(package))
        except ImportError:
            print(package, "is not installed")
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_a_written_run_is_one_ranking_for_all(tmp_path: Path) -> None:
    """Strictly decreasing scores leave nothing to a tie order: then only counting and dividing part."""
    write_run(tmp_path / "run", [("1", [("a", 1.0), ("b", 1.0), ("c", 1.0)])], "t")
    from retrieve.trec import read_run

    run, qrels = read_run(tmp_path / "run"), {"1": {"b": 1, "c": 2}}
    tools = ("trec_eval", "ir-measures", "ranx", "trectools")
    assert {round(evaluate_as(tool, run, qrels, ["RR"]).means["RR"], 12) for tool in tools} == {0.5}

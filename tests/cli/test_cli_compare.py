"""`retrieve compare` and the pages of `compare` and `evaluate`: tables, the JSON object, a page without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy import stats

from retrieve.cli import main
from retrieve.measures.evaluate import evaluate
from retrieve.measures.stream import evaluate_with_curve
from retrieve.report.environment import files
from retrieve.report.rankings import evaluation_page
from retrieve.trec import ordered, read_qrels, read_run, write_run

QUERIES = [f"q{number:02}" for number in range(24)]


def call(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Judgments and three runs, the second better than the first, the third without one query."""
    place = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    grades = {query: rng.integers(0, 3, 15) for query in QUERIES}
    (place / "qrels").write_text(
        "".join(f"{query} 0 d{n} {grade}\n" for query in QUERIES for n, grade in enumerate(grades[query]))
    )
    for name, noise, left_out in (("base", 2.0, 0), ("better", 0.7, 0), ("<i>third", 2.0, 1)):
        rankings = [
            (
                query,
                ordered(
                    {f"d{n}": float(grade + rng.normal(0, noise)) for n, grade in enumerate(grades[query])}
                ),
            )
            for query in QUERIES[left_out:]
        ]
        write_run(place / name, rankings, "t")
    return place


def runs(place: Path) -> list[Path]:
    return [place / name for name in ("base", "better", "<i>third")]


def test_json_has_scipys_p(place: Path) -> None:
    result = call(
        "compare", *runs(place), place / "qrels", "-m", "nDCG@10", "-m", "AP", "--per-query", "--json"
    )
    found: dict[str, Any] = json.loads(result.stdout)
    assert (found["queries"], found["baseline"]) == (24, str(place / "base"))
    assert [run["missing"] for run in found["runs"]] == [0, 0, 1]
    assert len(found["comparisons"]) == 4
    for each in found["comparisons"]:
        base, values = (
            [found["per_query"][run][each["measure"]][query] for query in QUERIES]
            for run in (each["baseline"], each["run"])
        )
        assert each["p"] == pytest.approx(stats.ttest_rel(values, base).pvalue, abs=1e-12)
        assert each["p"] == each["tests"]["t"]["p"]
        assert each["tests"]["wilcoxon"]["p"] == pytest.approx(stats.wilcoxon(values, base).pvalue, abs=1e-12)
        assert each["p"] <= each["p_holm"] <= 1
        assert each["low"] <= each["difference"] <= each["high"]
    for run in found["runs"]:
        alone = json.loads(call("evaluate", run["run"], place / "qrels", "-m", "nDCG@10", "--json").stdout)
        assert run["nDCG@10"] == alone["nDCG@10"]
        assert run["intervals"]["nDCG@10"]["value"] == pytest.approx(alone["nDCG@10"], abs=1e-12)
    assert f"{place / '<i>third'}: 1 judged queries have no hits" in result.stderr


def test_tables(place: Path) -> None:
    result = call(
        "compare", *runs(place), place / "qrels", "-m", "MAP", "--relevance-level", 2, "--per-query"
    )
    tables = [[row.split("\t") for row in table.splitlines()] for table in result.stdout.split("\n\n")]
    assert [table[0][0:2] for table in tables] == [["run", "measure"]] * 5
    assert [len(table) - 1 for table in tables[:3]] == [3, 2, 6]
    assert {row[1] for table in tables for row in table[1:]} == {"AP(rel=2)"}
    assert [row[2] for row in tables[2][1:4]] == ["t", "randomisation", "wilcoxon"]
    assert all(len(row) == len(table[0]) for table in tables for row in table)
    assert len(tables[4]) - 1 == 3 * 24
    assert "24 judged queries; baseline" in result.stderr
    assert "t 2, randomisation 2, wilcoxon 2" in result.stderr


def test_wrong_usage_and_failures(place: Path) -> None:
    one, two = place / "base", place / "better"
    assert "1 run to compare" in call("compare", one, place / "qrels", status=2).stderr
    assert "named twice" in call("compare", one, two, one, place / "qrels", status=2).stderr
    assert (
        "cannot be a page" in call("compare", one, two, place / "qrels", "--report", place, status=2).stderr
    )
    swapped = call("compare", place / "qrels", one, two, status=1)
    assert swapped.stdout == ""
    assert f"{two}:1" in swapped.stderr


@pytest.mark.parametrize("verb", ["compare", "evaluate"])
def test_a_page_of_it(place: Path, tmp_path: Path, verb: str) -> None:
    page = tmp_path / "page.html"
    named = runs(place) if verb == "compare" else runs(place)[2:]
    result = call(verb, *named, place / "qrels", "-m", "AP", "-m", "NumRet", "--report", page, "--json")
    assert json.loads(result.stdout)
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", html)
    assert "<i>third" not in html
    assert "1 judged queries have no hits" in html
    assert "numpy" in html
    for title in ("Figures", "By query", "Precision and recall", "Made by"):
        assert f">{title}</h2>" in html
    if verb == "compare":
        assert ">Differences</h2>" in html
        assert "Holm" in html


def test_the_curve_is_the_means_of_interpolated_precision(place: Path) -> None:
    qrels = read_qrels(place / "qrels")
    for path in runs(place):
        run = read_run(path)
        for level in (1, 2):
            names = [f"IPrec@{tenth / 10}" for tenth in range(11)]
            means = evaluate(run, qrels, names, relevance_level=level).means
            found, curve = evaluate_with_curve(path, qrels, ["AP", "IPrec@0.5"], relevance_level=level)
            assert found.means == pytest.approx(
                evaluate(run, qrels, ["AP", "IPrec@0.5"], relevance_level=level).means, abs=1e-12
            )
            assert [recall for recall, _ in curve] == [tenth / 10 for tenth in range(11)]
            assert [precision for _, precision in curve] == pytest.approx(list(means.values()), abs=1e-12)


def test_very_many_queries_stand_several_to_a_column() -> None:
    qrels = {str(number): {"a": 1, "b": 1} for number in range(1501)}
    run = {query: {"a": 1.0} if int(query) % 3 else {"c": 1.0} for query in qrels}
    found = evaluate(run, qrels, ["P@1"])
    page = evaluation_page("r", "q", found, curves={"r": [(0.0, 0.5)]}, command="x")
    (columns,) = page.sections[1].blocks
    assert len(columns.columns) == 501  # type: ignore[union-attr]
    assert sum(value for _, value in columns.columns[:-1]) * 3 + columns.columns[-1][1] == (  # type: ignore[union-attr]
        pytest.approx(1000)
    )


def test_files_are_named_by_their_digest(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"abc")
    pairs = dict(files([str(tmp_path / "run"), "-", str(tmp_path)]).pairs)
    assert pairs[str(tmp_path / "run")] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert pairs["-"] is None
    assert pairs[str(tmp_path)] is None

"""`retrieve compare`: runs beside a baseline, with intervals, paired tests and the queries that decide."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.options import command_line, measure_option, page_option, relevance_option, split_option
from retrieve.cli.output import as_json, counted, figure, print_json, print_table
from retrieve.cli.page import check_page, save_page
from retrieve.errors import UsageError

if TYPE_CHECKING:
    from retrieve.measures.compare import Comparison
    from retrieve.measures.evaluate import Evaluation

_log = logging.getLogger("retrieve")


@click.command("compare")
@click.argument("runs", type=click.Path(), nargs=-1, required=True, metavar="BASELINE RUN…")
@click.argument("qrels", type=click.Path())
@measure_option
@split_option
@relevance_option
@click.option("--per-query", is_flag=True, help="Also the values of each query.")
@page_option
@as_json
def command(
    runs: tuple[str, ...],
    qrels: str,
    *,
    measures: tuple[str, ...],
    split: str,
    relevance_level: int,
    per_query: bool,
    page: Path | None,
    as_json: bool,
) -> None:
    """Compare TREC runs with the first of them by QRELS: a qrels file, a BEIR folder, or ir_datasets:NAME.

    Every judged query counts. Intervals are of 95 %, by bootstrap over queries. Each difference has a paired t-test,
    Fisher's randomisation test and Wilcoxon's, each corrected by Holm over all runs and measures.
    """
    from retrieve.cli.judgments import read_judgments
    from retrieve.measures.compare import compare
    from retrieve.measures.stream import evaluate_file, evaluate_with_curve

    if len(runs) < 2:
        raise UsageError(
            f"{len(runs)} run to compare: name two or more before the judgments, the baseline first"
        )
    if len(set(runs)) < len(runs):
        raise UsageError("a run is named twice: name each once")
    check_page(page)
    judgments = read_judgments(qrels, split)
    evaluations, curves = {}, {}
    settings: dict[str, Any] = {"relevance_level": relevance_level}
    for run in runs:
        if page is None:
            evaluations[run] = evaluate_file(run, judgments, measures, name=run, **settings)
        else:
            evaluations[run], curves[run] = evaluate_with_curve(
                run, judgments, measures, name=run, **settings
            )
    found = compare(evaluations)
    if page is not None:
        from retrieve.report.rankings import comparison_page

        made = comparison_page(found, evaluations, qrels=qrels, curves=curves, command=command_line())
        save_page(made, page, "the page")
    if as_json:
        print_json(_as_object(found, evaluations, qrels=qrels, per_query=per_query))
        return
    _print(found)
    if per_query:
        click.echo()
        _print_queries(evaluations)
    family = ", ".join(f"{test} {size}" for test, size in found.family.items())
    _log.info(
        "%s; baseline %s; intervals and randomisation by %d resamples, seed %d; comparisons that Holm's correction "
        "goes over: %s",
        counted(found.queries, "judged query", "judged queries"),
        found.baseline,
        found.resamples,
        found.seed,
        family,
    )


def _print(found: Comparison) -> None:
    from retrieve.measures.significance import shown_p

    rows = [
        (run, measure, figure(interval.value), figure(interval.low), figure(interval.high))
        for run, of_run in found.figures.items()
        for measure, interval in of_run.items()
    ]
    print_table(("run", "measure", "value", "low", "high"), rows)
    click.echo()
    rows_of_differences = [
        (
            each.run,
            each.measure,
            *(f"{value:+.4f}" for value in each.difference),
            "" if each.effect is None else f"{each.effect:+.3f}",
            str(each.wins),
            str(each.losses),
            str(each.ties),
        )
        for each in found.differences
    ]
    header = ("run", "measure", "difference", "low", "high", "effect", "wins", "losses", "ties")
    print_table(header, rows_of_differences)
    click.echo()
    tests = [
        (each.run, each.measure, name, *("" if p is None else shown_p(p) for p in test[:2]), test.method)
        for each in found.differences
        for name, test in each.tests.items()
    ]
    print_table(("run", "measure", "test", "p", "p (Holm)", "method"), tests)
    click.echo()
    queries = [
        (
            each.run,
            each.measure,
            pair.query_id,
            figure(pair.baseline),
            figure(pair.value),
            f"{pair.value - pair.baseline:+.4f}",
        )
        for each in found.differences
        for pair in (*each.won, *each.lost)
    ]
    print_table(("run", "measure", "query", "baseline", "value", "difference"), queries)


def _print_queries(evaluations: Mapping[str, Evaluation]) -> None:
    rows = [
        (run, measure, query_id, figure(value))
        for run, found in evaluations.items()
        for measure, values in found.per_query.items()
        for query_id, value in values.items()
    ]
    print_table(("run", "measure", "query", "value"), rows)


def _as_object(
    found: Comparison, evaluations: Mapping[str, Evaluation], *, qrels: str, per_query: bool
) -> dict[str, Any]:
    """`p` and `p_holm` of a comparison are the t-test's; all three tests stand under `tests`."""
    runs = [
        {
            "run": run,
            **evaluations[run].means,
            "intervals": {measure: interval._asdict() for measure, interval in of_run.items()},
            "missing": len(evaluations[run].missing),
            "ignored": len(evaluations[run].ignored),
        }
        for run, of_run in found.figures.items()
    ]
    comparisons = [
        {
            "run": each.run,
            "baseline": found.baseline,
            "measure": each.measure,
            "difference": each.difference.value,
            "low": each.difference.low,
            "high": each.difference.high,
            "effect": each.effect,
            "p": each.tests["t"].p,
            "p_holm": each.tests["t"].p_holm,
            "tests": {name: test._asdict() for name, test in each.tests.items()},
            "wins": each.wins,
            "losses": each.losses,
            "ties": each.ties,
            "won": [pair._asdict() for pair in each.won],
            "lost": [pair._asdict() for pair in each.lost],
        }
        for each in found.differences
    ]
    values = {"per_query": {run: one.per_query for run, one in evaluations.items()}} if per_query else {}
    return {
        "queries": found.queries,
        "qrels": qrels,
        "baseline": found.baseline,
        "runs": runs,
        "comparisons": comparisons,
        "family": found.family,
        "resamples": found.resamples,
        "seed": found.seed,
        **values,
    }

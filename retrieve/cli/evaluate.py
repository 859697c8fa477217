"""`retrieve evaluate`: what a run is worth by judgments, in measures under their ir-measures names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from retrieve.cli.options import command_line, measure_option, page_option, relevance_option, split_option
from retrieve.cli.output import as_json, figure, print_json, print_queries, print_table
from retrieve.cli.page import check_page, save_page
from retrieve.errors import UsageError

_log = logging.getLogger("retrieve")


@click.command("evaluate")
@click.argument("run", type=click.Path())
@click.argument("qrels", type=click.Path())
@measure_option
@split_option
@relevance_option
@click.option("--per-query", is_flag=True, help="Also the value of each query.")
@click.option("--retrieved-only", is_flag=True, help="Means over queries with hits (trec_eval without -c).")
@click.option("--as", "tool", metavar="TOOL", help="As another tool measures: ranx, mteb, torchmetrics, …")
@page_option
@as_json
def command(
    run: str,
    qrels: str,
    *,
    measures: tuple[str, ...],
    split: str,
    relevance_level: int,
    per_query: bool,
    retrieved_only: bool,
    tool: str | None,
    page: Path | None,
    as_json: bool,
) -> None:
    """Measure a TREC RUN by QRELS: a qrels file, a BEIR folder, or ir_datasets:NAME.

    With --as, the figures are those of another tool's conventions (ties, cut-offs, queries without hits, negative
    grades), beside ours and with what moved them: gdeval, ir-measures, mteb, ranx, sentence-transformers, sklearn,
    torchmetrics, trec_eval (without -c) or trectools.
    """
    from retrieve.cli.judgments import read_hits, read_judgments
    from retrieve.measures.stream import evaluate_file, evaluate_with_curve

    if tool is not None:
        if retrieved_only or page is not None:
            raise UsageError(
                f"--as {tool} has conventions of its own: give neither --retrieved-only nor --report"
            )
        from retrieve.cli.imitation import print_imitation
        from retrieve.measures.conventions.imitate import evaluate_as, imitated_of

        source = click.get_current_context().get_parameter_source("measures")
        if source is ParameterSource.DEFAULT:
            usual, measures = measures, tuple(imitated_of(tool, measures))
            if left_out := [name for name in usual if name not in measures]:
                _log.info("%s has no %s", tool, ", ".join(left_out))
        imitated = evaluate_as(
            tool, read_hits(run), read_judgments(qrels, split), measures, relevance_level=relevance_level
        )
        print_imitation(imitated, run=run, qrels=qrels, per_query=per_query, as_json=as_json)
        return
    check_page(page)
    judgments = read_judgments(qrels, split)
    settings: dict[str, Any] = {
        "relevance_level": relevance_level,
        "retrieved_only": retrieved_only,
        "name": run,
    }
    if page is None:
        found = evaluate_file(run, judgments, measures, **settings)
    else:
        from retrieve.report.rankings import evaluation_page

        found, curve = evaluate_with_curve(run, judgments, measures, **settings)
        made = evaluation_page(run, qrels, found, curves={run: curve}, command=command_line())
        save_page(made, page, "the page")
    if as_json:
        counts = {"queries": found.queries, "missing": len(found.missing), "ignored": len(found.ignored)}
        values = {"per_query": found.per_query} if per_query else {}
        print_json({**found.means, **counts, "run": run, "qrels": qrels, **values})
        return
    _log.info("means over %d judged queries", found.queries)
    if not per_query:
        print_table(("measure", "value"), [(name, figure(value)) for name, value in found.means.items()])
        return
    print_queries(found.per_query, found.means)

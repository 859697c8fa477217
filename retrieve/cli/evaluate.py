"""`retrieve evaluate`: what a run is worth by judgments, in measures under their ir-measures names."""

from __future__ import annotations

import logging

import click

from retrieve.cli.options import measure_option, relevance_option, split_option
from retrieve.cli.output import as_json, figure, print_json, print_table

_log = logging.getLogger("retrieve")


@click.command("evaluate")
@click.argument("run")
@click.argument("qrels")
@measure_option
@split_option
@relevance_option
@click.option("--per-query", is_flag=True, help="Also the value of each query.")
@click.option("--retrieved-only", is_flag=True, help="Means over queries with hits (trec_eval without -c).")
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
    as_json: bool,
) -> None:
    """Measure a TREC RUN by QRELS: a qrels file, a BEIR folder, or ir_datasets:NAME."""
    from retrieve.cli.judgments import read_judgments
    from retrieve.measures.evaluate import evaluate
    from retrieve.trec import read_run

    found = evaluate(
        read_run(run),
        read_judgments(qrels, split),
        measures,
        relevance_level=relevance_level,
        retrieved_only=retrieved_only,
    )
    if as_json:
        counts = {"queries": found.queries, "missing": len(found.missing), "ignored": len(found.ignored)}
        values = {"per_query": found.per_query} if per_query else {}
        print_json({**found.means, **counts, "run": run, "qrels": qrels, **values})
        return
    _log.info("means over %d judged queries", found.queries)
    if not per_query:
        print_table(("measure", "value"), [(name, figure(value)) for name, value in found.means.items()])
        return
    rows = [
        (name, query_id, figure(value))
        for name, values in found.per_query.items()
        for query_id, value in values.items()
    ]
    rows += [(name, "all", figure(value)) for name, value in found.means.items()]
    print_table(("measure", "query", "value"), rows)

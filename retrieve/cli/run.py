"""`retrieve run`: many queries, answered as a TREC run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import click

from retrieve.cli.opened import opened_index
from retrieve.cli.options import (
    device_option,
    drop_self_option,
    given,
    model_option,
    runtime_options,
    search_options,
    topic_fields_option,
    unit_option,
    with_options,
)
from retrieve.cli.output import as_json, counted, print_json
from retrieve.cli.progress import progress_shown
from retrieve.errors import UsageError

_log = logging.getLogger("retrieve")


@click.command("run")
@click.argument("index", type=click.Path())
@click.argument("queries", type=click.Path())
@click.option("--out", required=True, metavar="RUN", help="The run's file (.gz compresses it), or - .")
@topic_fields_option
@click.option("-k", type=int, default=1000, show_default=True, help="How many hits a query.")
@search_options
@unit_option
@drop_self_option
@model_option
@with_options(*runtime_options, device_option)
@click.option("--tag", default="retrieve", show_default=True, help="The run's last column.")
@as_json
def command(
    index: str,
    queries: str,
    *,
    out: str,
    topic_fields: tuple[str, ...],
    k: int,
    model: str | None,
    backend: str | None,
    precision: str | None,
    device: str | None,
    tag: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Answer all QUERIES from INDEX.

    QUERIES are a BEIR folder, JSON lines, tab-separated id and text, a table with the columns id and text (CSV, TSV), a
    .txt of one question a line, TREC topics (SGML, XML), ir_datasets:NAME, or - . With --unit passage the run ranks
    passages: their ids are DOCUMENT#POSITION, positions from 0. INDEX may be lucene:FOLDER, an index of Lucene's that
    Anserini or pyserini made.
    """
    from retrieve.corpora.corpus import ReadOptions
    from retrieve.corpora.queries import read_queries
    from retrieve.trec import write_run

    if as_json and out == "-":
        raise UsageError("--json and --out - would both be standard output: name a file for the run")
    asked = read_queries(queries, options=ReadOptions(topic_fields=topic_fields))
    opened = opened_index(index, model=model, backend=backend, precision=precision, device=device)
    silent: dict[str, list[str]] = {}
    hits = 0

    def ranked() -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """What is written as it comes; only counts, and names of queries without hits, are kept."""
        nonlocal hits
        for answer in answers:
            for view, found in answer.found.items():
                silent.setdefault(view, []).extend([] if found else [answer.query_id])
            hits += len(answer.ranking)
            yield answer.query_id, answer.ranking

    with opened, progress_shown() as progress:
        start = time.perf_counter()
        answers = opened.iter_run(asked, k, progress=progress, **given(options))
        write_run(out, ranked(), tag)
        seconds = time.perf_counter() - start
    for view, ids in silent.items():
        if ids:
            number = counted(len(ids), "query", "queries")
            _log.warning("%s found nothing for %s: %s", view, number, _some(ids))
    rate = len(asked) / seconds
    if as_json:
        print_json(
            {
                "run": out,
                "index": str(opened.path),
                "queries": len(asked),
                "k": k,
                "hits": hits,
                "silent": {view: len(ids) for view, ids in silent.items()},
                "seconds": round(seconds, 3),
                "queries_per_second": round(rate, 1),
            }
        )
    else:
        _log.info("%s in %.1f s (%.1f a second)", counted(len(asked), "query", "queries"), seconds, rate)


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")

"""`retrieve bench`: a benchmark's figures from one command, with everything that they depend on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import click

from retrieve.cli.options import (
    cache_option,
    device_option,
    drop_self_option,
    given,
    measure_option,
    recipe_options,
    relevance_option,
    runtime_options,
    search_options,
    split_option,
    with_options,
    with_runtime,
)
from retrieve.cli.output import as_json, figure, print_json, print_table
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import writes_index

_log = logging.getLogger("retrieve")


@click.command("bench")
@click.argument("dataset")
@with_options(*recipe_options, *runtime_options, device_option, cache_option)
@split_option
@measure_option
@relevance_option
@click.option("-k", type=int, default=1000, show_default=True, help="How many documents a query.")
@search_options
@drop_self_option
@click.option("--index", metavar="INDEX", help="Build here, and not under $RETRIEVE_HOME.")
@click.option("--out", metavar="RUN", help="Also write the TREC run.")
@as_json
def command(
    dataset: str,
    recipe: str,
    overrides: tuple[str, ...],
    *,
    backend: str | None,
    precision: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Build an index of DATASET by a recipe, run the judged queries, and measure.

    DATASET is a BEIR folder or ir_datasets:NAME. A complete index is used again.
    """
    from retrieve.bench import bench

    writes_index()
    with progress_shown() as progress:
        overrides = with_runtime(recipe, overrides, backend, precision)
        report = bench(dataset, recipe, overrides, progress=progress, **given(settings))
    if as_json:
        print_json(report)
    else:
        _print(report)


def _print(report: Mapping[str, Any]) -> None:
    keys = list(report)
    measures = keys[: keys.index("queries")]  # the report begins with them
    rows = [
        (name, *(figure(view[measure]) for measure in measures)) for name, view in report["views"].items()
    ]
    rows.append((report["recipe"], *(figure(report[measure]) for measure in measures)))
    print_table(("", *measures), rows)
    _log.info(
        "%s (%s): %d queries, %d documents, %d passages; %.1f %% of the tokens not indexed, "
        "%d cut off by the encoder",
        *(report[key] for key in ("dataset", "split", "queries", "documents", "passages")),
        100 * report["not_indexed"],
        report["truncated_tokens"],
    )
    for view, count in report["silent"].items():
        if count:
            _log.warning("%s found nothing for %d queries", view, count)
    _log.info(
        "%.1f s building, %.1f s searching (%.1f queries a second); index %s",
        *(report[key] for key in ("build_seconds", "search_seconds", "queries_per_second", "index")),
    )

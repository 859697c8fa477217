"""`retrieve bench`: a benchmark's figures from one command, with everything that they depend on.

Of search, and with `--presets` of classification: intervals by document, and a paired test of every two presets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import click

from retrieve.cli.options import (
    cache_option,
    device_option,
    drop_self_option,
    encoder_option,
    given,
    measure_option,
    parsed_settings,
    recipe_options,
    relevance_option,
    runtime_options,
    search_options,
    split_option,
    typed_beside,
    with_options,
    with_runtime,
)
from retrieve.cli.output import as_json, figure, print_json, print_table
from retrieve.cli.peers import ALL_PEERS, asked_of_run, peer_contest, print_contest
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import writes_index
from retrieve.errors import UsageError
from retrieve.types import Progress

_log = logging.getLogger("retrieve")


@click.command("bench")
@click.argument("dataset", type=click.Path())
@with_options(*recipe_options, encoder_option, *runtime_options, device_option, cache_option)
@split_option
@measure_option
@relevance_option
@click.option("-k", type=int, default=1000, show_default=True, help="How many documents a query.")
@search_options
@drop_self_option
@click.option("--index", metavar="INDEX", help="Build here, and not under $RETRIEVE_HOME.")
@click.option("--out", metavar="RUN", help="Also write the TREC run.")
@click.option(
    "--peers",
    is_flag=False,
    flag_value=ALL_PEERS,
    metavar="[P,Q,…]",
    help="Also run other engines on it, in turn with ours: those named, or all that are installed.",
)
@click.option("--presets", metavar="P,Q,…", help="Compare classifiers of these presets on labelled DATASET.")
@click.option("--seed", "seeds", type=int, multiple=True, help="With --presets: a seed; as often as wanted.")
@as_json
def command(
    dataset: str,
    recipe: str,
    overrides: tuple[str, ...],
    *,
    encoder: str | None,
    backend: str | None,
    precision: str | None,
    peers: str | None,
    presets: str | None,
    seeds: tuple[int, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Build an index of DATASET by a recipe, run the judged queries, and measure.

    DATASET is a BEIR folder or ir_datasets:NAME. A complete index is used again.

    With --peers, every engine gets the same passages, in a process of its own, with one thread.

    With --presets, DATASET is what `retrieve train classifier` takes: each preset is trained on its training documents
    and measured on its test documents. Only --set, --device, --no-cache, --seed and --json go with it.
    """
    if presets is not None:
        if other := typed_beside("dataset", "presets", "seeds", "overrides", "device", "cache", "as_json"):
            raise UsageError(f"--presets compares classifiers: leave out the option of search {other!r}")
        with progress_shown() as progress:
            how = {"device": settings["device"], "cache": settings["cache"]}
            compared = _compare(dataset, presets, overrides, seeds or (0,), progress, how)
        if as_json:
            print_json(compared)
        else:
            _print_compared(compared)
        return
    if seeds:
        raise UsageError("--seed goes with --presets: a search has nothing to draw")
    from retrieve.bench import bench

    writes_index()
    settings = given(settings)
    with progress_shown() as progress:
        overrides = with_runtime(recipe, overrides, backend, precision, encoder)
        contest = None if peers is None else peer_contest(recipe, overrides, peers, settings)
        report = bench(dataset, recipe, overrides, progress=progress, **settings)
    if contest is not None:
        report["peers"] = contest.run(dataset, **asked_of_run(settings))
    if as_json:
        print_json(report)
    else:
        _print(report)
        if contest is not None:
            print_contest(report["peers"], _measures_of(report))


def _compare(
    dataset: str,
    presets: str,
    overrides: tuple[str, ...],
    seeds: tuple[int, ...],
    progress: Progress | None,
    how: Mapping[str, Any],
) -> dict[str, Any]:
    from retrieve.classify.compare import compare_presets
    from retrieve.corpora.labelled.open import read_labelled

    names = [name.strip() for name in presets.split(",")]
    data = read_labelled(dataset)
    return compare_presets(
        data, names, settings=parsed_settings(overrides), seeds=seeds, progress=progress, **how
    )


def _print_compared(compared: Mapping[str, Any]) -> None:
    measures = compared["measures"]
    rows = []
    for preset in compared["presets"]:
        cells = [preset["preset"]]
        for name in measures:
            interval = preset["intervals"].get(name)
            cells.append(
                f"{interval['value']:.4f} ({interval['low']:.4f} to {interval['high']:.4f})"
                if interval
                else ""
            )
        rows.append(cells)
    print_table(("", *measures), rows)
    click.echo()
    print_table(
        ("", "measure", "difference", "95 % interval", "p", "p (Holm)"),
        [
            (
                f"{test['first']} − {test['second']}",
                test["measure"],
                f"{test['difference']:+.4f}",
                f"{test['low']:+.4f} to {test['high']:+.4f}",
                figure(test["p"]),
                figure(test["p_holm"]),
            )
            for test in compared["tests"]
        ],
    )
    for remark in compared["remarks"]:
        _log.info("%s", remark)


def _measures_of(report: Mapping[str, Any]) -> list[str]:
    """A report begins with them."""
    keys = list(report)
    return keys[: keys.index("queries")]


def _print(report: Mapping[str, Any]) -> None:
    measures = _measures_of(report)
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

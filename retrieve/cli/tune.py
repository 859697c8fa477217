"""`retrieve tune`: search defaults chosen on judged queries, and kept where held-out queries gain."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.options import (
    device_option,
    drop_self_option,
    model_option,
    split_option,
    topic_fields_option,
    typed_beside,
)
from retrieve.cli.output import as_json, figure, print_json, print_table
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import keeps
from retrieve.errors import UsageError

if TYPE_CHECKING:
    from retrieve.tuning.tune import Tuning


@click.command("tune")
@click.argument("index", type=click.Path())
@click.argument("queries", type=click.Path(), required=False)
@click.argument("qrels", type=click.Path(), required=False)
@click.option("-m", "--measure", default="nDCG@10", show_default=True, help="What is to grow, in the mean.")
@split_option
@click.option("--folds", type=int, default=5, show_default=True, help="Parts of the queries.")
@click.option(
    "--most",
    "most_queries",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Judged queries that are used, chosen by a hash of their ids.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the folds, and of the interval.",
)
@topic_fields_option
@drop_self_option
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where rankings are while it tunes (INDEX.tuning); kept if it is named.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing, only say what would be chosen.")
@click.option("--reset", is_flag=True, help="Give INDEX the defaults back that it had before any tuning.")
@model_option
@device_option
@as_json
def command(
    index: str,
    queries: str | None,
    qrels: str | None,
    *,
    split: str,
    topic_fields: tuple[str, ...],
    dry_run: bool,
    reset: bool,
    model: str | None,
    device: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Choose k1 and b, RM3, query winners, aggregate, fusion, weights and depth for INDEX by judged QUERIES.

    QUERIES and QRELS are those of `run` and `evaluate`; a folder of BEIR or MS MARCO may stand for both. Each query is
    judged under settings that were chosen without it. They become INDEX's defaults, in a new generation, only if the
    95 % interval of that gain is above zero; `index info` shows them, `--reset` takes them back. An interrupted tuning
    goes on with the same command.
    """
    from retrieve.api import Index
    from retrieve.cli.judgments import read_judgments
    from retrieve.corpora.corpus import ReadOptions
    from retrieve.corpora.dataset import read_dataset
    from retrieve.corpora.queries import read_queries
    from retrieve.store.paths import index_path
    from retrieve.tuning.tune import tune

    if reset:
        if other := typed_beside("index", "reset", "as_json"):
            raise UsageError(f"--reset takes nothing but INDEX: leave out {other!r}")
        _reset(index_path(index), as_json=as_json)
        return
    if queries is None:
        raise UsageError("wanted QUERIES and QRELS, or a folder of BEIR or MS MARCO for both")
    keeps("rankings are kept, and the same command goes on from them")
    if qrels is None:
        if topic_fields:
            raise UsageError("--topic-fields is for QUERIES that are TREC topics: name QRELS too")
        data = read_dataset(queries, split)
        asked, judgments = data.queries, data.qrels
    else:
        asked, judgments = (
            read_queries(queries, options=ReadOptions(topic_fields=topic_fields)),
            read_judgments(qrels, split),
        )
    with Index.open(index, model=model, device=device) as opened, progress_shown() as progress:
        found = tune(opened, asked, judgments, keep=not dry_run, progress=progress, **how)
        place = str(opened.path)
    if as_json:
        print_json({"index": place, **asdict(found), "gain": found.gain._asdict()})
    else:
        _print(found, place, dry_run=dry_run)


def _reset(folder: Path, *, as_json: bool) -> None:
    from retrieve.store.defaults import reset_defaults

    generation = reset_defaults(folder)
    if as_json:
        print_json({"index": str(folder), "generation": generation, "reset": True})
    else:
        click.echo(f"{folder}: its first search defaults are back (generation {generation})")


def _print(found: Tuning, place: str, *, dry_run: bool) -> None:
    rows = [
        (name, *(_shown(settings[name]) for settings in (found.defaults, found.chosen)))
        for name in found.defaults.keys() | found.chosen.keys()
    ]
    print_table(("setting", "default", "chosen"), sorted(rows))
    click.echo()
    gain = found.gain
    print_table(
        ("queries", found.measure, "held out", "gain", "from", "to"),
        [
            (
                str(found.queries),
                figure(found.before),
                figure(found.held_out),
                *(f"{value:+.4f}" for value in (gain.value, gain.low, gain.high)),
            )
        ],
    )
    if found.kept:
        click.echo(
            f"{place}: these are its search defaults now; `retrieve tune {place} --reset` takes them back"
        )
    elif found.chosen == found.defaults:
        click.echo(f"{place}: nothing was better on these queries; it stays as it was")
    elif gain.high <= 0:
        click.echo(
            f"{place}: settings chosen on other queries are worse on held-out ones; it stays as it was"
        )
    elif gain.low <= 0:
        click.echo(f"{place}: the gain may be chance (its interval is not above zero); it stays as it was")
    elif dry_run:
        click.echo(f"{place}: it stays as it was (--dry-run)")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={number:g}" for name, number in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)

"""`retrieve train vod`: retriever and reader from questions and a corpus, to a model folder with its index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from retrieve.cli.options import command_line, device_option, page_option, parsed_settings
from retrieve.cli.output import as_json, figure, print_json, print_table
from retrieve.cli.page import check_page, save_page
from retrieve.cli.progress import progress_shown
from retrieve.cli.session import keeps


@click.command("vod")
@click.argument("config", type=click.Path())
@click.option("--out", required=True, metavar="FOLDER", help="Where the model goes.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the configuration, as in sampler.k=16.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of held-out questions, weights, draws, order.",
)
@click.option(
    "--work",
    metavar="FOLDER",
    help="Where index, caches and checkpoints are while it trains (FOLDER.training); kept if it is named.",
)
@page_option
@click.option("--force", is_flag=True, help="Replace the model that is there.")
@device_option
@as_json
def command(
    config: str,
    out: str,
    *,
    settings: tuple[str, ...],
    page: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Train a retriever and a reader by CONFIG, a TOML file.

    CONFIG names a corpus and questions with options and answers ([data] corpus, questions); all else has defaults. An
    interrupted training goes on with the same command. FOLDER is written whole or not at all; `retrieve answer` and,
    with `index create --encoder FOLDER/questions`, any index take it.
    """
    from retrieve.train.vod.learn import train_vod

    check_page(page)
    keeps("checkpoints are kept, and the same command goes on from them")
    with progress_shown() as progress:
        report = train_vod(config, out, settings=parsed_settings(settings), progress=progress, **how)
    report["command"] = command_line()
    if page is not None:
        from retrieve.train.vod.pages import training_page

        save_page(training_page(report), page, "the training's page")
    if as_json:
        print_json(report)
    else:
        print_periods(report)
    click.echo(f"{out}: model kept, that of the beginning of period {report['best']}", err=True)


def print_periods(report: Mapping[str, Any]) -> None:
    """Every checkpoint as held-out questions judged it."""
    rows = [
        (
            str(each["period"]),
            figure(each["log_likelihood"]),
            figure(each["accuracy"]),
            "kept" if each["period"] == report["best"] else "",
        )
        for each in report["periods"]
    ]
    print_table(("checkpoint", "log-likelihood", "accuracy", ""), rows)

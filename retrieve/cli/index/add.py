"""`retrieve index add`: documents from any source, added or updated in one commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from retrieve.cli.index.sources import fill, opened_by, report, source_options
from retrieve.cli.options import cache_option, device_option, model_option
from retrieve.cli.output import as_json
from retrieve.errors import UsageError


@click.command("add")
@click.argument("index", type=click.Path())
@click.argument("sources", type=click.Path(), nargs=-1, required=True, metavar="SOURCE…")
@source_options
@click.option(
    "--vectors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An .npy file with one row for each document, in place of encoding.",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Delete every document of INDEX that is not in the sources; with --root, of those below the sources' folders.",
)
@model_option
@device_option
@cache_option
@as_json
def command(
    index: str,
    sources: tuple[str, ...],
    *,
    model: str | None,
    device: str | None,
    cache: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Add the documents of each SOURCE to INDEX, in order and in one commit.

    A document whose id is there already is left alone if it is equal, and replaced if it is not.
    """
    from retrieve.api import Index

    if how["vectors"] is not None and how["skip_bad"]:
        raise UsageError(
            "--vectors goes by the order of the documents, and --skip-bad may leave some out: repair the source"
        )
    with Index.open(index, model=model, device=device, cache=cache) as opened:
        report(opened, fill(opened, opened_by(sources, how), **how), as_json=as_json)

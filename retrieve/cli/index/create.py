"""`retrieve index create`: an index by a recipe, filled in one commit; after a kill the same command goes on."""

from __future__ import annotations

import logging
import shlex
from typing import Any

import click

from retrieve.cli.index.sources import fill, opened_by, report, source_options
from retrieve.cli.options import (
    cache_option,
    device_option,
    encoder_option,
    recipe_options,
    runtime_options,
    with_options,
    with_runtime,
)
from retrieve.cli.output import as_json

_log = logging.getLogger("retrieve")


@click.command("create")
@click.argument("index", type=click.Path())
@click.argument("sources", type=click.Path(), nargs=-1, metavar="[SOURCE]…")
@with_options(*recipe_options, encoder_option, *runtime_options, device_option, cache_option)
@source_options
@click.option(
    "--force", is_flag=True, help="Replace the index that is there; it stays if this one cannot be filled."
)
@as_json
def command(
    index: str,
    sources: tuple[str, ...],
    recipe: str,
    overrides: tuple[str, ...],
    *,
    encoder: str | None,
    backend: str | None,
    precision: str | None,
    device: str | None,
    cache: bool,
    force: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Make INDEX by a recipe, and fill it from each SOURCE in one commit.

    A SOURCE is a BEIR folder, JSON lines, MS MARCO TSV, CSV, TREC SGML, XML by --xml (each plain or gzip), a text,
    Markdown, HTML, PDF, Word or mail file or a folder of them, ir_datasets:NAME, python: (the standard library's
    documentation), or - for standard input.
    """
    from retrieve.api import Index
    from retrieve.store.create import remove_unfilled
    from retrieve.store.paths import index_path, is_index

    corpora = opened_by(sources, how)  # before a model is loaded, and perhaps converted
    ours = force or not is_index(index_path(index))
    asked = with_runtime(recipe, overrides, backend, precision, encoder)
    with Index.create(index, recipe, asked, force=force, cache=cache, device=device) as made:
        try:
            filled = fill(made, corpora, **how)
        except BaseException:
            if ours:  # an empty index would only be in the way of the next attempt, or of the one it replaced
                remove_unfilled(made.path)
            raise
        report(made, filled, as_json=as_json)
        if not as_json:
            _log.info("next: %s", _next(index, filled=bool(len(made))))


def _next(index: str, *, filled: bool) -> str:
    """What to type now."""
    name = shlex.quote(index)
    return f'retrieve search {name} "your question"' if filled else f"retrieve index add {name} SOURCE"

"""`retrieve index merge`: segments rewritten as fewer, without their deleted rows."""

from __future__ import annotations

import click

from retrieve.cli.options import model_option
from retrieve.cli.output import as_json, counted, print_json
from retrieve.cli.progress import progress_shown


@click.command("merge")
@click.argument("index", type=click.Path())
@click.option(
    "--retrain",
    is_flag=True,
    help="Learn the FAISS index and the UHD mean again, from all that is there now.",
)
@model_option
@as_json
def command(index: str, *, retrain: bool, model: str | None, as_json: bool) -> None:
    """Rewrite the segments of INDEX, packed and without deleted rows.

    Segments that were made before there was enough to learn from, or before --retrain, are made anew where vectors
    are kept; apart from that every answer stays the same.
    """
    from retrieve.api import Index

    with Index.open(index, model=model) as opened:
        before = opened.info()
        with progress_shown() as progress:
            opened.merge(retrain=retrain, progress=progress)
        after = opened.info()
        if as_json:
            print_json(
                {
                    "index": str(opened.path),
                    "segments_before": before["segments"],
                    "segments": after["segments"],
                    "bytes_before": before["bytes"]["total"],
                    "bytes": after["bytes"]["total"],
                    "generation": after["generation"],
                }
            )
        else:
            click.echo(
                f"{opened.path}: {counted(before['segments'], 'segment')}, {before['bytes']['total']:,} bytes → "
                f"{counted(after['segments'], 'segment')}, {after['bytes']['total']:,} bytes"
            )

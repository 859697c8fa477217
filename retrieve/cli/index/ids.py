"""`retrieve index ids`: which documents an index holds, or which of them a filter selects."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, print_json


@click.command("ids")
@click.argument("index", type=click.Path())
@click.option(
    "--where", metavar="JSON", help='Only those that the filter selects, as in \'{"no_text": "scanned"}\'.'
)
@as_json
def command(index: str, *, where: str | None, as_json: bool) -> None:
    """Print the id of each document in INDEX, one a line; with --json exactly, whatever they hold."""
    from retrieve.api import Index

    with Index.open(index) as opened:
        ids = opened.ids(where)
        if as_json:
            print_json({"index": index, "ids": list(ids)})
            return
        for doc_id in ids:
            click.echo(doc_id)

"""`retrieve index delete`: documents out of an index, by id or by filter, in one commit."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import BinaryIO

import click

from retrieve.cli.output import as_json, counted, print_json
from retrieve.corpora.stream import STANDARD_INPUT, decoded
from retrieve.errors import InputError, UsageError

_log = logging.getLogger("retrieve")


@click.command("delete")
@click.argument("index", type=click.Path())
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option(
    "--where", metavar="JSON", help='Delete what the filter selects, as in \'{"year": {"lt": 1990}}\'.'
)
@click.option(
    "--ids-from",
    type=click.File("rb"),
    metavar="FILE",
    help="One id a line; - is standard input.",
)
@as_json
def command(
    index: str, ids: tuple[str, ...], where: str | None, ids_from: BinaryIO | None, *, as_json: bool
) -> None:
    """Delete documents of INDEX by ID, by --where, or by both."""
    from retrieve.api import Index

    wanted = dict.fromkeys([*ids, *(_ids(ids_from) if ids_from is not None else ())])
    if not wanted and where is None and ids_from is None:
        raise UsageError("nothing to delete: give ids, --ids-from or --where")
    with Index.open(index) as opened:
        with opened.writer() as writer:
            by_id = writer.delete(list(wanted))
            deleted = by_id + (writer.delete(where=where) if where is not None else 0)
        not_found = len(wanted) - by_id
        if not_found:
            _log.warning("%s: not in the index, so not deleted", counted(not_found, "id"))
        if as_json:
            print_json(
                {
                    "index": str(opened.path),
                    "deleted": deleted,
                    "not_found": not_found,
                    "documents": len(opened),
                    "generation": opened.generation,
                }
            )
        else:
            click.echo(f"{opened.path}: {deleted:,} deleted, {counted(len(opened), 'document')} left")


def _ids(file: BinaryIO) -> Iterator[str]:
    name = STANDARD_INPUT if file is sys.stdin.buffer else file.name
    for number, line in enumerate(file, 1):
        doc_id = decoded(line.rstrip(b"\r\n"), f"{name}:{number}")
        if isinstance(doc_id, InputError):
            raise doc_id
        if doc_id:
            yield doc_id

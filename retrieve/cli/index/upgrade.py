"""`retrieve index upgrade`: an index in the current format. There has been one format so far, so none is old."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, print_json


@click.command("upgrade")
@click.argument("index")
@as_json
def command(index: str, *, as_json: bool) -> None:
    """Bring INDEX to the current format; one from a newer version is refused."""
    from retrieve.store.manifest import read_manifest
    from retrieve.store.place import index_path

    path = index_path(index)
    found = read_manifest(path).format
    if as_json:
        print_json({"index": str(path), "format": found, "upgraded": False})
    else:
        click.echo(f"{path}: format {found} is the current one, there is nothing to do")

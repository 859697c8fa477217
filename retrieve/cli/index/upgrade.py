"""`retrieve index upgrade`: an index as the current version builds it. The format has had one number so far."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, counted, print_json


@click.command("upgrade")
@click.argument("index")
@as_json
def command(index: str, *, as_json: bool) -> None:
    """Bring INDEX to what the current version builds; one from a newer version is refused."""
    from retrieve.store.manifest import read_manifest
    from retrieve.store.paths import index_path
    from retrieve.store.upgrade import upgrade_index

    path = index_path(index)
    found = read_manifest(path).format
    rewritten = upgrade_index(path)
    if as_json:
        print_json({"index": str(path), "format": found, "upgraded": rewritten > 0, "segments": rewritten})
    elif rewritten:
        click.echo(f"{path}: the columns of {counted(rewritten, 'segment')} were built anew")
    else:
        click.echo(f"{path}: format {found} is the current one, there is nothing to do")

"""`retrieve index upgrade`: an index as the current version builds it."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, counted, print_json


@click.command("upgrade")
@click.argument("index", type=click.Path())
@as_json
def command(index: str, *, as_json: bool) -> None:
    """Rewrite INDEX as the current version builds it, which encodes nothing; one from a newer version is refused."""
    from retrieve.store.manifest import FORMAT, read_manifest
    from retrieve.store.paths import index_path
    from retrieve.store.upgrade import upgrade_index

    path = index_path(index)
    found = read_manifest(path).format
    rewritten = upgrade_index(path)
    if as_json:
        upgraded = rewritten is not None
        print_json({"index": str(path), "format": found, "upgraded": upgraded, "segments": rewritten or 0})
    elif rewritten is None:
        click.echo(f"{path}: format {found} is the current one, there is nothing to do")
    else:
        click.echo(
            f"{path}: {counted(rewritten, 'segment')} rewritten, the format is {FORMAT} (it was {found})"
        )

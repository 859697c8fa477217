"""`retrieve index verify`: every byte of an index against its checksums. It must work where opening fails."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, counted, print_json
from retrieve.cli.progress import progress_shown


@click.command("verify")
@click.argument("index")
@as_json
@click.pass_context
def command(ctx: click.Context, index: str, *, as_json: bool) -> None:
    """Check every byte of INDEX; list what does not hold, and exit with 1 if there is anything."""
    from retrieve.store.place import index_path
    from retrieve.store.verify import verify

    path = index_path(index)
    with progress_shown() as progress:
        problems = verify(path, progress)
    if as_json:
        print_json({"index": str(path), "clean": not problems, "problems": problems})
    elif problems:
        click.echo("\n".join(problems))
    else:
        click.echo(f"{path}: clean")
    if problems:
        click.echo(
            f"retrieve: {counted(len(problems), 'problem')} in {path}: restore it from a copy, or build it again",
            err=True,
        )
        ctx.exit(1)

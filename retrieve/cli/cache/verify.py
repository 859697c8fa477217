"""`retrieve cache verify`: every byte of the cache against its checksums."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, counted, print_json
from retrieve.cli.progress import progress_shown


@click.command("verify")
@as_json
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Check every byte of the cache; list what does not hold, and exit with 1 if there is anything."""
    from retrieve.encoders.vector_cache import cache_root
    from retrieve.encoders.vector_upkeep import verify_cache

    root = cache_root()
    with progress_shown() as progress:
        problems = verify_cache(root, progress)
    if as_json:
        print_json({"cache": str(root), "clean": not problems, "problems": problems})
    elif problems:
        click.echo("\n".join(problems))
    else:
        click.echo(f"{root}: clean")
    if problems:
        click.echo(
            f"retrieve: {counted(len(problems), 'problem')} in {root}: `retrieve cache prune --damaged` removes them",
            err=True,
        )
        ctx.exit(1)

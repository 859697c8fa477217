"""`retrieve index verify`: every byte of an index against its checksums. It must work where opening fails."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, report_problems
from retrieve.cli.progress import progress_shown


@click.command("verify")
@click.argument("index", type=click.Path())
@as_json
def command(index: str, *, as_json: bool) -> None:
    """Check every byte of INDEX; list what does not hold, and exit with 1 if there is anything."""
    from retrieve.store.paths import index_path
    from retrieve.store.verify import verify

    path = index_path(index)
    with progress_shown() as progress:
        problems = verify(path, progress)
    report_problems(
        "index", path, problems, remedy="restore it from a copy, or build it again", as_json=as_json
    )

"""`retrieve cache verify`: every byte of the cache against its checksums."""

from __future__ import annotations

import click

from retrieve.cli.output import as_json, report_problems
from retrieve.cli.progress import progress_shown


@click.command("verify")
@as_json
def command(*, as_json: bool) -> None:
    """Check every byte of the cache; list what does not hold, and exit with 1 if there is anything."""
    from retrieve.user_folders import cache_root
    from retrieve.vector_cache.upkeep import verify_cache

    root = cache_root()
    with progress_shown() as progress:
        problems = verify_cache(root, progress)
    report_problems(
        "cache", root, problems, remedy="`retrieve cache prune --damaged` removes them", as_json=as_json
    )

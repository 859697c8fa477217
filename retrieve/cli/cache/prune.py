"""`retrieve cache prune`: vectors out of the cache, by encoder, age, size or damage."""

from __future__ import annotations

import re

import click

from retrieve.cli.output import as_json, counted, print_json
from retrieve.cli.session import keeps

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)", value.strip().upper())
    if found is None:
        raise click.BadParameter(f"{value!r}: wanted bytes, as in 500M or 2G (K, M, G, T: powers of 1,024)")
    return int(float(found[1]) * _UNITS[found[2]])


@click.command("prune")
@click.option("--encoder", metavar="PREFIX", help="Only vectors of encoders whose fingerprint begins so.")
@click.option("--older-than", type=float, metavar="DAYS", help="What was not used for so many days.")
@click.option(
    "--max-size", callback=_size, metavar="SIZE", help="What is longest unused, until SIZE is left, as in 2G."
)
@click.option("--damaged", is_flag=True, help="What fails its checksum.")
@click.option("--all", "everything", is_flag=True, help="All vectors.")
@as_json
@click.pass_context
def command(
    ctx: click.Context,
    *,
    encoder: str | None,
    older_than: float | None,
    max_size: int | None,
    damaged: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Remove vectors from the cache: what any of the options names, of the --encoder if one is given.

    --encoder alone removes all of that encoder. What killed commands left behind goes too.
    """
    from retrieve.user_folders import cache_root
    from retrieve.vector_cache.upkeep import prune_cache

    keeps("what was removed is gone, the rest is whole")
    root = cache_root()
    pruned = prune_cache(
        root,
        fingerprint=encoder,
        older_than_days=older_than,
        max_bytes=max_size,
        damaged=damaged,
        everything=everything,
    )
    if as_json:
        print_json({"cache": str(root), **pruned})
        return
    leftovers = f" and {counted(pruned['leftovers'], 'leftover')}" if pruned["leftovers"] else ""
    click.echo(
        f"{root}: {counted(pruned['shards'], 'shard')} ({pruned['bytes']:,} bytes){leftovers} removed, "
        f"{counted(pruned['shards_left'], 'shard')} ({pruned['bytes_left']:,} bytes) left"
    )

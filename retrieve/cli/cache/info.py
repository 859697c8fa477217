"""`retrieve cache info`: what is cached, one row for each encoder and way of running it."""

from __future__ import annotations

import logging
from typing import Any

import click

from retrieve.cli.output import as_json, counted, print_json, print_table

_log = logging.getLogger("retrieve")

_COLUMNS = (
    *("fingerprint", "backend", "precision", "limit", "dimensions", "numbers", "calibration"),
    *("vectors", "bytes", "shards", "last_use", "problem"),
)
_DIGESTS = ("fingerprint", "calibration")
_SHOWN_DIGITS = 12


@click.command("info")
@as_json
def command(*, as_json: bool) -> None:
    """Vectors, bytes and last use of each encoder in the cache."""
    from retrieve.user_folders import cache_root
    from retrieve.vector_cache.upkeep import cache_info, states_info

    root = cache_root()
    spaces, states = cache_info(root), states_info(root)
    vectors, size = (sum(space[name] for space in spaces) for name in ("vectors", "bytes"))
    if as_json:
        print_json(
            {"cache": str(root), "vectors": vectors, "bytes": size, "spaces": spaces, "token_states": states}
        )
        return
    _log.info("%s, %s bytes in %s", counted(vectors, "vector"), f"{size:,}", root)
    if states:
        held = sum(one["bytes"] for one in states)
        _log.info("%s of token states, %s bytes", counted(len(states), "collection"), f"{held:,}")
    if spaces:
        print_table(_COLUMNS, [[_cell(space, column) for column in _COLUMNS] for space in spaces])


def _cell(space: dict[str, Any], column: str) -> str:
    value = space.get(column)
    text = "" if value is None else str(value)
    return text[:_SHOWN_DIGITS] if column in _DIGESTS else text

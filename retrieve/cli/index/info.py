"""`retrieve index info`: what an index holds and how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from retrieve.cli.output import as_json, print_json, print_table


@click.command("info")
@click.argument("index", type=click.Path())
@as_json
def command(index: str, *, as_json: bool) -> None:
    """Counts, sizes, recipe and encoder of INDEX."""
    from retrieve.api import Index

    with Index.open(index) as opened:
        info = opened.info()
    if as_json:
        print_json(info)
    else:
        print_table(("key", "value"), list(_flat(info)))


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _shown(item)


def _shown(item: Any) -> str:
    if isinstance(item, bool) or not isinstance(item, int | float):
        return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return str(item) if isinstance(item, int) else f"{item:.6g}"

"""`retrieve index list`: the indexes under the home folder. A damaged one is listed as such and hides no other."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from retrieve.cli.output import as_json, counted, print_json, print_table
from retrieve.errors import RetrieveError

_log = logging.getLogger("retrieve")

_COLUMNS = ("name", "recipe", "documents", "passages", "generation", "problem")


@click.command("list")
@as_json
def command(*, as_json: bool) -> None:
    """Indexes under $RETRIEVE_HOME."""
    from retrieve.store.paths import home, list_indexes

    place = home()
    found = [_row(path) for path in list_indexes(place)]
    if as_json:
        print_json({"home": str(place), "indexes": found})
        return
    _log.info("%s in %s", counted(len(found), "index", "indexes"), place)
    if found:
        print_table(_COLUMNS, [[str(row.get(column, "")) for column in _COLUMNS] for row in found])


def _row(path: Path) -> dict[str, Any]:
    from retrieve.store.manifest import read_manifest

    try:
        manifest = read_manifest(path)
    except RetrieveError as error:
        return {"name": path.name, "problem": str(error)}
    return {
        "name": path.name,
        "recipe": manifest.recipe["name"],
        "documents": manifest.totals.documents,
        "passages": manifest.totals.passages,
        "generation": manifest.generation,
    }

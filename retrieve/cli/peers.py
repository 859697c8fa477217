"""What `retrieve bench --peers` asks of the contest, and how it prints it: a table, then what differs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from retrieve.cli.output import figure, print_table

if TYPE_CHECKING:
    from retrieve.peers.contest import Contest

ALL_PEERS = "all"
"""What `--peers` without names means."""

_OF_RUN = ("split", "k", "measures", "relevance_level", "drop_self")
_OF_BENCH = (*_OF_RUN, "index", "out", "cache", "device")  # the other settings are options of searches

_log = logging.getLogger("retrieve")


def peer_contest(recipe: str, overrides: Sequence[str], peers: str, settings: Mapping[str, Any]) -> Contest:
    """Peers are chosen and checked now, before an hour of building."""
    from retrieve.peers.contest import Contest

    names = None if peers == ALL_PEERS else [name.strip() for name in peers.split(",")]
    options = {name: value for name, value in settings.items() if name not in _OF_BENCH}
    return Contest(recipe, overrides, names, device=settings.get("device"), options=options)


def asked_of_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of bench's settings that a contest has too."""
    return {name: settings[name] for name in _OF_RUN}


def print_contest(contest: Mapping[str, Any], measures: Sequence[str]) -> None:
    """Figures of ours by view and of its peers, with ratios to ours in parentheses; then what differs."""
    from retrieve.peers.figures import RESOURCES

    rows = [
        (f"ours: {view}", *_cells(made, measures, RESOURCES, {})) for view, made in contest["ours"].items()
    ]
    differences = {"ours": next(iter(contest["ours"].values()))["differences"]}
    for name, made in contest["peers"].items():
        rows.append((f"{name}: {made['view']}", *_cells(made, measures, RESOURCES, made["ratios"])))
        differences[f"{name} {made['version']}" if made["version"] else name] = made["differences"]
    click.echo()
    print_table(("", *measures, *(name.replace("_", " ") for name in RESOURCES)), rows)
    for name, said in differences.items():
        _log.info("%s: %s", name, "; ".join(said))
    for why in contest["not_run"].values():
        _log.info("not run: %s", why)


def _cells(
    made: Mapping[str, Any], measures: Sequence[str], resources: Sequence[str], ratios: Mapping[str, Any]
) -> list[str]:
    cells = []
    for name in (*measures, *resources):
        value, ratio = made[name], ratios.get(name)
        shown = "–" if value is None else figure(value) if name in measures else f"{value:,}"
        cells.append(shown if ratio is None else f"{shown} ({ratio:.2f})")
    return cells

"""The page that a command writes beside its output: its place is looked at before the work, and it is told of after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from retrieve.report.records import Page


def check_page(place: Path | None) -> None:
    """Raise the error of a place that cannot be written, where a page is asked for."""
    if place is not None:
        from retrieve.report.page import check_writable

        check_writable(place)


def save_page(page: Page, place: Path, name: str) -> None:
    """Write it, and say so under a name as in "the training's page"."""
    from retrieve.report.page import write_page

    write_page(page, place)
    click.echo(f"{place}: {name}", err=True)

"""Progress of long work on standard error: bars on a terminal, elsewhere a line now and then, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from retrieve.cli.session import Session
from retrieve.types import Progress

EVERY = 10.0  # seconds between lines


@contextmanager
def progress_shown() -> Iterator[Progress | None]:
    """What to pass to the library as `progress` while the block runs."""
    session = click.get_current_context().find_object(Session)
    if session is not None and session.quiet:
        yield None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield Lines()


class Lines:
    """One line when `EVERY` seconds have passed since the last one."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._last >= EVERY:
            self._last = now
            of = f" of {total:,}" if total is not None else ""
            click.echo(f"{stage}: {done:,}{of} ({now - self._start:.0f} s)", err=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show

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
    """For each stage one line when `EVERY` seconds have passed since its last one, with its rate and time left."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, int]] = {}
        self._last: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if stage not in self._begun:
            self._begun[stage] = now, done
            self._last[stage] = now
        if now - self._last[stage] < EVERY:
            return
        self._last[stage] = now
        since, at_first = self._begun[stage]
        rate = (done - at_first) / (now - since)
        of = f" of {total:,}" if total is not None else ""
        left = f", {(total - done) / rate:,.0f} s left" if total is not None and rate > 0 else ""
        click.echo(f"{stage}: {done:,}{of} ({now - since:.0f} s, {rate:,.0f} a second{left})", err=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second, whatever they are."""

        def render(self, task: Task) -> Text:
            return Text("" if not task.speed else f"{task.speed:,.0f}/s")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show

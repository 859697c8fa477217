"""What a reader makes of one record, and what becomes of a bad one.

Readers hand over a bad record as a value instead of raising, because a generator that has raised cannot go on.
`Refusals` is the one place that decides what it does then: stop the pass, or be counted and logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from typing import Generic, NamedTuple, TypeVar

from retrieve.errors import InputError

logger = logging.getLogger("retrieve")

SHOWN = 10
"""Bad records that are logged one by one, and ids that a remark names; of more, only the count is said."""

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Row(NamedTuple, Generic[T_co]):
    """What one record turned out to be, and the line (counted from 1) on which it starts."""

    line: int
    outcome: T_co | InputError


Rows = Generator[Row[T], None, None]
"""A generator, so that leaving a pass early closes its file."""


def parsed_rows(
    name: str, items: Iterable[tuple[int, R | InputError]], parse: Callable[[R, str], T]
) -> Rows[T]:
    """Turn raw items into rows. `parse(item, where)` gives the outcome or raises `InputError`."""
    for line, item in items:
        outcome: T | InputError
        if isinstance(item, InputError):
            outcome = item
        else:
            try:
                outcome = parse(item, f"{name}:{line}")
            except InputError as error:
                outcome = error
        yield Row(line, outcome)


class Refusals:
    """Bad records of one pass: the first one ends it, unless `skip_bad`; then they are counted."""

    def __init__(self, *, skip_bad: bool) -> None:
        self.count = 0
        self._skip_bad = skip_bad

    def add(self, error: InputError) -> None:
        """Raise it, or count it; the first ones are logged."""
        if not self._skip_bad:
            raise error
        self.count += 1
        if self.count <= SHOWN:
            logger.warning("skipped %s", error)

    def finish(self, name: str) -> None:
        """Log how many there were, where not all of them are named."""
        if self.count > SHOWN:
            logger.warning(
                "%s: skipped %d bad records in all, the first %d are named above", name, self.count, SHOWN
            )


def some(ids: list[str]) -> str:
    """The first ids, for a remark."""
    return ", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")

"""What a page is made of: frozen records of text and numbers, with nothing in them of how they are shown.

Numbers that are not finite are refused when a record is made, so that a page never shows "nan" or a broken curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from retrieve.errors import UsageError
from retrieve.types import Hit

Cell = str | int | float | None
"""A cell of a table. Numbers stand right, with thousands separated or `decimals` places; None is a dash."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; the first column names the row. `bars`: columns whose values, 0 to 1, are drawn too.

    `decimals` are those of numbers that are not whole.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    decimals: int = 3
    bars: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise UsageError(
                    f"table {self.caption!r}: a row of {len(row)} cells under {len(self.header)} headers: give one each"
                )
        _check_finite(self.caption, (cell for row in self.rows for cell in row))


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counts (R,C), each shaded by its share of its row: a confusion table. `corner` says what rows and columns are."""

    caption: str
    corner: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.values) != len(self.rows) or any(len(row) != len(self.columns) for row in self.values):
            raise UsageError(
                f"matrix {self.caption!r}: wanted {len(self.rows)} rows of {len(self.columns)} counts: give all"
            )
        _check_finite(self.caption, (value for row in self.values for value in row))


class Series(NamedTuple):
    """One curve: its name, and its points (x, y) from left to right."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LineChart:
    """Curves over one x axis. `mark`: an x to point out (the epoch that was kept), said in `note`; `bounds`: x's where
    one period ends and the next begins.
    """

    caption: str
    x: str
    y: str
    series: tuple[Series, ...]
    mark: float | None = None
    note: str = ""
    bounds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (number for line in self.series for point in line.points for number in point)
        _check_finite(self.caption, (self.mark, *self.bounds, *numbers))


class Bar(NamedTuple):
    """A value, with the ends of its interval where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars from zero, with intervals as whiskers. `x` names the scale."""

    caption: str
    x: str
    bars: tuple[Bar, ...]
    note: str = ""

    def __post_init__(self) -> None:
        _check_finite(self.caption, (number for bar in self.bars for number in bar[1:]))


@dataclass(frozen=True, slots=True)
class Columns:
    """Many values side by side, each a thin column up or down from zero: one for each query, in the order given."""

    caption: str
    x: str
    y: str
    columns: tuple[tuple[str, float], ...]
    note: str = ""

    def __post_init__(self) -> None:
        _check_finite(self.caption, (value for _, value in self.columns))


class Bin(NamedTuple):
    """Predictions of like probability: their mean, the share of them that was true, how many there are."""

    predicted: float
    observed: float
    number: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """Calibration: predicted probability against observed share, for each of the named series of bins."""

    caption: str
    series: tuple[tuple[str, tuple[Bin, ...]], ...]
    note: str = ""

    def __post_init__(self) -> None:
        _check_finite(self.caption, (number for _, bins in self.series for bin in bins for number in bin))


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points (x, y) with the diagonal: wanted against predicted values."""

    caption: str
    x: str
    y: str
    points: tuple[tuple[float, float], ...]
    note: str = ""

    def __post_init__(self) -> None:
        _check_finite(self.caption, (number for point in self.points for number in point))


@dataclass(frozen=True, slots=True)
class KeyValues:
    """Names with what they are: settings, versions, sizes."""

    caption: str
    pairs: tuple[tuple[str, Cell], ...]

    def __post_init__(self) -> None:
        _check_finite(self.caption, (value for _, value in self.pairs))


@dataclass(frozen=True, slots=True)
class Code:
    """Something to be copied exactly: a command."""

    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence or a list of them. `warning`: what a reader must not overlook."""

    lines: tuple[str, ...]
    warning: bool = False


class Mark(NamedTuple):
    """Marked characters of a text: `spans` (start, end), `weight` from −1 (against) to 1 (for).

    `name` (a number) is written at its first character, `about` is shown when it is pointed at.
    """

    spans: tuple[tuple[int, int], ...]
    weight: float
    name: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Highlighted:
    """A text with marked passages, which may overlap. `around`: characters shown beside each mark; None: all of it."""

    caption: str
    text: str
    marks: tuple[Mark, ...]
    around: int | None = None

    def __post_init__(self) -> None:
        _check_finite(self.caption, (mark.weight for mark in self.marks))
        for mark in self.marks:
            for start, end in mark.spans:
                if not 0 <= start <= end <= len(self.text):
                    raise UsageError(
                        f"mark {mark.name!r} of {self.caption!r} has characters {start} to {end} of a text of "
                        f"{len(self.text)}: give offsets into this text"
                    )


@dataclass(frozen=True, slots=True)
class HitList:
    """What a search found, as a person reads it."""

    hits: tuple[Hit, ...]

    def __post_init__(self) -> None:
        for hit in self.hits:
            _check_finite(hit.doc_id, (hit.score, *hit.scores.values()))


Block = (
    Table
    | Matrix
    | LineChart
    | BarChart
    | Columns
    | Reliability
    | Scatter
    | KeyValues
    | Code
    | Note
    | Highlighted
    | HitList
)


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading, with a line in the table of contents."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page. `blocks` come first, then the sections."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()


def _check_finite(caption: str, values: Iterable[Cell]) -> None:
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{caption!r} holds {value}: give a finite number, or None where there is none")

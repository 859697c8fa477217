"""Charts as geometry: a record becomes lines, dots, bars and words at places, which one template writes as SVG.

Own code and not matplotlib's: a page must be made where only the core packages are, its charts follow the reader's dark
or light colours by CSS classes, and five kinds of chart are less than a wrapper around a library would be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from retrieve.report.records import BarChart, Columns, LineChart, Reliability, Scatter


class Line(NamedTuple):
    """A polyline."""

    points: list[tuple[float, float]]
    style: str
    kind: str = "line"


class Dot(NamedTuple):
    """A circle; `title` is shown when it is pointed at."""

    x: float
    y: float
    radius: float
    style: str
    title: str
    kind: str = "dot"


class Box(NamedTuple):
    """A rectangle; `title` is shown when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str = ""
    kind: str = "box"


class Word(NamedTuple):
    """A text at a place, its `anchor` start, middle or end; `turned`: read from below."""

    x: float
    y: float
    text: str
    anchor: str = "middle"
    style: str = ""
    turned: bool = False
    kind: str = "word"


Shape = Line | Dot | Box | Word


@dataclass
class Drawing:
    """Shapes on a canvas of `width` × `height` units, drawn in order; `said` is what the picture is, in words."""

    width: float
    height: float
    said: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Draw on top."""
        self.shapes.extend(shapes)


class Scale(NamedTuple):
    """Values `low` to `high` as units `first` to `last`."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Where a value is."""
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`."""
    if high - low < 1e-9 * max(1.0, abs(low), abs(high)):  # all the same
        low, high = low - max(abs(low) / 2, 0.5), high + max(abs(high) / 2, 0.5)
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A tick's number as short as it can be."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 18.0, 16.0, 46.0


def _axes(drawing: Drawing, x: list[float], y: list[float], names: tuple[str, str]) -> tuple[Scale, Scale]:
    """Both axes with grid, numbers and names."""
    across = Scale(x[0], x[-1], _LEFT, drawing.width - _RIGHT)
    up = Scale(y[0], y[-1], drawing.height - _BOTTOM, _TOP)
    for value in y:
        drawing.add(Line([(across.first, up(value)), (across.last, up(value))], "grid"))
        drawing.add(Word(across.first - 8, up(value) + 4, tick_text(value), "end"))
    for value in x:
        drawing.add(Line([(across(value), up.first), (across(value), up.first + 5)], "axis"))
        drawing.add(Word(across(value), up.first + 19, tick_text(value)))
    drawing.add(Line([(across.first, up.first), (across.last, up.first)], "axis"))
    drawing.add(Word((across.first + across.last) / 2, drawing.height - 6, names[0], style="name"))
    drawing.add(Word(15, (up.first + up.last) / 2, names[1], style="name", turned=True))
    return across, up


def line_chart(chart: LineChart) -> Drawing:
    """Curves, at most eight of them in styles of their own; a curve of one point is a dot."""
    drawing = Drawing(640, 300, f"{chart.caption}: {', '.join(line.name for line in chart.series)}")
    points = [point for line in chart.series for point in line.points]
    if not points:
        return drawing
    x = [point[0] for point in points] + ([] if chart.mark is None else [chart.mark]) + list(chart.bounds)
    y = [point[1] for point in points]
    across, up = _axes(
        drawing, _ticks_of_whole(min(x), max(x)), ticks(min(y), max(y)), names=(chart.x, chart.y)
    )
    for bound in chart.bounds:
        drawing.add(Line([(across(bound), up.first), (across(bound), up.last)], "bound"))
    if chart.mark is not None:
        drawing.add(Line([(across(chart.mark), up.first), (across(chart.mark), up.last)], "marked"))
    for number, line in enumerate(chart.series):
        style = f"s{number % 8}"
        placed = [(across(a), up(b)) for a, b in line.points]
        drawing.add(Line(placed, style))
        for (a, b), (at, height) in zip(line.points, placed, strict=True):
            drawing.add(Dot(at, height, 2.6, style, f"{line.name}, {chart.x} {a:g}: {b:.4g}"))
    return drawing


def _ticks_of_whole(low: float, high: float) -> list[float]:
    """Ticks that do not split whole steps (epochs) in halves."""
    found = ticks(low, high, 9)
    return (
        found
        if found[1] - found[0] >= 1 or high - low < 1
        else [float(n) for n in range(int(low), int(high) + 1)]
    )


_ROW = 26.0


def bar_chart(chart: BarChart) -> Drawing:
    """One row for each bar, its value written at its end."""
    left = 24 + 7.0 * max((min(len(bar.name), 36) for bar in chart.bars), default=0)
    drawing = Drawing(640, 12 + _ROW * len(chart.bars) + _BOTTOM, chart.caption)
    ends = [number for bar in chart.bars for number in bar[1:] if number is not None]
    marks = ticks(min(0.0, *ends), max(0.0, *ends)) if ends else [0.0, 1.0]
    across = Scale(marks[0], marks[-1], left, drawing.width - 70)
    floor = drawing.height - _BOTTOM
    for value in marks:
        drawing.add(Line([(across(value), 8), (across(value), floor)], "grid"))
        drawing.add(Word(across(value), floor + 16, tick_text(value)))
    drawing.add(Word((across.first + across.last) / 2, drawing.height - 8, chart.x, style="name"))
    for number, bar in enumerate(chart.bars):
        middle = 12 + _ROW * (number + 0.5)
        start, end = sorted((across(0.0), across(bar.value)))
        drawing.add(Word(left - 8, middle + 4, _short(bar.name, 36), "end"))
        drawing.add(Box(start, middle - 8, max(end - start, 0.5), 16, "b0", f"{bar.name}: {bar.value:.4g}"))
        written = end
        if bar.low is not None and bar.high is not None:
            low, high = across(bar.low), across(bar.high)
            drawing.add(Line([(low, middle), (high, middle)], "whisker"))
            drawing.add(*(Line([(at, middle - 5), (at, middle + 5)], "whisker") for at in (low, high)))
            written = max(end, high)
        drawing.add(Word(written + 7, middle + 4, f"{bar.value:.3f}", "start"))
    drawing.add(Line([(across(0.0), 8), (across(0.0), floor)], "axis"))
    return drawing


def columns(chart: Columns) -> Drawing:
    """Columns from zero, those below in a colour of their own; as wide as their number allows."""
    drawing = Drawing(640, 280, chart.caption)
    if not chart.columns:
        return drawing
    values = [value for _, value in chart.columns]
    marks = ticks(min(0.0, *values), max(0.0, *values))
    across = Scale(0, len(values), _LEFT, drawing.width - _RIGHT)
    up = Scale(marks[0], marks[-1], drawing.height - _BOTTOM + 14, _TOP)
    for value in marks:
        drawing.add(Line([(across.first, up(value)), (across.last, up(value))], "grid"))
        drawing.add(Word(across.first - 8, up(value) + 4, tick_text(value), "end"))
    wide = across(1) - across(0)
    for number, (name, value) in enumerate(chart.columns):
        top, bottom = sorted((up(0.0), up(value)))
        style = "b1" if value < 0 else "b0"
        gap = min(1.0, wide / 4)
        drawing.add(
            Box(
                across(number) + gap / 2,
                top,
                wide - gap,
                max(bottom - top, 0.3),
                style,
                f"{name}: {value:.4g}",
            )
        )
    drawing.add(Line([(across.first, up(0.0)), (across.last, up(0.0))], "axis"))
    drawing.add(Word((across.first + across.last) / 2, drawing.height - 8, chart.x, style="name"))
    drawing.add(Word(15, (up.first + up.last) / 2, chart.y, style="name", turned=True))
    return drawing


def reliability(chart: Reliability) -> Drawing:
    """A square; a dot's area goes by its bin's share of the predictions, and on the diagonal all is as said."""
    drawing = Drawing(430, 400, f"{chart.caption}: {', '.join(name for name, _ in chart.series)}")
    unit = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    across, up = _axes(drawing, unit, unit, names=("predicted probability", "observed share"))
    drawing.add(Line([(across(0), up(0)), (across(1), up(1))], "diagonal"))
    for number, (name, bins) in enumerate(chart.series):
        style = f"s{number % 8}"
        total = sum(bin.number for bin in bins)
        drawing.add(Line([(across(bin.predicted), up(bin.observed)) for bin in bins], style))
        for bin in bins:
            said = f"{name}: {bin.number:,} predictions of {bin.predicted:.3f}, {bin.observed:.3f} true"
            radius = 2.5 + 9 * math.sqrt(bin.number / total)
            drawing.add(Dot(across(bin.predicted), up(bin.observed), radius, f"{style} see-through", said))
    return drawing


def scatter(chart: Scatter) -> Drawing:
    """Dots on equal scales, with the diagonal."""
    drawing = Drawing(430, 400, chart.caption)
    if not chart.points:
        return drawing
    numbers = [number for point in chart.points for number in point]
    marks = ticks(min(numbers), max(numbers))
    across, up = _axes(drawing, marks, marks, names=(chart.x, chart.y))
    drawing.add(Line([(across(marks[0]), up(marks[0])), (across(marks[-1]), up(marks[-1]))], "diagonal"))
    for x, y in chart.points:
        drawing.add(Dot(across(x), up(y), 3, "s0 see-through", f"{x:g}, {y:.4g}"))
    return drawing


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

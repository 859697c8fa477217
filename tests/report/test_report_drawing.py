"""Charts as geometry: ticks are round and cover, and every value is where its scale says."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.report.drawing import (
    Box,
    Dot,
    Line,
    Word,
    bar_chart,
    columns,
    line_chart,
    reliability,
    scatter,
    ticks,
)
from retrieve.report.records import Bar, BarChart, Bin, Columns, LineChart, Reliability, Scatter, Series

finite = st.floats(-1e9, 1e9)


@given(finite, finite)
def test_ticks_cover_and_are_evenly_apart(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high)
    assert 2 <= len(found) <= 13
    step = found[1] - found[0]
    assert found[0] <= low + 1e-6 * step
    assert found[-1] >= high - 1e-6 * step
    assert all(b - a == pytest.approx(step, rel=1e-6) for a, b in itertools.pairwise(found))
    digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digit - wanted) for wanted in (1, 2, 5, 10)) < 1e-4


def test_epochs_are_not_halved() -> None:
    drawing = line_chart(LineChart("t", "epoch", "loss", (Series("a", ((1, 1.0), (2, 0.5), (3, 0.4))),)))
    below = [shape.text for shape in drawing.shapes if isinstance(shape, Word) and shape.anchor == "middle"]
    assert below == ["1", "2", "3", "epoch", "loss"]


def test_points_are_where_the_axes_say() -> None:
    drawing = line_chart(LineChart("t", "x", "y", (Series("a", ((0, 0.0), (10, 1.0), (5, 0.5))),), mark=5))
    dots = [shape for shape in drawing.shapes if isinstance(shape, Dot)]
    assert dots[2].x == pytest.approx((dots[0].x + dots[1].x) / 2)
    assert dots[2].y == pytest.approx((dots[0].y + dots[1].y) / 2)
    assert dots[1].y < dots[0].y  # up is more
    (mark,) = (shape for shape in drawing.shapes if isinstance(shape, Line) and shape.style == "marked")
    assert {x for x, _ in mark.points} == {dots[2].x}


def test_periods_end_where_the_axis_says() -> None:
    chart = LineChart("t", "step", "y", (Series("a", ((1, 0.0), (9, 1.0))),), bounds=(5, 10))
    drawing = line_chart(chart)
    first, last = (shape.x for shape in drawing.shapes if isinstance(shape, Dot))
    bounds = [
        shape.points[0][0] for shape in drawing.shapes if isinstance(shape, Line) and shape.style == "bound"
    ]
    assert bounds == [pytest.approx((first + last) / 2), pytest.approx(last + (last - first) / 8)]
    assert bounds[1] <= drawing.width


def test_bars_start_at_zero_also_when_they_are_below() -> None:
    drawing = bar_chart(BarChart("t", "x", (Bar("up", 0.4, 0.3, 0.5), Bar("down", -0.2), Bar("none", 0.0))))
    up, down, none = (shape for shape in drawing.shapes if isinstance(shape, Box))
    assert down.x + down.width == pytest.approx(up.x)
    assert up.width == pytest.approx(2 * down.width)
    assert none.x == pytest.approx(up.x)
    whiskers = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.style == "whisker"]
    assert whiskers[0].points[1][0] - whiskers[0].points[0][0] == pytest.approx(up.width / 2)


def test_columns_stand_on_zero_or_hang_from_it() -> None:
    drawing = columns(Columns("t", "x", "y", (("up", 0.5), ("none", 0.0), ("down", -0.25))))
    up, _, down = (shape for shape in drawing.shapes if isinstance(shape, Box))
    assert up.y + up.height == pytest.approx(down.y)
    assert up.height == pytest.approx(2 * down.height)
    assert up.width == pytest.approx(down.width)
    assert up.x < down.x
    assert (up.style, down.style) == ("b0", "b1")
    assert up.title == "up: 0.5"
    many = columns(Columns("t", "x", "y", tuple((str(n), 1.0) for n in range(600))))
    boxes = [shape for shape in many.shapes if isinstance(shape, Box)]
    assert all(0 < box.width <= after.x - box.x for box, after in itertools.pairwise(boxes))


def test_a_calibrated_model_lies_on_the_diagonal() -> None:
    drawing = reliability(Reliability("t", (("a", (Bin(0.2, 0.2, 1), Bin(0.7, 0.7, 4))),)))
    (diagonal,) = (shape for shape in drawing.shapes if isinstance(shape, Line) and shape.style == "diagonal")
    (x0, y0), (x1, y1) = diagonal.points
    for dot in (shape for shape in drawing.shapes if isinstance(shape, Dot)):
        assert (dot.x - x0) / (x1 - x0) == pytest.approx((dot.y - y0) / (y1 - y0))


def test_nothing_to_draw() -> None:
    assert line_chart(LineChart("t", "x", "y", ())).shapes == []
    assert scatter(Scatter("t", "x", "y", ())).shapes == []
    assert not [shape for shape in bar_chart(BarChart("t", "x", ())).shapes if isinstance(shape, Box)]
    assert columns(Columns("t", "x", "y", ())).shapes == []
    assert not [shape for shape in reliability(Reliability("t", ())).shapes if isinstance(shape, Dot)]

"""The training's page: what the report has is on it, its curves stop at the ends of periods, gaps are no fault."""

from __future__ import annotations

import math
from typing import Any

import pytest

from retrieve.report.page import render
from retrieve.report.records import LineChart, Note, Table
from retrieve.train.vod.pages import means, training_page
from retrieve.train.vod.settings import load_settings

PERIOD = 50


def report(**changed: Any) -> dict[str, Any]:
    settings = load_settings({"data": {"corpus": "c", "questions": "q"}}, {"training.periods": 2})
    steps = [
        {
            "step": number + 1,
            "loss": 1.0 + (number < PERIOD),
            "alpha": max(0.0, 1 - number / PERIOD),
            "effective_size": 4.0,
            "divergence": 0.1,
            "gap": 0.2,
            "accuracy": 0.5,
        }
        for number in range(2 * PERIOD)
    ]
    periods = [
        {
            "period": at,
            "log_likelihood": -1.0 + at / 10,
            "accuracy": 0.5 + at / 10,
            "hit_rate": None,
            "scale": 20.0,
        }
        for at in range(3)
    ]
    made: dict[str, Any] = {
        "settings": settings.model_dump(mode="json"),
        "seed": 7,
        "questions": 400,
        "held_out": 220,
        "period_steps": PERIOD,
        "periods": periods,
        "best": 2,
        "steps": steps,
        "device": "cpu",
        "versions": {"torch": "2"},
        "seconds": 12.5,
        "command": "retrieve train vod <b>.toml",
    }
    return made | changed


def charts(values: dict[str, Any]) -> dict[str, LineChart]:
    (section,) = (each for each in training_page(values).sections if each.title == "Training")
    return {block.caption: block for block in section.blocks if isinstance(block, LineChart)}


def test_the_page_says_what_was_kept_and_by_what_it_was_made() -> None:
    page = training_page(report())
    html = render(page)
    for said in (
        "400 questions to train on, 220 held out; 2 periods of 50 steps, seed 7",
        "answers 70.0% right, with a mean log-likelihood of -0.800; before the first step it was 50.0%",
        "sampler.k",
        "retrieve train vod &lt;b&gt;.toml",
        "12.5",
        "Versions",
    ):
        assert said in html, said
    table = page.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert "hit rate" not in table.header  # nobody says which documents help
    assert [row[-1] for row in table.rows] == ["", "", "kept"]


def test_a_training_that_did_not_help_is_warned_of() -> None:
    (note,) = training_page(report(best=0)).blocks
    assert isinstance(note, Note)
    assert note.warning
    assert "before the first step" in note.lines[0]


def test_curves_are_means_that_no_period_shares() -> None:
    found = charts(report())
    assert len(found) == 6
    loss = found["Loss"]
    assert loss.bounds == (PERIOD + 0.5,)
    (curve,) = loss.series
    assert 70 <= len(curve.points) <= 90
    assert {value for _, value in curve.points} == {1.0, 2.0}  # 1.5 would be of both periods
    assert all(value == (2.0 if step < PERIOD + 0.5 else 1.0) for step, value in curve.points)
    assert "sampler was refreshed" in loss.note
    assert [line.name for line in found["Right answers, and helpful documents among those drawn"].series] == [
        "accuracy"
    ]


def test_means_are_of_like_many_steps() -> None:
    steps = [{"x": float(number)} for number in range(10)]
    assert means(steps, "x", 5, 2) == ((2.0, 1.0), (4.5, 3.5), (7.0, 6.0), (9.5, 8.5))
    assert means(steps, "x", 5, 5)[3] == (4.0, 3.0)
    assert means([], "x", 5, 2) == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_step_without_a_number_is_passed_over(value: float | None) -> None:
    values = report()
    values["steps"][3]["divergence"] = value
    html = render(training_page(values))
    assert "nan" not in html.lower().split("<main>")[1]
    assert charts(values)["KL(p‖r)"].series[0].points


def test_a_training_that_was_ended_early_has_a_page() -> None:
    values = report()
    values["steps"] = values["steps"][:3]
    assert len(charts(values)["Loss"].series[0].points) == 3
    render(training_page(report(steps=[], versions={}, command=None)))

"""A training's page for a person: what each checkpoint came to, how the training went, and what it was made by.

Made of the JSON that the command prints. A batch's figures are noisy, so curves are of means over a few steps, which
never reach over the end of a period: there the sampler changes, and the figures with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retrieve.report.records import (
    Block,
    Cell,
    Code,
    KeyValues,
    LineChart,
    Note,
    Page,
    Section,
    Series,
    Table,
)
from retrieve.report.settings import flat

Report = Mapping[str, Any]

_POINTS = 80
"""Of a curve, about: more would not be told apart."""

_COLUMNS = (
    ("period", "checkpoint"),
    ("log_likelihood", "log-likelihood"),
    ("accuracy", "accuracy"),
    ("hit_rate", "hit rate"),
    ("scale", "scale e^λ"),
    ("temperature", "temperature of BM25"),
    ("effective_size", "effective size of r"),
)

_CHARTS: tuple[tuple[str, str, tuple[tuple[str, str], ...], str], ...] = (
    (
        "Loss",
        "loss, nats",
        (("loss", "loss"),),
        "−L̂_α, which is minimised. It goes by α too, so only losses of one α can be compared.",
    ),
    ("α", "α", (("alpha", "α"),), "At 1 the bound is the ELBO, at 0 it estimates the log-likelihood itself."),
    (
        "Right answers, and helpful documents among those drawn",
        "share",
        (("accuracy", "accuracy"), ("hit_rate", "hit rate")),
        "Of training questions, as the few documents that were drawn have it. The hit rate is of those questions alone "
        "whose facts are known.",
    ),
    (
        "Effective sample size",
        "effective size",
        (("effective_size", "effective sample size"),),
        "Of the gradient's weights, (Σω)²/Σω². Near 1 a single draw decides every step.",
    ),
    (
        "KL(p‖r)",
        "nats",
        (("divergence", "KL(p‖r)"),),
        "How far the retriever has gone from the sampler that documents are drawn by. It falls back at each refresh.",
    ),
    (
        "L̂_0 − L̂_1",
        "nats",
        (("gap", "L̂_0 − L̂_1"),),
        "How much the ELBO loses: 0 where it does not matter which document was drawn.",
    ),
)


def training_page(report: Report) -> Page:
    """The page of a training, of the object that `train_vod` gives, with `command` where one was given."""
    settings = report["settings"]
    sections = [
        Section("Checkpoints", _checkpoints(report)),
        Section("Training", tuple(_curves(report))),
        Section("Made by", _made_by(report)),
    ]
    data, periods = settings["data"], _counted(settings["training"]["periods"], "period")
    documents = "a document for each option" if data["documents"] == "own" else "one document for all options"
    return Page(
        f"{settings['name']}: a {settings['reader']['kind']} reader, {documents}",
        f"{report['questions']:,} questions to train on, {report['held_out']:,} held out; {periods} of "
        f"{_counted(report['period_steps'], 'step')}, seed {report['seed']}",
        _summary(report),
        tuple(section for section in sections if section.blocks),
    )


def _summary(report: Report) -> tuple[Block, ...]:
    periods = report["periods"]
    first, kept = periods[0], next(each for each in periods if each["period"] == report["best"])
    if kept is first:
        return (
            Note(
                (
                    "No period made the held-out questions likelier: what was kept is the model before the first step.",
                ),
                warning=True,
            ),
        )
    return (
        Note(
            (
                f"Of {report['held_out']:,} held-out questions the kept checkpoint answers {kept['accuracy']:.1%} "
                f"right, with a mean log-likelihood of {kept['log_likelihood']:.3f}; before the first step it was "
                f"{first['accuracy']:.1%} and {first['log_likelihood']:.3f}.",
                "The checkpoint was chosen by these questions, so its figures are too good: measure it on others.",
            )
        ),
    )


def _checkpoints(report: Report) -> tuple[Block, ...]:
    periods = report["periods"]
    there = [(key, name) for key, name in _COLUMNS if any(each.get(key) is not None for each in periods)]
    rows: list[tuple[Cell, ...]] = [
        (*(each.get(key) for key, _ in there), "kept" if each["period"] == report["best"] else "")
        for each in periods
    ]
    table = Table(
        "Held-out questions by checkpoint",
        (*(name for _, name in there), ""),
        tuple(rows),
        "Checkpoint 0 is the model before the first step, n the model after n periods. The one with the highest mean "
        "log-likelihood of the right answers is kept. Hit rate: questions with a helpful document among the "
        "candidates, of those whose facts are known.",
    )
    chart = LineChart(
        "Log-likelihood of held-out questions",
        "checkpoint",
        "log p(a|q), nats",
        (
            Series(
                "log-likelihood",
                tuple((float(each["period"]), float(each["log_likelihood"])) for each in periods),
            ),
        ),
        float(report["best"]),
        "Dotted: the checkpoint that was kept.",
    )
    return table, chart


def _curves(report: Report) -> Iterator[Block]:
    steps, period = report["steps"], report["period_steps"]
    each = max(1, min(period, round(_POINTS * period / max(1, len(steps)))))
    bounds = tuple(number * period + 0.5 for number in range(1, report["settings"]["training"]["periods"]))
    smoothed = f" Means of about {period / each:.0f} steps." if each < period else ""
    said = " A line stands where the sampler was refreshed." if bounds else ""
    for caption, y, curves, note in _CHARTS:
        series = tuple(
            Series(name, points) for key, name in curves if (points := means(steps, key, period, each))
        )
        if series:
            yield LineChart(caption, "step", y, series, None, f"{note}{smoothed}{said}", bounds)


def means(steps: Sequence[Report], key: str, period: int, points: int) -> tuple[tuple[float, float], ...]:
    """Mean steps and figures, as many as `points` of each period; steps without a finite figure are passed over."""
    groups: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for number, entry in enumerate(steps):
        value = entry.get(key)
        if value is not None and math.isfinite(value):
            of, within = divmod(number, period)
            groups.setdefault((of, within * points // period), []).append((number + 1.0, float(value)))
    return tuple(
        (sum(step for step, _ in group) / len(group), sum(value for _, value in group) / len(group))
        for group in groups.values()
    )


def _made_by(report: Report) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if report.get("command"):
        blocks.append(Code("Command", report["command"]))
    pairs = (("device", report["device"]), ("seconds", report.get("seconds")))
    blocks.append(KeyValues("Run", pairs))
    blocks.append(KeyValues("Settings", tuple(flat(report["settings"]))))
    blocks.append(KeyValues("Versions", tuple(report["versions"].items())))
    return tuple(blocks)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else f'{noun}s'}"

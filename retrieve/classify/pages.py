"""Two pages for a person: what a training gave, and why documents have their labels. Records only, shown by `report`.

A training's page is made of the JSON that the command prints; what that does not have (test documents, curves) has no
place on the page, and nothing is shown in its stead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retrieve.classify import page_parts as parts
from retrieve.classify.explain import Explanation, PassageEvidence
from retrieve.report.records import (
    Block,
    Cell,
    Code,
    Highlighted,
    KeyValues,
    Mark,
    Note,
    Page,
    Section,
    Table,
)
from retrieve.report.settings import flat
from retrieve.types import LabelledDocument

_WHOLE = 6_000
"""Characters up to which a text is shown whole; of a longer one the marked passages with `_AROUND` on either side."""
_AROUND = 400
_PLAIN = 0.05
"""An effect of this much or more has the full colour where none is greater."""
_SNIPPET = 160


def training_page(report: Mapping[str, Any]) -> Page:
    """The page of a training, of the object that `train_classifier` gives, with `command` where one was given."""
    data, fit = report["data"], report["fit"]
    test = report.get("test") or {}
    sections = [
        Section("Data", _data(data, fit)),
        Section("Figures", _figures(test, fit)),
        Section("By label frequency", parts.by_frequency(test.get("figures", fit.get("figures", {})))),
        Section("Calibration", parts.calibration(report, test)),
        Section("Training", parts.curves(fit) + parts.tried(fit)),
        Section("How far to read", parts.readings(test)),
        Section("Explanations", parts.faithfulness(test)),
        Section("Labels", parts.by_label(report, test)),
        Section("Made by", _made_by(report)),
    ]
    preset = report["preset"]["name"]
    return Page(
        f"{Path(data['name']).name}: {preset}",
        f"{data['task']}, {data['labels']:,} labels; {fit['regime']}, seed {fit['seed']}",
        _summary(report, test),
        tuple(section for section in sections if section.blocks),
    )


def _summary(report: Mapping[str, Any], test: Mapping[str, Any]) -> tuple[Block, ...]:
    data = report["data"]
    said: list[Block] = []
    if found := test.get("intervals"):
        figures = ", ".join(
            f"{parts.shown(name)} {value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
            for name, value in found.items()
        )
        said.append(Note((f"On {data['test']:,} test documents: {figures}.",)))
    warned = []
    if not data["test"]:
        warned.append(
            "The data have no test documents: the figures are of the documents that settings, calibration and "
            "thresholds were chosen by, and are too good."
        )
    if data["duplicates"]:
        warned.append(
            f"{data['duplicates']:,} validation or test documents have the same text as a training document."
        )
    return (*said, *((Note(tuple(warned), warning=True),) if warned else ()))


def _data(data: Mapping[str, Any], fit: Mapping[str, Any]) -> tuple[Block, ...]:
    held = " (held out of the training documents)" if not data["validation"] else ""
    pairs: list[tuple[str, Cell]] = [
        ("source", data["name"]),
        ("labels", data["labels"]),
        ("training documents", fit["train"]),
        (f"validation documents{held}", fit["validation"]),
        ("test documents", data["test"]),
        ("not labelled", data["unlabelled"]),
        ("bad records left out", data["skipped"]),
        ("duplicates of training documents", data["duplicates"]),
        ("SHA-256 of what was learned from", fit.get("data")),
    ]
    remarks = tuple(data["remarks"]) + tuple(fit.get("remarks", ()))
    return (KeyValues("Sizes", tuple(pairs)), *((Note(remarks),) if remarks else ()))


def _figures(test: Mapping[str, Any], fit: Mapping[str, Any]) -> tuple[Block, ...]:
    of_validation = fit.get("figures") or {}
    of_test = test.get("figures") or {}
    names = [
        name for name in {**of_test, **of_validation} if parts.is_figure(name, {**of_validation, **of_test})
    ]
    if not names:
        return ()
    found = test.get("intervals") or {}
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        interval = found.get(name, {})
        row = [parts.shown(name), of_validation.get(name)]
        rows.append((*row, of_test.get(name), interval.get("low"), interval.get("high")))
    wide = Table(
        "Measures",
        ("", "validation", "test", "95 % from", "to"),
        tuple(rows),
        "Intervals are percentiles of a bootstrap over documents. Choices were made on validation documents.",
    )
    if not of_test:
        wide = Table("Measures", ("", "validation"), tuple(row[:2] for row in rows))
    scattered = parts.scattered(test)
    return (wide, *scattered)


def _made_by(report: Mapping[str, Any]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if report.get("command"):
        blocks.append(Code("Command", report["command"]))
    blocks.append(
        KeyValues("Model", (("folder", report["model"]), ("seconds", report["fit"].get("seconds"))))
    )
    blocks.append(KeyValues("Settings", tuple(flat(report["preset"]))))
    blocks.append(KeyValues("Versions", tuple(report["versions"].items())))
    return tuple(blocks)


def explanation_page(
    title: str,
    subtitle: str,
    explained: Sequence[tuple[LabelledDocument, Sequence[Explanation]]],
    *,
    left_out: int = 0,
) -> Page:
    """A section for each document: its labels, and for each the passages behind it, in a table and in the text.

    `left_out`: how many more documents there were.
    """
    sections = [_explained(document, explanations) for document, explanations in explained]
    notes: list[Block] = [
        Note(
            (
                "A passage's effect is the drop of the label's calibrated probability when that passage is left out; "
                "below 0 (blue) it speaks against the label. Attention is the share of the model's attention on it, "
                "which says where the model looks and not what decides.",
            )
        )
    ]
    if left_out:
        more = "more document was" if left_out == 1 else "more documents were"
        notes.append(Note((f"{left_out:,} {more} classified and not shown here.",), warning=True))
    return Page(title, subtitle, tuple(notes), tuple(sections))


def _explained(document: LabelledDocument, explanations: Sequence[Explanation]) -> Section:
    title = document.document.title or str(document.document.metadata.get("title", ""))
    blocks: list[Block] = [Note((title[:300],))] if title else []
    if not any(one.predicted for one in explanations):
        blocks.append(Note(("No label is predicted: the most probable one is explained.",)))
    for one in explanations:
        blocks.extend(_why(document.document.text, one))
    return Section(document.document.id, tuple(blocks))


def _why(text: str, one: Explanation) -> tuple[Block, ...]:
    said = f"{one.label}: probability {one.probability:.3f}" + ("" if one.predicted else ", not predicted")
    if not one.passages:
        return (Note((f"{said}; the document has no passages.",)),)
    rows: list[tuple[Cell, ...]] = [
        (number, passage.effect, passage.attention, _places(passage), _snippet(passage.text))
        for number, passage in enumerate(one.passages, start=1)
    ]
    table = Table(
        said,
        ("", "effect", "attention", "characters", "passage"),
        tuple(rows),
        f"{len(rows)} of {one.passages_in_all} passages, those of the greatest effect first.",
    )
    greatest = max(_PLAIN, *(abs(passage.effect) for passage in one.passages))
    marks = tuple(
        Mark(passage.parts, passage.effect / greatest, str(number), f"effect {passage.effect:+.3f}")
        for number, passage in enumerate(one.passages, start=1)
    )
    around = None if len(text) <= _WHOLE else _AROUND
    return table, Highlighted(f"{one.label}: where these passages are", text, marks, around)


def _places(passage: PassageEvidence) -> str:
    return ", ".join(f"{start}–{end}" for start, end in passage.parts)


def _snippet(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SNIPPET else line[:_SNIPPET].rsplit(" ", 1)[0] + " …"

"""Parts of a training's page: each takes what the report has of its subject and gives blocks, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrieve.report.records import (
    Bin,
    Block,
    Cell,
    LineChart,
    Reliability,
    Scatter,
    Series,
    Table,
)
from retrieve.report.settings import cell_of

Report = Mapping[str, Any]

_NAMES = {
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "macro_f1_all": "macro-F1, all labels",
    "micro_precision": "micro precision",
    "micro_recall": "micro recall",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_labels": "labels in macro figures",
    "ap_macro": "macro average precision",
    "ap_labels": "labels in it",
    "auroc_macro": "macro AUROC",
    "auroc_labels": "labels in that",
    "ranked_documents": "documents in RP and nDCG",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "Matthews correlation",
    "mae": "mean absolute error",
    "constant_mae": "that of a constant",
    "spearman": "Spearman",
    "ece": "calibration error",
    "log_loss": "log loss",
    "brier": "Brier score",
}
_OF_CALIBRATION = ("ece", "log_loss", "brier")
_OF_BUCKETS = ("labels", "ranked_documents", "micro_f1", "macro_f1", "RP@5", "nDCG@5")
_ELSEWHERE = ("documents", "labels", *_OF_CALIBRATION)


def shown(name: str) -> str:
    """A measure's name as it is written."""
    return _NAMES.get(name, name)


def is_figure(name: str, figures: Report) -> bool:
    """Whether this of a report's figures is a number of the whole table."""
    value = figures[name]
    return name not in _ELSEWHERE and (value is None or isinstance(value, int | float))


def by_frequency(figures: Report) -> tuple[Block, ...]:
    """Labels by how many training documents they have: figures, and decisions right and wrong."""
    blocks: list[Block] = []
    if buckets := figures.get("buckets"):
        rows = [
            (name, *(bucket.get(column) for column in _OF_BUCKETS))
            for name, bucket in buckets.items()
            if bucket.get("labels")
        ]
        blocks.append(
            Table(
                "Figures by label frequency",
                ("labels", *("number" if name == "labels" else shown(name) for name in _OF_BUCKETS)),
                tuple(rows),
                "Frequent: more than 50 training documents; few: 1 to 50; zero-shot: none. RP and nDCG are means over "
                "the documents that have one of these labels.",
            )
        )
    if bands := figures.get("confusion"):
        rows = []
        for band in bands:
            right = band["hits"] / band["positives"] if band["positives"] else None
            said = band["hits"] + band["extra"]
            rows.append(
                (
                    _band(band["from"], band["to"]),
                    *(band[name] for name in ("labels", "positives", "hits", "missed", "extra")),
                    band["hits"] / said if said else None,
                    right,
                )
            )
        header = ("training documents", "labels", "positives", "right", "missed", "wrongly given")
        blocks.append(
            Table("Decisions by label frequency", (*header, "precision", "recall"), tuple(rows), bars=(6, 7))
        )
    return tuple(blocks)


def _band(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}"


def calibration(report: Report, test: Report) -> tuple[Block, ...]:
    """The map, the diagram before and after it, and the errors beside those of a predictor of prevalence."""
    blocks: list[Block] = []
    if found := test.get("reliability"):
        series = tuple((name, tuple(Bin(**one) for one in bins)) for name, bins in found.items())
        note = "On test documents. A dot's area goes by its share of the predictions; on the diagonal, all is as said."
        blocks.append(Reliability("Reliability before and after calibration", series, note))
    figures = test.get("figures") or report["fit"].get("figures") or {}
    constant = figures.get("prevalence")
    if constant and "ece" in figures:
        rows = tuple((shown(name), figures[name], constant.get(name)) for name in _OF_CALIBRATION)
        blocks.append(
            Table("Errors of the probabilities", ("", "this model", "prevalence alone"), rows, decimals=4)
        )
    if made := report.get("calibration"):
        cells = tuple((name, _typed(value)) for name, value in made.items() if value not in (None, ""))
        blocks.append(Table("Calibration", ("", "value"), cells))
    return tuple(blocks)


def faithfulness(test: Report) -> tuple[Block, ...]:
    """What the probability of a document's top label loses without the passages of its explanation, and random ones."""
    columns = ("by", "passages", "documents", "ranked", "random", "better")
    header = (
        "ranked by",
        "passages taken out",
        "documents",
        "their loss",
        "loss of random ones",
        "share better",
    )
    rows = tuple(tuple(row[name] for name in columns) for row in test.get("faithfulness") or ())
    note = "Mean loss of probability of the top label, over test documents that have more passages."
    return (Table("Explanations checked", header, rows, note),) if rows else ()


def curves(fit: Report) -> tuple[Block, ...]:
    """Losses by epoch, with the epoch of the least validation loss, and other measures in a chart of their own."""
    rows = fit.get("curves") or []
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name != "epoch"]
    losses = [name for name in names if name.endswith("loss")]
    blocks: list[Block] = []
    for caption, chosen in (("Loss by epoch", losses), ("Measures by epoch", [*set(names) - set(losses)])):
        series = tuple(
            Series(shown(name), tuple((float(row["epoch"]), float(row[name])) for row in rows if name in row))
            for name in names
            if name in chosen
        )
        if not series:
            continue
        judged = [(row["validation_loss"], row["epoch"]) for row in rows if "validation_loss" in row]
        best = float(min(judged)[1]) if judged and chosen is losses else None
        note = "Dotted: the least validation loss." if best is not None else ""
        blocks.append(LineChart(caption, "epoch", caption.split()[0].lower(), series, best, note))
    return tuple(blocks)


def tried(fit: Report) -> tuple[Block, ...]:
    """What was tried, with its settings and figures."""
    rows = fit.get("tried") or []
    names = list(dict.fromkeys(key for row in rows for key in row))
    if not rows:
        return ()
    cells = tuple(
        (number, *(_typed(row.get(name)) for name in names)) for number, row in enumerate(rows, start=1)
    )
    return (Table("What was tried", ("", *map(shown, names)), cells, "Figures are of validation documents."),)


def readings(test: Report) -> tuple[Block, ...]:
    """For each label, how many documents to read for a share of its positives."""
    rows: list[tuple[Cell, ...]] = []
    recalls: list[float] = []
    for label in test.get("recall") or ():
        recalls = [reading["recall"] for reading in label["readings"]]
        cells: list[Cell] = [label["label"], label["readings"][0]["positives"]]
        for reading in label["readings"]:
            cells += [reading["read"], reading["precision"]]
        rows.append(tuple(cells))
    if not rows:
        return ()
    header = ["label", "positives"]
    for recall in recalls:
        header += [f"read for {recall:.0%}", "precision"]
    note = (
        "Of the test documents, in the order of the label's probability: how many to read until so many of its "
        "positives are found, and how many of those read are positives."
    )
    return (Table("Documents to read", tuple(header), tuple(rows), note),)


def by_label(report: Report, test: Report) -> tuple[Block, ...]:
    """One row a label: threshold, training documents, and its decisions on test documents."""
    names = report.get("label_names") or []
    thresholds = dict(zip(names, (report.get("thresholds") or {}).get("values", ()), strict=False))
    if len(thresholds) < len(names):  # a binary task has one, of its second label
        thresholds = dict(zip(names[1:], (report.get("thresholds") or {}).get("values", ()), strict=False))
    if table := test.get("by_label"):
        columns = ("train", "positives", "hits", "missed", "extra", "precision", "recall", "f1")
        ordered = sorted(table, key=lambda row: (-row["train"], row["label"]))
        rows = [
            (_meant(report, row["label"]), thresholds.get(row["label"]), *(row[column] for column in columns))
            for row in ordered
        ]
        header = ("label", "threshold", "training", "test", "right", "missed", "wrongly given")
        return (
            Table(
                "Labels, the most frequent first",
                (*header, "precision", "recall", "F1"),
                tuple(rows),
                bars=(7, 8, 9),
            ),
        )
    if not thresholds:
        return ()
    of_labels = tuple((_meant(report, label), threshold) for label, threshold in thresholds.items())
    return (Table("Thresholds", ("label", "threshold"), of_labels),)


def _meant(report: Report, label: str) -> str:
    """A label with its description, where the data have one: a code alone says nothing to most readers."""
    description = (report.get("label_descriptions") or {}).get(label)
    return label if description in (None, "", label) else f"{label} – {description}"


def scattered(test: Report) -> tuple[Block, ...]:
    """Wanted against predicted values of an ordinal task."""
    points = tuple((float(wanted), float(said)) for wanted, said in test.get("values") or ())
    return (Scatter("Test documents", "wanted", "predicted", points),) if points else ()


def _typed(value: Any) -> Cell:
    """A setting or figure in a table: whole numbers as such, small ones as they would be typed; how often each."""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e9:
            return int(value)
        return value if abs(value) >= 1e-3 else f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} × {one}" for name, one in value.items())
    return None if value is None else cell_of(value)

"""Everything that is measured of a classifier, as one report that JSON can hold.

Every figure names its kind and what it was computed over, because the same predictions have a macro-F1 of .399 and
.340 by the label set alone. A figure that nothing defines is None, never 0 and never nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from retrieve.errors import MeasureError
from retrieve.measures.label_calibration import (
    binary_log_loss,
    brier,
    class_log_loss,
    multilabel_ece,
    top_label_ece,
)
from retrieve.measures.label_counts import Averaged, CountedMeasure, averaged, counts
from retrieve.measures.label_outcome import Outcome, figure
from retrieve.measures.label_ranking import RankedGains
from retrieve.measures.label_tables import buckets, confusion_by_frequency
from retrieve.measures.label_values import ordinal_report
from retrieve.measures.significance import DocumentMeasure, MeanMeasure
from retrieve.types import LabelSet, Task

__all__ = ["CUTOFFS", "Outcome", "document_measure", "label_report", "ordinal_report"]

CUTOFFS = (1, 3, 5, 10)
"""K of RP@K and nDCG@K in a report."""

_RANKED = {"RP": RankedGains.r_precision, "nDCG": RankedGains.ndcg}


def label_report(
    targets: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    chosen: npt.ArrayLike,
    labels: LabelSet | Sequence[str],
    train_counts: npt.ArrayLike,
    *,
    task: Task = "multilabel",
    train_documents: int | None = None,
) -> dict[str, Any]:
    """Targets, probabilities and decisions (N,L), training documents of each label (L,) → figures by name.

    Of a binary task the arrays may have one column, that of the second label. `train_documents` makes the prevalence
    predictor that of the training documents; otherwise it is that of the evaluated ones, the best constant there is.

    All tasks: `documents`, `labels`, micro and macro F1, precision and recall with `macro_labels` (those with a
    positive here), `macro_f1_all`, `ece`, `log_loss`, `brier`, `prevalence` (the same three of a predictor that knows
    how frequent labels are and no more), `ap_macro` and `auroc_macro` with `ap_labels` and `auroc_labels` (those where
    they are defined), `confusion` by label frequency. Multi-label: `RP@K` and `nDCG@K` with `ranked_documents` (those
    with a positive), and both kinds again in `buckets`. Otherwise `accuracy`, `balanced_accuracy`, `mcc`. Raises
    `MeasureError` as `Outcome.of` does, and for an ordinal task, which `ordinal_report` measures.
    """
    if task == "ordinal":
        raise MeasureError("an ordinal task has values, not labels: ordinal_report measures it")
    outcome = Outcome.of(targets, probabilities, chosen, labels, train_counts, task=task)
    report: dict[str, Any] = {"task": task, "documents": len(outcome.targets), "labels": len(outcome.names)}
    report |= _decisions(outcome) | _areas(outcome) | _calibration(outcome, task)
    report["prevalence"] = _prevalence(outcome, task, train_documents)
    if task == "multilabel":
        report |= _ranking(outcome)
        parts = buckets(outcome.train_counts).items()
        report["buckets"] = {name: _bucket(outcome.columns(columns)) for name, columns in parts}
    else:
        report |= _single(outcome)
    report["confusion"] = confusion_by_frequency(outcome)
    return report


def document_measure(outcome: Outcome, name: str) -> DocumentMeasure:
    """A measure of the report by its name, in the form that `retrieve.measures.significance` resamples.

    Offered: the averaged precision, recall and F1, `RP@K`, `nDCG@K` (any K), `accuracy`. Raises `MeasureError` else.
    """
    if name in get_args(Averaged):
        averaged_name: Any = name
        return CountedMeasure(outcome.targets, outcome.chosen, averaged_name)
    kind, _, k = name.partition("@")
    if kind in _RANKED and k.isdecimal() and int(k) > 0:
        ranking = RankedGains.of(outcome.targets, outcome.probabilities, outcome.names, int(k))
        return MeanMeasure(_RANKED[kind](ranking, int(k)))
    if name == "accuracy":
        return MeanMeasure((outcome.targets == outcome.chosen).all(axis=1))
    offered = ", ".join([*get_args(Averaged), "RP@K", "nDCG@K", "accuracy"])
    raise MeasureError(f"measure {name!r} cannot be resampled; offered: {offered}")


def _decisions(outcome: Outcome) -> dict[str, Any]:
    found = counts(outcome.targets, outcome.chosen)
    names: tuple[Averaged, ...] = get_args(Averaged)
    figures: dict[str, Any] = {
        name: figure(float(averaged(found, name))) for name in names if len(outcome.names)
    }
    return figures | {"macro_labels": int((found.hits + found.missed > 0).sum())}


def _areas(outcome: Outcome) -> dict[str, Any]:
    """Macro AP and AUROC over the labels that have what each needs; scikit-learn would count the others 0 or nan."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    positives = outcome.targets.sum(0)
    with_positive = np.flatnonzero(positives > 0)
    with_both = np.flatnonzero((positives > 0) & (positives < len(outcome.targets)))
    report: dict[str, Any] = {}
    for name, score, columns in (
        ("ap", average_precision_score, with_positive),
        ("auroc", roc_auc_score, with_both),
    ):
        values = [score(outcome.targets[:, at], outcome.probabilities[:, at]) for at in columns]
        report[f"{name}_macro"] = float(np.mean(values)) if values else None
        report[f"{name}_labels"] = len(values)
    return report


def _calibration(outcome: Outcome, task: Task) -> dict[str, float]:
    targets, sure = outcome.targets, outcome.probabilities
    if task == "multilabel":
        return {
            "ece": multilabel_ece(targets, sure, outcome.names),
            "log_loss": binary_log_loss(targets, sure),
            "brier": brier(targets, sure),
        }
    return {
        "ece": top_label_ece(targets, sure),
        "log_loss": class_log_loss(targets, sure),
        # Of two classes both squares are the same one: the mean over them is that of the positive label.
        "brier": brier(targets, sure, classes=task == "multiclass"),
    }


def _prevalence(outcome: Outcome, task: Task, train_documents: int | None) -> dict[str, Any]:
    """The figures of a predictor that gives every document each label's share of the documents it was counted on."""
    if train_documents is None:
        share, source = outcome.targets.mean(0), "evaluated"
    else:
        share, source = outcome.train_counts / train_documents, "train"
        if share.max(initial=0) > 1:
            raise MeasureError(f"a label has more than the {train_documents} training documents there are")
    constant = outcome._replace(probabilities=np.tile(share, (len(outcome.targets), 1)))
    return {"of": source, **_calibration(constant, task)}


def _ranking(outcome: Outcome) -> dict[str, Any]:
    report: dict[str, Any] = {"ranked_documents": int(outcome.targets.any(1).sum())}
    ranking = RankedGains.of(outcome.targets, outcome.probabilities, outcome.names, max(CUTOFFS))
    for k in CUTOFFS:
        for kind, measure in _RANKED.items():
            values = measure(ranking, k)
            there = values[~np.isnan(values)]
            report[f"{kind}@{k}"] = float(there.mean()) if len(there) else None
    return report


def _bucket(outcome: Outcome) -> dict[str, Any]:
    """Figures of some labels alone: decisions about them, and their order among themselves."""
    if not outcome.names:
        return {"labels": 0}
    return {"labels": len(outcome.names), **_decisions(outcome), **_ranking(outcome)}


def _single(outcome: Outcome) -> dict[str, Any]:
    from sklearn.metrics import accuracy_score, matthews_corrcoef

    true, said = outcome.targets.argmax(1), outcome.chosen.argmax(1)
    return {
        "accuracy": float(accuracy_score(true, said)),
        "balanced_accuracy": figure(float(averaged(counts(outcome.targets, outcome.chosen), "macro_recall"))),
        "mcc": float(matthews_corrcoef(true, said)) if len({*true, *said}) > 1 else 0.0,
    }

"""What a training measures on the documents it chose by: figures before and after calibration, and its remarks."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieve.classify.calibrate import Calibration
from retrieve.classify.records import Examples, FloatArray
from retrieve.classify.thresholds import Thresholds
from retrieve.measures.labels import label_report
from retrieve.types import LabelSet, Task

_CALIBRATION = ("ece", "log_loss", "brier")


def validation_figures(
    labels: LabelSet,
    task: Task,
    train: Examples,
    held: Examples,
    *,
    scores: FloatArray,
    probabilities: FloatArray,
    thresholds: Thresholds,
) -> dict[str, Any]:
    """`label_report` of the validation documents, with `uncalibrated`: the same scores taken for logits as they are.

    They are what calibration and thresholds were chosen by, so that they flatter: a test set decides.
    """
    counts = train.targets.sum(axis=0).astype(np.int64)
    if task == "binary":
        counts = np.array([len(train.documents) - counts[0], counts[0]])
    chosen = thresholds.apply(probabilities)
    plain = Calibration("softmax" if task == "multiclass" else "sigmoid").probabilities(scores)
    report, before = (
        label_report(
            held.targets, given, chosen, labels, counts, task=task, train_documents=len(train.documents)
        )
        for given in (probabilities, plain)
    )
    return report | {"uncalibrated": {name: before[name] for name in _CALIBRATION}}


def missing_remarks(labels: LabelSet, task: Task, train: Examples) -> list[str]:
    """One sentence on the labels that no training document has, if there are any."""
    if task in ("binary", "ordinal"):
        return []
    without = [labels.names[label] for label in np.flatnonzero(train.targets.sum(axis=0) == 0)]
    if not without:
        return []
    shown = ", ".join(without[:10]) + (", …" if len(without) > 10 else "")
    return [
        f"{len(without)} of {len(labels.names)} labels have no training document and cannot be learned: {shown}"
    ]

"""A trained classifier measured on documents that it has not seen: figures, intervals, and the tables of a report.

Everything is JSON, so that what the command prints, what a page shows and what a comparison keeps are one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.classify.inputs import Known, targets_of
from retrieve.classify.records import FloatArray
from retrieve.classify.screening import recall_table
from retrieve.measures.label_calibration import BINS, LEAST
from retrieve.measures.label_outcome import Outcome
from retrieve.measures.label_ranking import ranked
from retrieve.measures.label_tables import label_table
from retrieve.measures.labels import document_measure, label_report
from retrieve.measures.significance import measure_interval
from retrieve.types import LabelledDocument, Progress, Task

if TYPE_CHECKING:
    from retrieve.classify.classifier import Classifier

_MEASURES: dict[Task, tuple[str, ...]] = {
    "multilabel": ("micro_f1", "macro_f1", "RP@5", "nDCG@5"),
    "multiclass": ("accuracy", "micro_f1", "macro_f1"),
    "binary": ("accuracy", "micro_f1", "macro_f1"),
}


class Seen(NamedTuple):
    """What a classifier said of documents: scores and calibrated probabilities (N,L), and the outcome by label."""

    scores: FloatArray
    probabilities: FloatArray
    outcome: Outcome


def interval_measures(task: Task) -> tuple[str, ...]:
    """The measures that have intervals and tests."""
    return _MEASURES[task]


def train_counts(classifier: Classifier, documents: Sequence[LabelledDocument]) -> npt.NDArray[np.int64]:
    """Training documents of each label (L,)."""
    column = {name: number for number, name in enumerate(classifier.labels_.names)}
    found = [column[name] for document in documents for name in set(document.labels or ())]
    return np.bincount(np.array(found, np.int64), minlength=len(column)).astype(np.int64)


def see(
    classifier: Classifier,
    documents: Sequence[LabelledDocument],
    counts: npt.NDArray[np.int64],
    *,
    progress: Progress | None = None,
) -> Seen:
    """Predict labelled documents. Raises `UsageError` for a label that the classifier does not know."""
    known = Known(classifier.task_, classifier.labels_, classifier.classes_)
    targets = targets_of(documents, None, known)
    scores = classifier.model_.scores(documents, progress=progress)
    probabilities = classifier.calibration_.probabilities(scores)
    decided = classifier.decide(probabilities)
    if classifier.task_ != "multilabel":
        decided = (decided[:, None] == classifier.classes_)[:, -targets.shape[1] :]
    outcome = Outcome.of(targets, probabilities, decided, classifier.labels_, counts, task=classifier.task_)
    return Seen(scores, probabilities, outcome)


def measured(
    classifier: Classifier,
    documents: Sequence[LabelledDocument],
    train: Sequence[LabelledDocument],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """`figures` of `label_report`, `intervals` of 95 % by document, `by_label`, `recall` and `reliability`.

    `train`: what it learned from, by which labels are frequent or not. `recall` has for each label how many to read
    for 80, 90 and 95 % of its positives; `reliability` has bins before and after calibration.
    """
    counts = train_counts(classifier, train)
    seen = see(classifier, documents, counts, progress=progress)
    outcome = seen.outcome
    figures = label_report(
        outcome.targets,
        outcome.probabilities,
        outcome.chosen,
        classifier.labels_,
        counts,
        task=classifier.task_,
        train_documents=len(train),
    )
    return {
        "figures": figures,
        "intervals": intervals(outcome, classifier.task_, seed=seed),
        "by_label": label_table(outcome),
        "recall": _readings(outcome),
        "reliability": {
            "before": _bins(_uncalibrated(classifier.task_, seen.scores), outcome, classifier.task_),
            "after": _bins(outcome.probabilities, outcome, classifier.task_),
        },
    }


def intervals(outcome: Outcome, task: Task, *, seed: int) -> dict[str, dict[str, float]]:
    """The task's measures with their intervals; none of fewer than two documents."""
    if len(outcome.targets) < 2:
        return {}
    return {
        name: measure_interval(document_measure(outcome, name), seed=seed)._asdict()
        for name in interval_measures(task)
        if task != "multilabel" or outcome.targets.any()
    }


def _readings(outcome: Outcome) -> list[dict[str, Any]]:
    table = recall_table(outcome.probabilities, outcome.targets)
    return [
        {"label": name, "readings": [reading._asdict() for reading in readings]}
        for name, readings in zip(outcome.names, table, strict=True)
        if readings
    ]


def _uncalibrated(task: Task, scores: FloatArray) -> FloatArray:
    """Scores as if they were logits, which is what they would be taken for without calibration."""
    from scipy.special import expit, softmax

    if task == "multiclass":
        return np.asarray(softmax(scores, axis=1))
    sure = np.asarray(expit(scores))
    return np.hstack([1 - sure, sure]) if task == "binary" else sure


def _bins(probabilities: FloatArray, outcome: Outcome, task: Task) -> list[dict[str, float]]:
    """Bins of equal mass over what the calibration error is computed over: mean probability, share true, number."""
    judged = np.zeros(probabilities.shape, bool)
    np.put_along_axis(judged, ranked(probabilities, outcome.names, 1), True, axis=1)
    if task == "multilabel":
        judged |= probabilities >= LEAST
    sure, true = probabilities[judged], outcome.targets[judged]
    edges = np.unique(np.quantile(sure, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    place = np.searchsorted(edges, sure, side="left")
    return [
        {
            "predicted": float(sure[place == number].mean()),
            "observed": float(true[place == number].mean()),
            "number": int((place == number).sum()),
        }
        for number in np.unique(place)
    ]

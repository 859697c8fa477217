"""Tables of a classifier's decisions: by label, and by how many training documents the labels had."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.measures.label_counts import counts, precision_recall_f1
from retrieve.measures.label_outcome import Outcome

FREQUENT = 50
"""A label with more training documents than this is frequent; with 1 to this many, few-shot; with none, zero-shot."""

BANDS = ((0, 0), (1, 5), (6, 20), (21, 50), (51, 200), (201, None))
"""Training documents of a label, from and to, by which the confusion table is divided."""


def buckets(train_counts: npt.ArrayLike) -> dict[str, npt.NDArray[np.int64]]:
    """Columns of the labels in each bucket: all, frequent (> 50 training documents), few (1 to 50), zero-shot (0)."""
    number = np.asarray(train_counts)
    return {
        "all": np.arange(len(number)),
        "frequent": np.flatnonzero(number > FREQUENT),
        "few": np.flatnonzero((number >= 1) & (number <= FREQUENT)),
        "zero-shot": np.flatnonzero(number == 0),
    }


def confusion_by_frequency(outcome: Outcome) -> list[dict[str, Any]]:
    """For each band of training documents that has a label: labels, positives, right, extra and missed decisions."""
    rows = []
    found = counts(outcome.targets, outcome.chosen)
    for low, high in BANDS:
        most = math.inf if high is None else high
        inside = (outcome.train_counts >= low) & (outcome.train_counts <= most)
        if inside.any():
            hits, extra, missed = (int(part[inside].sum()) for part in found)
            row = {"from": low, "to": high, "labels": int(inside.sum()), "positives": hits + missed}
            rows.append({**row, "hits": hits, "extra": extra, "missed": missed})
    return rows


def label_table(outcome: Outcome) -> list[dict[str, Any]]:
    """One row for each label: name, training documents, positives, decisions, precision, recall, F1 (0/0 = 0)."""
    found = counts(outcome.targets, outcome.chosen)
    figures = zip(*found, *precision_recall_f1(found), strict=True)
    return [
        {
            "label": name,
            "train": int(train),
            "positives": int(hits + missed),
            "hits": int(hits),
            "extra": int(extra),
            "missed": int(missed),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
        }
        for name, train, (hits, extra, missed, precision, recall, f1) in zip(
            outcome.names, outcome.train_counts, figures, strict=True
        )
    ]

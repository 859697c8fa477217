"""Whether probabilities mean what they say: calibration error, log loss and Brier score, in float64.

Bins hold equal numbers of probabilities. Their edges are observed values and the upper edge is closed, (low, high]:
equal probabilities share a bin whatever the order of documents, so with many ties there are fewer bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrieve.errors import MeasureError
from retrieve.measures.label_ranking import ranked

FloatArray = npt.NDArray[np.float64]

BINS = 15
LEAST = 0.1
"""Pairs of a multi-label task are judged from this probability on (closed: p ≥ .1)."""


def calibration_error(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, bins: int = BINS) -> float:
    """Σ_b |b|/n · |mean confidence − share correct| over equal-mass bins (low, high]; both (n,), n ≥ 1."""
    sure = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    edges = np.quantile(sure, np.arange(1, bins) / bins, method="inverted_cdf")
    place = np.searchsorted(edges, sure, side="left")
    gaps = np.bincount(place, weights=sure - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))


def top_label_ece(targets: npt.ArrayLike, probabilities: npt.ArrayLike, *, bins: int = BINS) -> float:
    """Multi-class: calibration error of the most probable label (the first of equal ones), (N,C) both."""
    sure = _checked(probabilities)
    top = sure.argmax(1)[:, None]
    right = np.take_along_axis(np.asarray(targets, dtype=np.float64), top, axis=1)
    return calibration_error(np.take_along_axis(sure, top, axis=1)[:, 0], right[:, 0], bins=bins)


def multilabel_ece(
    targets: npt.ArrayLike, probabilities: npt.ArrayLike, names: Sequence[str], *, bins: int = BINS
) -> float:
    """Multi-label: over pairs (document, label) with p ≥ `LEAST`, and each document's top label (ties by name).

    Over all pairs, "never" has an error as small as labels are rare, and would be called well calibrated.
    """
    sure = _checked(probabilities)
    judged = sure >= LEAST
    np.put_along_axis(judged, ranked(sure, names, 1), True, axis=1)
    return calibration_error(sure[judged], np.asarray(targets, dtype=np.float64)[judged], bins=bins)


def binary_log_loss(targets: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Mean binary cross-entropy over all pairs, in nats. Probabilities are clipped to [2⁻⁵², 1 − 2⁻⁵²].

    scikit-learn's `log_loss` on indicator rows costs the positives alone: "yes to everything" would be perfect.
    """
    sure = _clipped(probabilities)
    true = np.asarray(targets, dtype=np.float64)
    return float(-np.mean(true * np.log(sure) + (1 - true) * np.log1p(-sure)))


def class_log_loss(targets: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Multi-class: mean of −ln p of the true class, in nats; clipped likewise."""
    return float(
        -np.mean(np.sum(np.asarray(targets, dtype=np.float64) * np.log(_clipped(probabilities)), axis=1))
    )


def brier(targets: npt.ArrayLike, probabilities: npt.ArrayLike, *, classes: bool = False) -> float:
    """Mean of (p − y)² over all pairs; with `classes`, summed over the classes of a document (Brier 1950; 0 to 2)."""
    squares = (_checked(probabilities) - np.asarray(targets, dtype=np.float64)) ** 2
    return float(squares.sum(1).mean() if classes else squares.mean())


def _checked(probabilities: npt.ArrayLike) -> FloatArray:
    sure = np.asarray(probabilities, dtype=np.float64)
    if not (np.isfinite(sure).all() and sure.min(initial=0) >= 0 and sure.max(initial=1) <= 1):
        raise MeasureError("probabilities below 0, above 1 or not a number: calibrate scores first")
    return sure


def _clipped(probabilities: npt.ArrayLike) -> FloatArray:
    least = np.finfo(np.float64).eps
    return np.clip(_checked(probabilities), least, 1 - least)

"""Scores to probabilities: one slope and intercept for all labels, so that rare labels are calibrated by frequent ones.

A map of its own for each label would have a handful of positives to learn from, and would change the order of a
document's labels. One increasing map for all leaves every ranking as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from retrieve.classify.records import FloatArray
from retrieve.errors import UsageError
from retrieve.types import Task

_STEEPEST, _FLATTEST = 1e4, 1e-3
"""Slopes of scores of standard deviation 1 stay between these: greater than 0, so that no order is turned round."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """p = σ(slope · score + intercept), softmax(slope · scores) over a document's labels, or the score itself.

    The slope is greater than 0, so that the order of a document's labels, the first of them too, stays as it is.
    `remark` says why there was nothing to fit by, "" where there was.
    """

    kind: Literal["sigmoid", "softmax", "none"]
    slope: float = 1.0
    intercept: float = 0.0
    remark: str = ""

    def probabilities(self, scores: npt.ArrayLike) -> FloatArray:
        """Scores (N,L) → probabilities (N,L) float64; of kind "none" they are the scores. Raises for NaN, infinity."""
        from scipy.special import expit, softmax

        found = _checked(scores)
        if self.kind == "none":
            return found
        if self.kind == "softmax":
            return np.asarray(softmax(self.slope * found, axis=1), dtype=np.float64)
        return np.asarray(expit(self.slope * found + self.intercept), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object, whose numbers are exact."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """What `to_json` gave."""
        return cls(**values)


def fit_calibration(scores: npt.ArrayLike, targets: npt.ArrayLike, task: Task) -> Calibration:
    """The calibration of scores (N,L) by targets (N,L) of 0 and 1, both of validation documents, of most likelihood.

    Binary and multilabel: σ(a·x + b) over all N·L pairs with Platt's targets, (n₊ + 1)/(n₊ + 2) in place of 1 and
    1/(n₋ + 2) in place of 0 (Platt 1999, eq. 5; Lin, Lin, Weng 2007), so that a and b are finite where the classes can
    be told apart. Labels whose scores are all equal are left out: they say nothing about the slope. Multiclass:
    softmax(a·x) (Guo et al. 2017, temperature 1/a), with (N + 1)/(N + L) and 1/(N + L) in place of 1 and 0 by the same
    reasoning. Ordinal: none. Where there is no document, or only one class, the map is the plain σ or softmax, and
    `remark` says so. Raises `UsageError` for arrays of different shapes and for a score that is not finite.
    """
    found, wanted = _checked(scores), np.asarray(targets, dtype=np.float64)
    if found.shape != wanted.shape:
        raise UsageError(f"scores are {found.shape}, targets {wanted.shape}: give one target for each score")
    if task == "ordinal":
        return Calibration("none")
    if task == "multiclass":
        return _softmax(found, wanted)
    return _sigmoid(found, wanted)


def _checked(scores: npt.ArrayLike) -> FloatArray:
    found = np.asarray(scores, dtype=np.float64)
    if found.ndim != 2:
        raise UsageError(f"scores have {found.ndim} dimensions, calibration wants 2: documents × labels")
    if not np.isfinite(found).all():
        row, column = np.argwhere(~np.isfinite(found))[0]
        raise UsageError(
            f"score {found[row, column]} of document {row}, label {column}, is not finite: look into the model"
        )
    return found


def _sigmoid(scores: FloatArray, targets: FloatArray) -> Calibration:
    from scipy.optimize import minimize
    from scipy.special import expit

    varying = np.ptp(scores, axis=0) > 0 if len(scores) else np.zeros(scores.shape[1], dtype=bool)
    x, y = scores[:, varying].ravel(), targets[:, varying].ravel()
    positives = int(np.count_nonzero(y))
    negatives = y.size - positives
    if not positives or not negatives:
        return Calibration("sigmoid", remark=_remark(scores, targets))
    smooth = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre, width = float(x.mean()), float(x.std())
    z = (x - centre) / width

    def loss(ab: FloatArray) -> tuple[float, FloatArray]:
        margins = ab[0] * z + ab[1]
        wrong = expit(margins) - smooth
        cost = np.logaddexp(0, margins) - smooth * margins
        return float(cost.mean()), np.array([(wrong * z).mean(), wrong.mean()])

    start = np.array([1.0, np.log((positives + 1) / (negatives + 1))])
    best = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(_FLATTEST, _STEEPEST), (None, None)],
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000},
    ).x
    slope = float(best[0] / width)
    remark = "the scores do not rise with the targets" if best[0] <= _FLATTEST else ""
    return Calibration("sigmoid", slope, float(best[1] - slope * centre), remark)


def _softmax(scores: FloatArray, targets: FloatArray) -> Calibration:
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    if np.count_nonzero(targets.any(axis=0)) < 2 or not np.ptp(scores, axis=1).any():
        return Calibration("softmax", remark=_remark(scores, targets))
    rows, labels = scores.shape
    smooth = (targets * rows + 1) / (rows + labels)
    width = float(np.std(scores - scores.mean(axis=1, keepdims=True)))
    z = scores / width

    def loss(log_slope: float) -> float:
        margins = np.exp(log_slope) * z
        return float((logsumexp(margins, axis=1) - (smooth * margins).sum(axis=1)).mean())

    slope = np.exp(_lowest(loss, minimize_scalar))
    remark = "the scores do not rise with the targets" if slope <= 1.01 * _FLATTEST else ""
    return Calibration("softmax", float(slope / width), 0.0, remark)


def _lowest(loss: Callable[[float], float], minimize_scalar: Any) -> float:
    bounds = (np.log(_FLATTEST), np.log(_STEEPEST))
    return float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x)


def _remark(scores: FloatArray, targets: FloatArray) -> str:
    if not len(scores):
        found = "there are no validation documents"
    elif not np.ptp(scores, axis=0).any() and len(scores) > 1:
        found = "the scores of the validation documents are all equal"
    else:
        found = f"the {len(scores)} validation documents have only one class"
    return f"{found}: scores were taken as logits as they are, and are not calibrated"

"""One linear model for each label over the same rows, and what a label gets that nothing can be learned of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from retrieve.classify.records import FloatArray
from retrieve.classify.row_space import RowSpace

_WIDE = 10
"""Features to a document beyond which the dual problem is solved: the same solution, twice as fast."""

Weights = tuple[npt.NDArray[np.float32], FloatArray]


@dataclass(frozen=True, slots=True)
class LinearSettings:
    """`C`: the loss against the penalty ½‖w‖²; of a ridge regression, whose penalty is ‖w‖²/C. `seed` of the solver."""

    model: Literal["svm", "logistic", "ridge"]
    C: float
    balanced: bool = False
    seed: int = 0


def fit_columns(
    space: RowSpace,
    targets: npt.NDArray[np.float32],
    settings: LinearSettings,
    names: Sequence[str],
    remarks: list[str],
) -> Weights:
    """Weights (L,V) and intercepts (L,) of rows (N,V) in their space, a label each; targets (N,L) of 0 and 1.

    Rows are of norm 1 at most. A label without a positive gets no weights and an intercept below every score that the
    other labels can have, one without a negative above: the first is said in `remarks`, once.
    """
    labels, coordinates = targets.shape[1], space.coordinates
    coefficients = np.zeros((labels, space.rows.shape[1]), dtype=np.float32)
    found = np.zeros((labels, coordinates.shape[1]))
    intercepts = np.zeros(labels)
    positives = np.count_nonzero(targets, axis=0)
    learned = np.flatnonzero((positives > 0) & (positives < len(targets)))
    for label in learned:
        fitted = _estimator(settings, *space.rows.shape).fit(coordinates, targets[:, label] > 0)
        found[label] = fitted.coef_[0]
        intercepts[label] = float(fitted.intercept_[0])
    coefficients[learned] = space.weights(found[learned])
    lowest, highest = _bounds(coefficients[learned], intercepts[learned])
    intercepts[positives == 0] = lowest
    intercepts[positives == len(targets)] = highest
    _remark_on(
        [names[label] for label in np.flatnonzero(positives == 0).tolist()] if len(names) == labels else [],
        remarks,
    )
    return coefficients, intercepts


def fit_values(rows: Any, targets: npt.NDArray[np.float32], settings: LinearSettings) -> Weights:
    """Weights (1,V) and the intercept (1,) of a ridge regression of targets (N,1)."""
    from sklearn.linear_model import Ridge

    fitted = Ridge(alpha=1 / settings.C, solver="auto", tol=1e-8, random_state=settings.seed)
    fitted.fit(rows, targets[:, 0].astype(np.float64))
    return fitted.coef_.reshape(1, -1).astype(np.float32), np.array([fitted.intercept_], dtype=np.float64)


def _bounds(coefficients: npt.NDArray[np.float32], intercepts: FloatArray) -> tuple[float, float]:
    """Numbers below and above all scores of rows of norm 1 at most (Cauchy and Schwarz), by 1 at least."""
    if not len(intercepts):
        return -1.0, 1.0
    reach = np.linalg.norm(coefficients.astype(np.float64), axis=1)
    return float((intercepts - reach).min()) - 1, float((intercepts + reach).max()) + 1


def _remark_on(without: Sequence[str], remarks: list[str]) -> None:
    if not without:
        return
    named = ", ".join(without[:10]) + (f" and {len(without) - 10} more" if len(without) > 10 else "")
    remark = f"no document to learn from has {named}: of a linear model, scored below every other label"
    if remark not in remarks:
        remarks.append(remark)


def _estimator(settings: LinearSettings, documents: int, features: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    weight = "balanced" if settings.balanced else None
    if settings.model == "svm":
        return LinearSVC(C=settings.C, class_weight=weight, random_state=settings.seed)
    return LogisticRegression(
        C=settings.C,
        class_weight=weight,
        solver="liblinear",
        dual=features > _WIDE * documents,
        max_iter=1000,
        random_state=settings.seed,
    )

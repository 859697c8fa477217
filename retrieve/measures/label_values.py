"""Measures of an ordinal task: mean absolute error, and Spearman's rank correlation beside it.

Both, because a constant predictor often has the lower error and says nothing: its own error stands in the report.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.errors import MeasureError


def ordinal_report(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> dict[str, Any]:
    """Values and predictions, (N,) or (N,1) → `documents`, `mae`, `spearman`, `constant_mae`.

    `spearman` is None where either side is constant: ranks that are all equal correlate with nothing. `constant_mae`
    is the error of the targets' median. Raises `MeasureError` for other shapes and for values that are not finite.
    """
    true = np.asarray(targets, dtype=np.float64)
    said = np.asarray(predictions, dtype=np.float64)
    if true.shape != said.shape or true.shape not in ((len(true),), (len(true), 1)) or not len(true):
        raise MeasureError(f"values {true.shape} and predictions {said.shape}: wanted (N,) of both, N ≥ 1")
    true, said = true.ravel(), said.ravel()
    if not (np.isfinite(true).all() and np.isfinite(said).all()):
        raise MeasureError("a value or a prediction is not a finite number")
    return {
        "task": "ordinal",
        "documents": len(true),
        "mae": float(np.abs(true - said).mean()),
        "spearman": _spearman(true, said),
        "constant_mae": float(np.abs(true - np.median(true)).mean()),
    }


def _spearman(true: npt.NDArray[np.float64], said: npt.NDArray[np.float64]) -> float | None:
    from scipy.stats import spearmanr

    if np.ptp(true) == 0 or np.ptp(said) == 0:
        return None
    return float(spearmanr(true, said).statistic)

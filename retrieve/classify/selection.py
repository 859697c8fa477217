"""Which models to average: forward selection with replacement on validation documents, stopped by its own noise.

Caruana et al. (2004, "Ensemble selection from libraries of models") add the model that helps most, again and again. A
few hundred validation documents say little, and each step is the luckiest of several, so that of the ways from one
model to many the shortest is taken that is as good as the best within one standard error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.classify.records import FloatArray
from retrieve.classify.thresholds import choose_thresholds
from retrieve.types import Task

_ROUNDS = 8
_DRAWS = 200
_TOP = 5


class Step(NamedTuple):
    """An average of the first so many picks: its value, and the standard error of what it lacks to the best."""

    picks: tuple[int, ...]
    value: float
    noise: float


class Selection(NamedTuple):
    """`weights`: contender → its share of the picks, by contender; `path`: all steps, and which of them was chosen."""

    weights: dict[int, float]
    path: list[Step]
    chosen: int


class _Parts(NamedTuple):
    """What a value is made of, by document, so that documents can be drawn anew: all (N,…)."""

    right: FloatArray
    counted: FloatArray
    positives: FloatArray
    top: FloatArray


def select(
    probabilities: Sequence[FloatArray], targets: npt.ArrayLike, task: Task, *, seed: int
) -> Selection:
    """Which contenders (each (N,L), calibrated, or values) to average by targets (N,L) of validation documents.

    The value: micro-F1 + macro-F1 over labels with a positive, at the best single threshold, and for a multilabel task
    + RP@5; of a multiclass task at the greatest probability; − mean absolute error (ordinal). Noise is the standard
    deviation, over 200 bootstrap samples of documents (`seed`), of the difference to the best step. Without validation
    documents all contenders weigh alike.
    """
    wanted = np.asarray(targets, dtype=np.float64)
    if not len(wanted):
        even = 1 / len(probabilities)
        return Selection(dict.fromkeys(range(len(probabilities)), even), [], 0)
    draws = np.random.default_rng(seed).multinomial(
        len(wanted), np.full(len(wanted), 1 / len(wanted)), _DRAWS
    )
    once = np.ones((1, len(wanted)))
    picks: list[int] = []
    total = np.zeros_like(probabilities[0])
    values: list[float] = []
    drawn: list[FloatArray] = []
    for _ in range(_ROUNDS):
        tried = [_parts((total + each) / (len(picks) + 1), wanted, task) for each in probabilities]
        found = [float(_values(each, once, task)[0]) for each in tried]
        best = int(np.argmax(found))
        picks.append(best)
        total = total + probabilities[best]
        values.append(found[best])
        drawn.append(_values(tried[best], draws.astype(np.float64), task))
    top = int(np.argmax(values))
    noise = [float(np.nanstd(drawn[top] - each)) for each in drawn]
    path = [
        Step(tuple(picks[: number + 1]), value, sd)
        for number, (value, sd) in enumerate(zip(values, noise, strict=True))
    ]
    chosen = next(number for number, step in enumerate(path) if step.value >= values[top] - step.noise)
    counts = Counter(path[chosen].picks)
    return Selection({each: counts[each] / (chosen + 1) for each in sorted(counts)}, path, chosen)


def _parts(probabilities: FloatArray, targets: FloatArray, task: Task) -> _Parts:
    none = np.zeros((len(targets), 1))
    if task == "ordinal":
        return _Parts(none, none, none, np.abs(probabilities - targets).mean(axis=1))
    chosen = choose_thresholds(np.clip(probabilities, 0, 1), targets, "global", task=task).apply(
        np.clip(probabilities, 0, 1)
    )
    return _Parts(chosen * targets, chosen + targets, targets, _retrieved(probabilities, targets))


def _retrieved(probabilities: FloatArray, targets: FloatArray) -> FloatArray:
    """R-precision at 5 of each document (N,); 0 where it has no label."""
    first = np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]
    hits = np.take_along_axis(targets, first, axis=1).sum(axis=1)
    return np.asarray(hits / np.clip(targets.sum(axis=1), 1, _TOP), dtype=np.float64)


def _values(parts: _Parts, weights: FloatArray, task: Task) -> FloatArray:
    """Values (B,) of documents that count `weights` (B,N) times."""
    if task == "ordinal":
        return np.asarray(-(weights @ parts.top) / weights.sum(axis=1))
    right, counted, positives = weights @ parts.right, weights @ parts.counted, weights @ parts.positives
    with np.errstate(invalid="ignore", divide="ignore"):
        micro = 2 * right.sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
        shown = positives > 0
        each = np.where(shown, 2 * right / np.maximum(counted, 1), 0)
        macro = each.sum(axis=1) / np.maximum(shown.sum(axis=1), 1)
        if task != "multilabel":
            return np.asarray(micro + macro)
        some = weights @ (parts.positives.sum(axis=1) > 0)
        return np.asarray(micro + macro + (weights @ parts.top) / np.maximum(some, 1))

"""Probabilities to labels: where each label is cut, chosen on validation documents among the cuts that they allow.

A threshold of its own is right for a label with many positives and chance for one with few; shrinking towards the one
of all labels by the count of positives keeps the first and drops the second. Candidates are the scores themselves, in
order: a grid misses cuts, and candidates in another order cut elsewhere than they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from retrieve.classify.logits import logit
from retrieve.classify.records import FloatArray
from retrieve.errors import UsageError
from retrieve.types import Task

How = Literal["shrunk", "global", "natural"]
Rule = Literal["shrunk", "global", "natural", "argmax"]

_PRIOR = 15
"""Validation positives at which a label's own threshold counts as much as the one of all labels."""

_BLOCK = 1 << 22
"""Pairs that are sorted by label at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """A document has label l where its probability is at least `values`[l], or with `min_labels` 1 its likeliest label.

    values (L,) float64; `common` is that of a label without validation positives, an unseen one too. `how` "argmax"
    gives each document the label of greatest probability and reads no value. Of equal probabilities the first label
    wins. `remark` says why there was nothing to choose by, "" where there was.
    """

    values: FloatArray
    min_labels: int
    how: Rule
    remark: str = ""
    common: float = 0.5

    def apply(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Probabilities (N,L) → whether each document has each label (N,L)."""
        found = _matrix(probabilities)
        if found.shape[1] != len(self.values):
            raise UsageError(
                f"probabilities of {found.shape[1]} labels, thresholds of {len(self.values)}: they are of another model"
            )
        if self.how == "argmax":
            return _with_first(np.zeros(found.shape, dtype=bool), found)
        chosen = found >= self.values
        return _with_first(chosen, found) if self.min_labels else chosen

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object, whose numbers are exact."""
        return {
            "values": self.values.tolist(),
            "min_labels": self.min_labels,
            "how": self.how,
            "remark": self.remark,
            "common": self.common,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Thresholds:
        """What `to_json` gave."""
        return cls(**{**values, "values": np.asarray(values["values"], dtype=np.float64)})


def choose_thresholds(
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    how: How = "shrunk",
    min_labels: int | None = None,
    *,
    task: Task = "multilabel",
) -> Thresholds:
    """Thresholds by calibrated probabilities (N,L) and targets (N,L) of 0 and 1 of validation documents.

    "natural": .5. "global": one, of the greatest micro-F1 over all N·L pairs. "shrunk": t_l = (n_l·t̂_l + 15·t)/(n_l +
    15) in logits, t the global one, n_l the label's positives, t̂_l of the greatest F1 of the label; t where n_l = 0. A
    threshold that is chosen lies midway, in logits, between the lowest score that it accepts and the next one below; of
    equal F1 the highest is taken. A multiclass task has the label of greatest probability ("argmax"), whatever `how`.
    `min_labels` 0 or 1; None takes that of greater micro-F1 here, 0 where they tie, and 0 for a binary task. Without a
    positive the thresholds are .5, and `remark` says so. Raises `UsageError`.
    """
    found, wanted = _matrix(probabilities), np.asarray(targets) > 0
    if found.shape != wanted.shape:
        raise UsageError(
            f"probabilities are {found.shape}, targets {wanted.shape}: give one target for each probability"
        )
    if min_labels not in (None, 0, 1):
        raise UsageError(
            f"min_labels is {min_labels}, it can be 0, 1 or None: leave it out to have it chosen"
        )
    if how not in get_args(How):
        raise UsageError(f"thresholds are 'shrunk', 'global' or 'natural', not {how!r}")
    labels = found.shape[1]
    if task == "multiclass":
        return Thresholds(np.full(labels, 0.5), 1, "argmax")
    if task == "binary":
        min_labels = 0
    remark, common = "", 0.5
    if how == "natural":
        values = np.full(labels, 0.5)
    elif not wanted.any():
        values = np.full(labels, 0.5)
        of = "the second label" if task == "binary" else "a label"
        remark = f"no validation document has {of}: thresholds are .5"
    else:
        common = float(_best_cuts(_reachable(found, wanted))[0])
        values = np.full(labels, common) if how == "global" else _shrunk(found, wanted, common)
    first = Thresholds(values, min_labels or 0, how, remark, common)
    if min_labels is not None:
        return first
    other = replace(first, min_labels=1)
    return other if micro_f1(other.apply(found), wanted) > micro_f1(first.apply(found), wanted) else first


def micro_f1(chosen: npt.NDArray[np.bool_], targets: npt.ArrayLike) -> float:
    """F1 over all pairs (N,L); 1 where nothing is chosen and nothing is a target."""
    wanted = np.asarray(targets) > 0
    total = np.count_nonzero(chosen) + np.count_nonzero(wanted)
    return 2 * np.count_nonzero(chosen & wanted) / total if total else 1.0


def best_micro_f1(scores: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """The greatest micro-F1 that one threshold for all labels gives scores (N,L), of any scale."""
    found, wanted = np.asarray(scores, dtype=np.float64), np.asarray(targets) > 0
    if not wanted.any():
        return 0.0
    return float(_cut_f1(_reachable(found, wanted))[1].max())


class _Columns(NamedTuple):
    """Scores (N,M), whether each is of a positive, and how many positives (M,) there are, those left out too."""

    scores: FloatArray
    wanted: npt.NDArray[np.bool_]
    positives: npt.NDArray[np.int64]


def _reachable(scores: FloatArray, wanted: npt.NDArray[np.bool_]) -> _Columns:
    """The highest scores of all pairs, as a column (M,1): those that the cut of greatest F1 can accept, and the next.

    With P positives, accepting n pairs has F1 of 2P/(n + P) at most, so that a cut of F1 f is not beaten beyond n =
    P(2/f − 1): of millions of pairs, all but the first few need no sorting.
    """
    flat, positive = scores.ravel(), wanted.ravel()
    count = int(positive.sum())
    accepted = flat >= _highest(flat, count)
    known = 2 * np.count_nonzero(positive & accepted) / (np.count_nonzero(accepted) + count)
    most = count * (2 / known - 1) if known else len(flat)
    if most < len(flat) - 1:
        near = flat >= _highest(flat, int(most) + 2)
        flat, positive = flat[near], positive[near]
    return _Columns(flat[:, None], positive[:, None], np.array([count]))


def _highest(scores: FloatArray, place: int) -> float:
    """The score at a place, from 1, in falling order."""
    return float(np.partition(scores, len(scores) - place)[len(scores) - place])


def _shrunk(found: FloatArray, wanted: npt.NDArray[np.bool_], common: float) -> FloatArray:
    from scipy.special import expit

    step = max(1, _BLOCK // max(1, len(found)))
    parts = [slice(first, first + step) for first in range(0, found.shape[1], step)]
    positives = wanted.sum(axis=0)
    own = np.concatenate(
        [_best_cuts(_Columns(found[:, part], wanted[:, part], positives[part])) for part in parts]
    )
    logits = (positives * logit(own) + _PRIOR * logit(common)) / (positives + _PRIOR)
    return np.where(positives > 0, expit(logits), common)


def _best_cuts(given: _Columns) -> FloatArray:
    """Of each column (N,M) the threshold (M,) of greatest F1, between two neighbouring scores, above 0."""
    from scipy.special import expit

    ordered, f1 = _cut_f1(given)
    places = f1.argmax(axis=0)
    columns = np.arange(ordered.shape[1])
    upper = ordered[places, columns]
    following = np.minimum(places + 1, len(ordered) - 1)
    lower = ordered[following, columns]
    midway = expit((logit(upper) + logit(lower)) / 2)
    # Rounding must not move a threshold onto the score below, nor above the one that it accepts.
    held = np.clip(midway, np.nextafter(lower, 2.0), upper)
    return np.asarray(np.where(lower < upper, held, upper), dtype=np.float64)


def _cut_f1(given: _Columns) -> tuple[FloatArray, FloatArray]:
    """Columns (N,M) in falling order, and the F1 of accepting rows 0 to n; −1 where that parts equal ones."""
    order = np.argsort(-given.scores, axis=0, kind="stable")
    ordered = np.take_along_axis(given.scores, order, axis=0)
    hits = np.cumsum(np.take_along_axis(given.wanted, order, axis=0), axis=0)
    accepted = np.arange(1, len(ordered) + 1)[:, None]
    f1 = 2 * hits / (accepted + given.positives)
    f1[:-1][ordered[:-1] == ordered[1:]] = -1.0
    return ordered, f1


def _with_first(chosen: npt.NDArray[np.bool_], found: FloatArray) -> npt.NDArray[np.bool_]:
    without = np.flatnonzero(~chosen.any(axis=1))
    if chosen.shape[1]:
        chosen[without, found[without].argmax(axis=1)] = True
    return chosen


def _matrix(probabilities: npt.ArrayLike) -> FloatArray:
    found = np.asarray(probabilities, dtype=np.float64)
    if found.ndim != 2:
        raise UsageError(f"probabilities have {found.ndim} dimensions, 2 are wanted: documents × labels")
    if not ((found >= 0) & (found <= 1)).all():
        raise UsageError("a probability is NaN or outside of 0 to 1: calibrate the scores first")
    return found

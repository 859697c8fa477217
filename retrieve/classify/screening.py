"""What a reader can expect of a label: how many documents to read for a share of its positives, and whom to ask.

Both are read off validation documents: the first of their ranking by probability, the second of how far from its
threshold a probability must be for the answer to be relied on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.classify.logits import logit
from retrieve.classify.records import FloatArray
from retrieve.classify.thresholds import Thresholds
from retrieve.errors import UsageError


class Reading(NamedTuple):
    """To find `found` of `positives` documents of a label, at least `recall` of them, read the first `read`.

    `precision` is found/read. Of documents with equal probabilities those without the label are read first, so that no
    order of theirs needs more.
    """

    recall: float
    positives: int
    found: int
    read: int
    precision: float


class Band(NamedTuple):
    """Label l is undecided where `lower`[l] ≤ p < `upper`[l]; below it is refused, from `upper`[l] on it is given.

    lower, upper (L,); upper is above 1 where no label is given as surely as `level` asks, lower 0 where none is refused
    so surely. `undecided`: share of the validation pairs within.
    """

    lower: FloatArray
    upper: FloatArray
    level: float
    undecided: float

    def holds(self, probabilities: FloatArray) -> npt.NDArray[np.bool_]:
        """Which of probabilities (N,L) are within."""
        return (probabilities >= self.lower) & (probabilities < self.upper)

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object, whose numbers are exact."""
        return self._asdict() | {"lower": self.lower.tolist(), "upper": self.upper.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Band:
        """What `to_json` gave."""
        return cls(**{**values, "lower": np.array(values["lower"]), "upper": np.array(values["upper"])})


def recall_table(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, recalls: tuple[float, ...] = (0.8, 0.9, 0.95)
) -> list[tuple[Reading, ...]]:
    """For each label (L), for each recall, how far to read down its ranking; () for a label without a positive.

    probabilities (N,L), targets (N,L) of 0 and 1. Raises `UsageError` for a recall that is not in (0, 1].
    """
    found, wanted = _pair(probabilities, targets)
    if any(not 0 < recall <= 1 for recall in recalls):
        raise UsageError(f"recalls {recalls}: each must be above 0 and at most 1")
    table = []
    for scores, is_positive in zip(found.T, wanted.T, strict=True):
        order = np.lexsort((is_positive, -scores))
        places = np.flatnonzero(is_positive[order]) + 1
        table.append(tuple(_reading(recall, places) for recall in recalls) if places.size else ())
    return table


def undecided_band(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, thresholds: Thresholds, level: float = 0.95
) -> Band:
    """The narrowest band around the thresholds outside of which answers are right as often as `level` says.

    A pair's distance is logit(p) − logit(threshold of its label), so that one band serves all labels. Above: the
    least distance u ≥ 0 such that among all validation pairs at u or beyond the share of positives is at least
    `level`. Below: the greatest d < 0 such that among all pairs at d or beyond the share of negatives is. If there is
    none, no answer of that side is decided. An edge lies midway between the last pair that is decided and the next
    one, at the threshold where all of its side are. Raises `UsageError` for thresholds of "argmax", which cut nowhere,
    and for a level outside of (0, 1].
    """
    found, wanted = _pair(probabilities, targets)
    if thresholds.how == "argmax":
        raise UsageError("the label of greatest probability is not cut anywhere: there is no band around it")
    if not 0 < level <= 1:
        raise UsageError(f"level is {level}: it must be above 0 and at most 1")
    from scipy.special import expit

    centre = logit(thresholds.values)
    distances = logit(found) - centre
    above = distances >= 0
    up = _edge(distances[above], wanted[above], level)
    down = _edge(-distances[~above], ~wanted[~above], level)
    upper = np.full(len(centre), np.nextafter(1.0, 2.0)) if up is None else expit(centre + up)
    lower = np.zeros(len(centre)) if down is None else expit(centre - down)
    band = Band(lower, upper, level, 0.0)
    return band._replace(undecided=np.count_nonzero(band.holds(found)) / found.size if found.size else 0.0)


def _reading(recall: float, places: npt.NDArray[np.int64]) -> Reading:
    # A product like .7 · 10 = 7.000000000000001 is 7.
    found = max(1, int(np.ceil(recall * places.size - 1e-9)))
    read = int(places[found - 1])
    return Reading(recall, places.size, found, read, found / read)


def _edge(distances: FloatArray, right: npt.NDArray[np.bool_], level: float) -> float | None:
    """How near to 0 answers can be trusted: midway to the first that cannot be, 0 where all can, None where none."""
    order = np.argsort(-distances, kind="stable")
    ordered, hits = distances[order], np.cumsum(right[order])
    good = hits >= level * np.arange(1, len(order) + 1) - 1e-9
    good[:-1] &= ordered[:-1] > ordered[1:]
    if not good.any():
        return None
    last = int(np.flatnonzero(good)[-1])
    return 0.0 if last == len(order) - 1 else float(ordered[last] + ordered[last + 1]) / 2


def _pair(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    found, wanted = np.asarray(probabilities, dtype=np.float64), np.asarray(targets) > 0
    if found.ndim != 2 or found.shape != wanted.shape:
        raise UsageError(
            f"probabilities are {found.shape}, targets {wanted.shape}: give both as documents × labels"
        )
    if not ((found >= 0) & (found <= 1)).all():
        raise UsageError("a probability is NaN or outside of 0 to 1: calibrate the scores first")
    return found, wanted

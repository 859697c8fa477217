"""What is measured of a classifier, checked once: targets, probabilities and decisions of the same shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import MeasureError
from retrieve.types import LabelSet, Task


class Outcome(NamedTuple):
    """Columns (L) of `names`: targets (N,L), probabilities (N,L) float64, decisions (N,L), training documents (L,)."""

    targets: npt.NDArray[np.bool_]
    probabilities: npt.NDArray[np.float64]
    chosen: npt.NDArray[np.bool_]
    names: tuple[str, ...]
    train_counts: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        targets: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        chosen: npt.ArrayLike,
        labels: LabelSet | Sequence[str],
        train_counts: npt.ArrayLike,
        *,
        task: Task = "multilabel",
    ) -> Outcome:
        """Check the arrays; one column of a binary task, that of the second label, becomes two.

        Raises `MeasureError` for shapes that differ, no documents, a target or decision that is not 0 or 1, a
        probability outside of 0 to 1, and for documents of a binary or multi-class task without exactly one label.
        """
        names = labels.names if isinstance(labels, LabelSet) else tuple(labels)
        true, said = _zero_or_one(targets, "targets"), _zero_or_one(chosen, "decisions")
        sure = np.asarray(probabilities, dtype=np.float64)
        if task == "binary" and true.shape == sure.shape == said.shape == (len(true), 1) and len(names) == 2:
            true, said = np.hstack([~true, true]), np.hstack([~said, said])
            sure = np.hstack([1 - sure, sure])
        number = np.asarray(train_counts, dtype=np.int64)
        wanted = (len(true), len(names))
        if (
            not true.shape == sure.shape == said.shape == wanted
            or number.shape != wanted[1:]
            or not len(true)
        ):
            raise MeasureError(
                f"targets {true.shape}, probabilities {sure.shape}, decisions {said.shape} and training counts "
                f"{number.shape} of {len(names)} labels: wanted (N,{len(names)}) three times and ({len(names)},), N ≥ 1"
            )
        if not (np.isfinite(sure).all() and sure.min() >= 0 and sure.max() <= 1):
            raise MeasureError("probabilities below 0, above 1 or not a number: calibrate the scores first")
        if task != "multilabel" and not ((true.sum(1) == 1).all() and (said.sum(1) == 1).all()):
            raise MeasureError(
                f"a document of a {task} task without exactly one label, in targets or decisions"
            )
        return cls(true, sure, said, names, number)

    def columns(self, columns: npt.NDArray[np.int64]) -> Outcome:
        """The same documents with some of the labels."""
        return Outcome(
            self.targets[:, columns],
            self.probabilities[:, columns],
            self.chosen[:, columns],
            tuple(self.names[column] for column in columns),
            self.train_counts[columns],
        )


def figure(value: float) -> float | None:
    """A figure for JSON: None where it is not defined."""
    return None if math.isnan(value) else value


def _zero_or_one(values: npt.ArrayLike, what: str) -> npt.NDArray[np.bool_]:
    given = np.asarray(values)
    if given.ndim != 2 or not ((given == 0) | (given == 1)).all():
        raise MeasureError(f"{what} of shape {given.shape}: wanted 0 or 1 for each document and label (N,L)")
    return given.astype(bool)

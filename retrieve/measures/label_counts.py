"""Precision, recall and F1 from counts of true and false decisions, for one evaluation or thousands of resamples.

Counts are linear in the documents: a bootstrap resample is a row of weights, and its counts are one sparse product.
scikit-learn's functions take one sample at a time and would need minutes for the same; they are the tests' oracle.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

Averaged = Literal[
    "micro_f1",
    "micro_precision",
    "micro_recall",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "macro_f1_all",
]


class Counts(NamedTuple):
    """True positives, false positives and false negatives, each (…,L): sums over documents, or over weighted ones."""

    hits: FloatArray
    extra: FloatArray
    missed: FloatArray


def counts(targets: npt.ArrayLike, chosen: npt.ArrayLike) -> Counts:
    """Targets and decisions (N,L), 0 or 1 → counts (L,)."""
    true, said = np.asarray(targets, dtype=bool), np.asarray(chosen, dtype=bool)
    return Counts(
        (true & said).sum(0).astype(float),
        (~true & said).sum(0).astype(float),
        (true & ~said).sum(0).astype(float),
    )


def precision_recall_f1(found: Counts) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of each label (…,L); 0/0 is 0, so a label that is neither there nor chosen has F1 0."""
    hits, extra, missed = found
    return (
        _ratio(hits, hits + extra),
        _ratio(hits, hits + missed),
        _ratio(2 * hits, 2 * hits + extra + missed),
    )


def averaged(found: Counts, name: Averaged) -> FloatArray:
    """A measure (…) of counts (…,L); nan where nothing defines it.

    micro: of the summed counts, undefined where nothing is there and nothing is chosen. macro: the mean over the labels
    with a positive in what was counted, undefined without any. macro_f1_all: the mean over all L with 0/0 = 0.
    """
    average, _, kind = name.partition("_")
    if average == "micro":
        hits, extra, missed = (part.sum(-1) for part in found)
        below = {"f1": 2 * hits + extra + missed, "precision": hits + extra, "recall": hits + missed}[kind]
        above = 2 * hits if kind == "f1" else hits
        return _defined(above, below)
    which = {"precision": 0, "recall": 1, "f1": 2, "f1_all": 2}[kind]
    values = precision_recall_f1(found)[which]
    if name == "macro_f1_all":
        return np.asarray(values.mean(-1))
    there = found.hits + found.missed > 0
    size = there.sum(-1).astype(float)
    total = np.where(there, values, 0.0).sum(-1)
    return _defined(total, size)


class CountedMeasure:
    """One of the averaged measures of one system, computable for any weights of the documents.

    `tables` (three sparse (N,L)): which decision on which document is which. What `retrieve.measures.significance`
    resamples.
    """

    def __init__(self, targets: npt.ArrayLike, chosen: npt.ArrayLike, name: Averaged) -> None:
        from scipy.sparse import csr_array

        true, said = np.asarray(targets, dtype=bool), np.asarray(chosen, dtype=bool)
        self.name = name
        self.documents = len(true)
        self._tables: list[Any] = [
            csr_array(table.astype(float)) for table in (true & said, ~true & said, true & ~said)
        ]

    def totals(self, weights: FloatArray) -> tuple[FloatArray, ...]:
        """Weights (R,N) → counts, each (R,L)."""
        return tuple(np.asarray((table.T @ weights.T).T) for table in self._tables)

    def value(self, totals: tuple[FloatArray, ...]) -> FloatArray:
        """Counts (R,L) → the measure (R,)."""
        return averaged(Counts(*totals), self.name)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.nan_to_num(_defined(above, below))


def _defined(above: FloatArray, below: FloatArray) -> FloatArray:
    quotient: FloatArray = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return quotient

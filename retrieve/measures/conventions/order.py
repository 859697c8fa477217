"""A ranking in groups of documents that are tied and stay so: one document to a group wherever a tie is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import cast

import numpy as np
import numpy.typing as npt

Groups = list[list[int]]
"""Places of documents (in the order of the file), best first."""

_NumbaSort = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.int64]]


def arranged(documents: Sequence[str], scores: Sequence[float], order: str, *, sorts: int = 1) -> Groups:
    """The documents by one of the orders of `Conventions`; `sorts`: how often the unstable sort goes over them."""
    places = range(len(documents))
    if order in ("together", "together, single"):
        values = _single(scores) if order == "together, single" else list(scores)
        ranked = sorted(places, key=lambda place: -values[place])
        return [list(group) for _, group in groupby(ranked, key=lambda place: values[place])]
    if order == "quicksort":
        return [[place] for place in _unstable(np.array(scores, dtype=np.float64), sorts)]
    values = _single(scores) if order == "trec_eval" else list(scores)
    ranked = list(places)
    if order in ("trec_eval", "descending"):
        ranked.sort(key=lambda place: documents[place], reverse=True)
    elif order == "ascending":
        ranked.sort(key=lambda place: documents[place])
    ranked.sort(key=lambda place: -values[place])
    return [[place] for place in ranked]


def has_ties(scores: Sequence[float]) -> bool:
    """Whether two scores are the same in single precision."""
    return len(set(_single(scores))) < len(scores)


def _single(scores: Sequence[float]) -> list[float]:
    with np.errstate(over="ignore"):
        singles: list[float] = np.array(scores, dtype=np.float64).astype(np.float32).tolist()
    return singles


def _unstable(scores: npt.NDArray[np.float64], sorts: int) -> list[int]:
    order = np.arange(len(scores))
    for _ in range(sorts):
        order = order[_numba_argsort()(-scores[order])]
    places: list[int] = order.tolist()
    return places


@cache
def _numba_argsort() -> _NumbaSort:
    """numba's own quicksort, which leaves ties in another order than numpy's."""
    from numba import njit

    @njit
    def argsort(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return np.argsort(values)

    return cast(_NumbaSort, argsort)

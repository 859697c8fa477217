"""The order that numba's `argsort` leaves, ties included: some published figures were measured on it.

Its quicksort is not stable, so equal scores come in an order that only its own steps explain. They are taken here one
by one, without numba, and shortened only where they cannot matter: where no two values are equal any sort will do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SHORT = 15
"""Stretches of at most so many places are sorted by insertion, which keeps equal values in the order they came in."""


def quicksort_order(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The places (N,) of the values (N,), smallest value first, NaN last; ties as numba's quicksort leaves them."""
    ranks: list[int] = np.unique(values, return_inverse=True)[1].tolist()  # NaN is one value, the largest
    places = list(range(len(ranks)))
    waiting = [(0, len(places))]
    while waiting:
        first, end = waiting.pop()
        there = places[first:end]
        if end - first <= _SHORT or len({ranks[place] for place in there}) == end - first:
            places[first:end] = sorted(there, key=ranks.__getitem__)
        else:
            middle = _divide(places, ranks, first, end - 1)
            waiting += [(first, middle), (middle + 1, end)]
    return np.array(places, np.int64)


def _divide(places: list[int], ranks: list[int], first: int, last: int) -> int:
    """Put no larger values before a pivot and no smaller ones behind it; where it stands then."""
    centre = (first + last) // 2
    for one, other in ((first, centre), (centre, last), (first, centre)):  # the pivot is the median of three
        if ranks[places[other]] < ranks[places[one]]:
            places[one], places[other] = places[other], places[one]
    places[centre], places[last] = (
        places[last],
        places[centre],
    )  # out of the way, and where the search for larger ends
    pivot = ranks[places[last]]
    left, right = first, last - 1
    while True:
        while ranks[places[left]] < pivot:
            left += 1
        while right >= first and ranks[places[right]] > pivot:
            right -= 1
        if left >= right:
            places[left], places[last] = places[last], places[left]
            return left
        places[left], places[right] = places[right], places[left]
        left, right = left + 1, right - 1

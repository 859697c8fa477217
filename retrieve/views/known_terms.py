"""What the terms of queries are worth in one generation of an index, remembered from one query to the next.

The words of queries repeat: to look a term up in every segment, to count it and to take a logarithm costs a short query
more than its scores do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from retrieve.views.protocol import FloatArray, IntArray

_MOST = 1 << 15
"""Terms remembered, some 10 MB; then all are forgotten."""


class Worth(NamedTuple):
    """Of one term: document frequency, idf, and its number in each segment, −1 where only deleted passages have it."""

    frequency: int
    idf: float
    numbers: tuple[int, ...]


class LookedUp(NamedTuple):
    """Of Q terms: document frequencies (Q,), idf (Q,), and numbers (S,Q) in each of S segments, or −1."""

    frequencies: IntArray
    idf: FloatArray
    numbers: IntArray


class KnownTerms:
    """Terms by name, each looked up once. Safe in many threads: what two of them look up at a time is the same."""

    def __init__(self, look_up: Callable[[Sequence[str]], LookedUp]) -> None:
        self._look_up = look_up
        self._known: dict[str, Worth] = {}

    def of(self, queries: Sequence[Mapping[str, float]]) -> list[list[Worth]]:
        """The worth of each query's terms, in their order; those that are new are looked up together."""
        known = self._known
        try:
            return [[known[term] for term in query] for query in queries]
        except KeyError:
            pass
        new = [
            term for term in dict.fromkeys(term for query in queries for term in query) if term not in known
        ]
        found = self._look_up(new)
        numbers = zip(*found.numbers.tolist(), strict=True) if len(found.numbers) else [()] * len(new)
        fresh = dict(
            zip(
                new,
                map(Worth, found.frequencies.tolist(), found.idf.tolist(), numbers),
                strict=True,
            )
        )
        if len(known) + len(fresh) > _MOST:
            self._known = dict(fresh)  # another thread may be reading the former ones
        else:
            known.update(fresh)
        return [[fresh.get(term) or known[term] for term in query] for query in queries]


def arrays_of(
    worth: Sequence[Sequence[Worth]], counts: Sequence[Mapping[str, float]], segments: int
) -> Iterator[tuple[IntArray, FloatArray, IntArray]]:
    """Document frequencies (Q,), weights (Q,) (idf × count) and numbers (S,Q) of each query's terms.

    They are parts of arrays that are made once for all queries.
    """
    every = list(chain.from_iterable(worth))
    times = list(chain.from_iterable(query.values() for query in counts))
    frequencies = np.array([term.frequency for term in every], np.int64)
    weights = np.array([term.idf for term in every]) * np.array(times, np.float64)
    numbers = np.array([term.numbers for term in every], np.int64).reshape(len(every), segments)
    by_segment = np.ascontiguousarray(numbers.T)
    start = 0
    for query in worth:
        part = slice(start, start + len(query))
        start = part.stop
        yield frequencies[part], weights[part], by_segment[:, part]

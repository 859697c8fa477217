"""Folds that share no document: a head is judged on queries whose documents no training pair has shown it.

Queries that judge the same document belong together, and so on along the chain, so a fold is a set of connected
components of the query–document graph. Cutting queries alone flatters a head: on SciFact more than half of the test
queries' documents are also some training query's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from retrieve.errors import InputError, UsageError


class Fold(NamedTuple):
    """Held-out queries and every document that they judge, at whatever grade."""

    queries: tuple[str, ...]
    documents: frozenset[str]


def components(qrels: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    """The queries (query id → document id → grade) by connected component, each sorted, largest component first.

    A query without a judged document is a component of its own.
    """
    parent = {query: query for query in qrels}

    def root(query: str) -> str:
        while parent[query] != query:
            parent[query] = parent[parent[query]]
            query = parent[query]
        return query

    first_to_judge: dict[str, str] = {}
    for query, grades in qrels.items():
        for document in grades:
            parent[root(query)] = root(first_to_judge.setdefault(document, query))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for query in sorted(qrels):
        groups[root(query)].append(query)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def make_folds(qrels: Mapping[str, Mapping[str, int]], count: int, *, seed: int) -> list[Fold]:
    """`count` folds of whole components, as equal in queries as the components allow; the same for the same seed.

    Components of one size are dealt out in an order of the seed, the largest first, each to the fold with the fewest
    queries. Raises `UsageError` for fewer than two folds, `InputError` where there are fewer components than folds.
    """
    if count < 2:
        raise UsageError(f"{count} folds leave nothing to train on or to judge by: wanted at least 2")
    groups = components(qrels)
    if len(groups) < count:
        raise InputError(
            "",
            f"{count} folds were asked for, and the {len(qrels)} judged queries hang together by their documents in "
            f"{len(groups)} groups: ask for fewer folds, or judge more queries",
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    dealt: list[list[str]] = [[] for _ in range(count)]
    for place in sorted(
        order, key=lambda place: -len(groups[place])
    ):  # stable: the seed's order within a size
        min(dealt, key=len).extend(groups[place])
    return [Fold(tuple(sorted(queries)), judged(qrels, queries)) for queries in dealt]


def judged(qrels: Mapping[str, Mapping[str, int]], queries: Iterable[str]) -> frozenset[str]:
    """Every document that one of the queries judges."""
    return frozenset(document for query in queries for document in qrels[query])

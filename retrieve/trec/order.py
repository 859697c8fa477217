"""The order of a ranking: ours, trec_eval's, and the strictly decreasing scores under which the two agree.

Everything here is about ties. Measures differ in the third digit when two readers of one run break its ties
differently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from retrieve.errors import InputError

Run = dict[str, dict[str, float]]
"""Query id → document id → score."""

Qrels = dict[str, dict[str, int]]
"""Query id → document id → grade."""

Key = TypeVar("Key", str, int)

_LARGEST = float(np.finfo(np.float32).max)
_SIGN = 0x80000000


def ordered(scores: Mapping[Key, float]) -> list[tuple[Key, float]]:
    """Our order: by score, highest first; ties by key, ascending."""
    ranking = sorted(scores.items())
    ranking.sort(key=itemgetter(1), reverse=True)  # stable: equal scores stay in the order of their keys
    return ranking


def trec_eval_order(scores: Mapping[str, float]) -> list[str]:
    """trec_eval's order: by score in single precision, highest first; ties by document id, descending."""
    documents = sorted(scores, reverse=True)
    with np.errstate(over="ignore"):  # beyond float32 all scores tie at infinity, there as here
        single = np.array([scores[document] for document in documents], dtype=np.float64).astype(np.float32)
    return [documents[place] for place in np.argsort(-single, kind="stable").tolist()]


def as_run(rankings: Iterable[tuple[str, Sequence[tuple[str, float]]]]) -> Run:
    """Rankings in our order as a run with strictly decreasing scores: what a written run ranks when it is read.

    Rankings of ours must be measured in this form; with plain scores their ties would go by trec_eval's order.
    """
    run: Run = {}
    for query_id, ranking in rankings:
        if query_id in run:
            raise InputError(f"query {query_id!r}", "ranked twice in one run: rank it once")
        scores = strict_scores(query_id, ranking).tolist()
        run[query_id] = {document_id: score for (document_id, _), score in zip(ranking, scores, strict=True)}
    return run


def strict_scores(query_id: str, ranking: Sequence[tuple[str, float]]) -> npt.NDArray[np.float32]:
    """Strictly decreasing scores (K,) for a ranking in our order; `InputError` for one that cannot be a ranking."""
    where = f"query {query_id!r}"
    if len({document_id for document_id, _ in ranking}) < len(ranking):
        twice = next(document_id for document_id, n in Counter(map(itemgetter(0), ranking)).items() if n > 1)
        raise InputError(where, f"document {twice!r} is ranked twice: rank it once")
    scores = np.array([score for _, score in ranking], dtype=np.float64)
    if not np.isfinite(scores).all():
        raise InputError(
            where, f"score {scores[~np.isfinite(scores)][0]} cannot be ranked, wanted finite numbers"
        )
    if (scores[1:] > scores[:-1]).any():
        raise InputError(where, "the ranking is not in order of its scores: sort it, highest first")
    return _strictly_decreasing(scores)


def _strictly_decreasing(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Scores (K,) in falling order → float32 (K,), strictly falling, each as near its score as the ones
    before allow.

    Floats of one sign are ordered as their bits are, so "one step down" is "one less" on integers: a
    running minimum.
    """
    steps = np.arange(len(scores), dtype=np.int64)
    bits = np.clip(scores, -_LARGEST, _LARGEST).astype(np.float32).view(np.uint32).astype(np.int64)
    keys = np.where(bits < _SIGN, bits, _SIGN - bits)  # both zeros become key 0
    keys = np.minimum.accumulate(keys + steps) - steps
    lowest = -int(np.float32(_LARGEST).view(np.uint32))
    keys = np.maximum(keys, lowest + steps[::-1])  # ties at the lowest finite number make room upwards
    return np.where(keys >= 0, keys, _SIGN - keys).astype(np.uint32).view(np.float32)

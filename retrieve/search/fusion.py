"""Several views' pools made one, in arrays: by document or passage number, never hit by hit in Python.

The numbers are those of `measures.fuse`, which fuses rankings whose keys are ids; ranks are the pools' own order, in
which ties went by document id.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from retrieve.errors import InputError
from retrieve.measures.fuse import Standard
from retrieve.recipe import FusionMethod
from retrieve.search.pool import FloatArray, Pool
from retrieve.store.segment import IntArray

RRF_CONSTANT = 60


def fuse_pools(
    pools: Sequence[Pool], weights: Sequence[float], fusion: FusionMethod
) -> tuple[IntArray, FloatArray]:
    """Every key of any pool (U,) int64, rising, with its fused score (U,) float64; weights are above 0.

    Raises `InputError` for scores too far apart to be brought to 0 … 1.
    """
    keys = np.unique(np.concatenate([pool.keys for pool in pools]))
    fused = np.zeros(len(keys))
    total = sum(weights)
    for pool, weight in zip(pools, weights, strict=True):
        if not len(pool.keys):
            continue
        at = np.searchsorted(keys, pool.keys)
        if fusion == "convex":
            fused[at] += weight / total * _in_range(pool.scores)
        elif fusion == "z":
            standard = _standard(pool.scores)
            of_all = np.full(len(keys), standard.least)
            of_all[at] = standard.values
            fused += weight / total * of_all
        else:
            fused[at] += weight / (RRF_CONSTANT + np.arange(1, len(at) + 1))
    return keys, fused


def _in_range(scores: FloatArray) -> FloatArray:
    """A pool's scores, best first, at their places between its lowest (0) and its highest (1)."""
    low, span = _range(scores)
    return (scores - low) / span if span else np.ones(len(scores))


def _standard(scores: FloatArray) -> Standard:
    """A pool's scores, best first, brought to mean 0 and deviation 1."""
    low, span = _range(scores)
    return Standard.of((scores - low) / (span or 1.0))


def _range(scores: FloatArray) -> tuple[float, float]:
    """The lowest of a pool's scores, best first, and how far the highest is above it."""
    high, low = float(scores[0]), float(scores[-1])
    span = high - low
    if not math.isfinite(span):
        raise InputError("", f"scores from {low} to {high} are too far apart to be normalised")
    return low, span


def fuse_passages(
    tops: Sequence[Pool], scores: Sequence[FloatArray], weights: Sequence[float], fusion: FusionMethod
) -> FloatArray:
    """The views' scores of passages (one array a view, aligned) → one score a passage, whatever k is.

    One view: its score. Otherwise a passage stands where a document with that score would stand in the view's pool
    (`tops`, by best passages), so that one which carries its document in every view has the document's score; below
    the pool it gets what a document gets that is not in it.
    """
    if len(scores) == 1:
        return scores[0]
    share = 1.0 if fusion == "rrf" else sum(weights)
    place = {"convex": _place_in_range, "z": _standard_place, "rrf": _reciprocal_rank}[fusion]
    total = np.zeros(len(scores[0]))
    for weight, top, values in zip(weights, tops, scores, strict=True):
        if len(top.scores):
            total += weight / share * place(top.scores, values)
    return total


def _place_in_range(top: FloatArray, values: FloatArray) -> FloatArray:
    high, low = top[0], top[-1]
    if high == low:
        return np.asarray(values >= high, dtype=np.float64)
    return np.asarray(((values - low) / (high - low)).clip(min=0), dtype=np.float64)


def _standard_place(top: FloatArray, values: FloatArray) -> FloatArray:
    (low, span), standard = _range(top), _standard(top)
    if not span:
        return np.zeros(len(values))
    places = ((values - low) / span - standard.mean) / standard.deviation
    return np.asarray(places.clip(min=standard.least), dtype=np.float64)


def _reciprocal_rank(top: FloatArray, values: FloatArray) -> FloatArray:
    better = np.searchsorted(-top, -values)
    return np.where(better < len(top), 1.0 / (RRF_CONSTANT + 1 + better), 0.0)

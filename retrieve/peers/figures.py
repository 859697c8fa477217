"""What is said of an entrant: quality, speed, memory and bytes, and all of it as ratios to ours."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retrieve.peers.process import Round

RESOURCES = (
    "index_seconds",
    "queries_per_second",
    "p50_ms",
    "p99_ms",
    "processor_ms",
    "peak_memory_mib",
    "bytes_per_document",
)
"""Beside the measures, in the order in which they are printed; `processor_ms` is processor time a query."""


def figures(
    measures: Mapping[str, float],
    rounds: Sequence[Round],
    *,
    index_seconds: float,
    peak_memory: int,
    stored: int | None,
    documents: int,
) -> dict[str, Any]:
    """Medians over rounds; latencies are over all queries of all rounds. `stored` bytes become those of a document."""
    rates = [len(each.seconds) / sum(each.seconds) for each in rounds]
    milliseconds = 1000 * np.array([each.seconds for each in rounds]).ravel()
    return {
        **measures,
        "index_seconds": round(index_seconds, 3),
        "queries_per_second": round(statistics.median(rates), 1),
        "queries_per_second_by_round": [round(rate, 1) for rate in rates],
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 3),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 3),
        "processor_ms": round(
            1000 * statistics.median(each.processor_seconds / len(each.seconds) for each in rounds), 3
        ),
        "peak_memory_mib": round(peak_memory / 2**20, 1),
        "bytes_per_document": None if stored is None else round(stored / documents, 1),
    }


def ratios(
    peer: Mapping[str, Any], ours: Mapping[str, Any], measures: Sequence[str]
) -> dict[str, float | None]:
    """Each figure of a peer by that of ours; None where either has none, or ours is 0."""
    found: dict[str, float | None] = {}
    for name in (*measures, *RESOURCES):
        mine, theirs = ours[name], peer[name]
        found[name] = None if theirs is None or not mine else round(theirs / mine, 3)
    return found

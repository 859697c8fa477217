"""What benchmarks share: processor time of pieces of work in turn, and how figures of several rounds are told."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor, all threads of this process together."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, round by round; one round before the first warms up."""
    for work in ways.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            taken[name].append(timed(work))
    return taken


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """How many times `to` each of `of` is, round by round."""
    return [one / other for one, other in zip(of, to, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": round(statistics.median(values), digits),
        "least": round(min(values), digits),
        "most": round(max(values), digits),
    }

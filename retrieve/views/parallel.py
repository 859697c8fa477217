"""A group of queries, or the rows of a large matrix, over the processor's cores: compiled code lets go of the
interpreter's lock while it scores.

A small query stays in the caller's thread. Callers that come at the same time share the cores for a large one, so that
a server with threads of its own does not get many more of them than there are cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import chain, pairwise
from typing import TypeVar

from retrieve.fork_safety import ForkSafeLock

Result = TypeVar("Result")


def in_parts(count: int, work: Callable[[slice], list[Result]]) -> list[Result]:
    """What `work` gives for `count` queries in order, a part of them to each core."""
    return _in_parts(min(cores(), count) if count > 1 else 1, count, work)


def over_free_cores(count: int, work: Callable[[slice], list[Result]], *, least: int) -> list[Result]:
    """The same in parts of at least `least`, over the caller's share of the cores; in its own thread if that is one."""
    with _callers.another() as callers:
        return _in_parts(min(cores() // callers, count // least), count, work)


def _in_parts(parts: int, count: int, work: Callable[[slice], list[Result]]) -> list[Result]:
    if parts <= 1:
        return work(slice(0, count))
    bounds = [count * part // parts for part in range(parts + 1)]
    first, *others = (slice(*bound) for bound in pairwise(bounds))
    running = [_pool().submit(work, part) for part in others]
    return list(chain(work(first), *(future.result() for future in running)))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Callers:
    """How many threads are in `over_free_cores`."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._number = 0

    @contextmanager
    def another(self) -> Iterator[int]:
        """Count the caller in, and say how many there are with it."""
        with self._lock:
            self._number += 1
            number = self._number
        try:
            yield number
        finally:
            with self._lock:
                self._number -= 1

    def forget(self) -> None:
        """Those of the parent are not in a forked process."""
        self._number = 0


_callers = _Callers()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="retrieve")


# A forked process has none of its parent's threads: what it asked of them would never come.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
    os.register_at_fork(after_in_child=_callers.forget)

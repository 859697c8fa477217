"""A group of queries over the processor's cores: compiled code lets go of the interpreter's lock while it scores.

One query stays in the caller's thread, so a server with threads of its own gets no more of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain, pairwise
from typing import TypeVar

Result = TypeVar("Result")


def in_parts(count: int, work: Callable[[slice], list[Result]]) -> list[Result]:
    """What `work` gives for `count` queries in order, a part of them to each core."""
    parts = min(cores(), count)
    if parts <= 1:
        return work(slice(0, count))
    bounds = [count * part // parts for part in range(parts + 1)]
    first, *others = (slice(*bound) for bound in pairwise(bounds))
    running = [_pool().submit(work, part) for part in others]
    return list(chain(work(first), *(future.result() for future in running)))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="retrieve")


# A forked process has none of its parent's threads: what it asked of them would never come.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)

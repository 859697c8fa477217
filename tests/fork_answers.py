"""Searches indexes, forks, and searches on in all: a program of its own, as a test process is not to be copied.

`python fork_answers.py MODULES INDEX OPTIONS …`: MODULES are loaded first, and what they made stays out of each child's
last collection, which would take most of its time. OPTIONS are a JSON list of mappings, each the options of a search.
Exit status 0 if a child, its child and the parent give the parent's first answers, and all end by themselves. Who makes
no progress is killed after a while: a busy machine is no fault.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUERIES = ("wing flow", "law of the court", "heat and pressure of a boundary layer", "protein")
PATIENCE = 20.0  # seconds without using the processor

Answers = list[list[tuple[str, float]]]


def answers(index: Any, options: list[dict[str, Any]]) -> Answers:
    """Ids and scores, rounded: a sum over several threads may differ in its last bits from one over one."""
    found = [index.search(query, 5, **each) for each in options for query in QUERIES]
    found += [hits for each in options for hits in index.search_many([*QUERIES, *QUERIES], 5, **each)]
    return [[(hit.doc_id, round(hit.score, 3)) for hit in hits] for hits in found]


def ended(child: int) -> int | None:
    """The exit status of a child; None if it had to be killed."""
    used, since = processor_time(child), time.monotonic()
    while True:
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
        now = processor_time(child)
        if now > used + 1:
            used, since = now, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None


def processor_time(process: int) -> int:
    """In ticks."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def in_child(work: Callable[[], bool]) -> int | None:
    """How a child ends that does some work, checks it, and ends as programs do: by taking everything apart."""
    child = os.fork()
    if child == 0:
        sys.exit(0 if work() else 3)
    return ended(child)


def main() -> None:
    from retrieve import Index

    for name in sys.argv[1].split():
        importlib.import_module(name)
    gc.freeze()
    statuses = {
        path: family_of(Index.open(path), json.loads(options))
        for path, options in zip(sys.argv[2::2], sys.argv[3::2], strict=True)
    }
    print(statuses)
    sys.exit(any(status != 0 for each in statuses.values() for status in each))


def family_of(index: Any, options: list[dict[str, Any]]) -> list[int | None]:
    """How a child, one that is forked beside a thread that searches, and the parent end."""
    first = answers(index, options)
    assert any(first)
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            if answers(index, options) != first:
                os._exit(4)

    def family() -> bool:
        same = answers(index, options) == first
        return same and in_child(lambda: answers(index, options) == first) == 0

    statuses = [in_child(family)]
    beside = threading.Thread(target=go_on)
    beside.start()  # and now forks in the middle of its searches
    time.sleep(0.01)
    statuses.append(in_child(lambda: answers(index, options) == first))
    stop.set()
    beside.join()
    return [*statuses, 0 if answers(index, options) == first else 5]


if __name__ == "__main__":
    main()

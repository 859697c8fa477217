"""An entrant in a process of its own: one processor, one thread, nobody else's memory or thread pools.

The process is started anew (spawn), so that neither modules nor memory of this one are in it, and does what it is told
through a pipe. It ends with its `close`, or with the process that started it.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from retrieve.errors import RetrieveError
from retrieve.types import Query

if TYPE_CHECKING:
    from retrieve.peers.entrant import Entrant, Ranking

_POOLS = ("OMP", "MKL", "OPENBLAS", "NUMBA", "RAYON")
# Read when the libraries load.
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in _POOLS} | {"TOKENIZERS_PARALLELISM": "false"}
_PATIENCE = 2  # seconds that a process has to end by itself
_STATUS = Path("/proc/self/status")


class Round(NamedTuple):
    """One pass over the queries: seconds of each, processor seconds of all, and their rankings if asked for."""

    seconds: list[float]
    processor_seconds: float
    rankings: list[tuple[str, Ranking]]


class EntrantProcess:
    """`make` and its arguments are pickled, and make the entrant there. Every call raises what went wrong there."""

    def __init__(self, name: str, log: Path | None, make: Callable[..., Entrant], *arguments: Any) -> None:
        """`log`: where what the process prints goes; None: to standard error."""
        self.name = name
        self._log = log
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, log, make, arguments), daemon=True)
        with _environment(_ONE_THREAD):
            self._process.start()
        other.close()

    def build(self) -> float:
        """Warm up, then index; returns seconds."""
        seconds: float = self._told("build")
        return seconds

    def ask(self, queries: Sequence[Query], view: str | None, *, keep: bool) -> Round:
        """Rank for each query in turn. Rankings come over while the clock stands still, and are not held there."""
        self._send(("ask", queries, view, keep))
        rankings = [(query.id, self._received()) for query in queries] if keep else []
        seconds, processor = self._received()
        return Round(seconds, processor, rankings)

    def finish(self) -> dict[str, Any]:
        """What the entrant says of itself, and `peak_memory`: most bytes in memory, those of mapped files included."""
        said: dict[str, Any] = self._told("finish")
        return said

    def close(self) -> None:
        """End the process: it notices, or is ended."""
        self._pipe.close()
        self._process.join(_PATIENCE)
        self._process.terminate()
        self._process.join()

    def _told(self, *order: Any) -> Any:
        self._send(order)
        return self._received()

    def _send(self, order: tuple[Any, ...]) -> None:
        try:
            self._pipe.send(order)
        except OSError:
            self._died()

    def _received(self) -> Any:
        try:
            good, value = self._pipe.recv()
        except (EOFError, OSError):
            self._died()
        if not good:
            raise RetrieveError(f"{self.name} failed: {value}")
        return value

    def _died(self) -> NoReturn:
        self._process.join()
        printed = self._log.read_text(encoding="utf-8", errors="replace").strip() if self._log else ""
        last = f": {printed.splitlines()[-1]}" if printed else ""
        raise RetrieveError(
            f"{self.name} failed: its process ended with status {self._process.exitcode}{last}"
        )


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Variables that a process started meanwhile has."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# -- in the process of an entrant ----------------------------------------------------------------------------------


def _serve(
    pipe: Connection, log: Path | None, make: Callable[..., Entrant], arguments: tuple[Any, ...]
) -> None:
    """Do what comes through the pipe until it is closed."""
    _print_to(log)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one gets it too, and ends it
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        entrant = make(*arguments)
        while True:
            order, *rest = pipe.recv()
            if order == "build":
                entrant.warm_up()
                pipe.send((True, entrant.build()))
            elif order == "ask":
                _ask(pipe, entrant, *rest)
            else:
                peak = _peak_memory()  # before it saves anything
                pipe.send((True, {**entrant.describe(), "peak_memory": peak}))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - a stranger's package may raise anything; the other process says it
        pipe.send((False, f"{type(error).__name__}: {error}"))


def _print_to(log: Path | None) -> None:
    """Standard output is the product's, and some packages talk there, from below Python too."""
    if log is not None:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 2)
        os.close(file)
    os.dup2(2, 1)


def _ask(pipe: Connection, entrant: Entrant, queries: Sequence[Query], view: str | None, keep: bool) -> None:
    seconds = []
    processor = 0.0
    for query in queries:
        start, spent = time.perf_counter(), time.process_time()
        ranking = entrant.rank(query, view)
        seconds.append(time.perf_counter() - start)
        processor += time.process_time() - spent
        if keep:
            pipe.send((True, ranking))
    pipe.send((True, (seconds, processor)))


def _peak_memory() -> int:
    """Bytes. Where there is no /proc, as the system counts them, which may include what started this process."""
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

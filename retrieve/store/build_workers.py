"""Several processes that build segments side by side, while the writer goes on cutting documents.

A batch goes to a process whole and comes back as a sealed folder, so that no byte of an index depends on how many
processes there are; the results are taken in the order of the source. Processes are started anew (spawn), as neither
CUDA nor the threads of torch survive a fork, and none outlives the writer that started it.
"""

from __future__ import annotations

import logging
import logging.handlers
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from retrieve.errors import IndexLocked, RetrieveError
from retrieve.files import ReaderLock, has_readers
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.document_rows import Row
from retrieve.store.manifest import SegmentEntry, Trained
from retrieve.store.segment_builder import SegmentBuilder

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

_LOCK = "readers/workers"
_PATIENCE = (
    10.0  # seconds that the processes of a killed writer have to notice it, twice what others have to end
)

_log = logging.getLogger("retrieve")


class _Built(NamedTuple):
    """What a process gives back: `encodings` are the passages it encoded, and took from the cache, for this one."""

    entry: SegmentEntry
    encodings: tuple[int, int]
    remarks: list[logging.LogRecord]


class _UnderWay(NamedTuple):
    ids: frozenset[str]
    name: str
    position: int
    encoding: int
    result: Future[_Built]


class Finished(NamedTuple):
    """A segment that is sealed. `position` is its batch's; `encoded`: passages of it that went to the encoder."""

    entry: SegmentEntry
    position: int
    encoded: int


class BuildWorkers:
    """Processes for `workers` batches at a time, started with the first batch. Belongs to one writer.

    The passage encoder is pickled for each process, and so are the batches.
    """

    def __init__(self, folder: Path, passage_encoder: PassageEncoder, workers: int) -> None:
        self.workers = workers
        self.encodings = 0, 0
        self._folder = folder
        self._passage_encoder = passage_encoder
        self._under_way: deque[_UnderWay] = deque()
        self._pool: ProcessPoolExecutor | None = None
        self._stop: Event | None = None

    @property
    def names(self) -> set[str]:
        """Segments under way."""
        return {item.name for item in self._under_way}

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._under_way)

    @property
    def full(self) -> bool:
        """Whether as many batches are under way as may be."""
        return len(self._under_way) >= self.workers

    def holds(self, ids: Iterable[str]) -> bool:
        """Whether any of these documents is in a batch under way."""
        return any(not item.ids.isdisjoint(ids) for item in self._under_way)

    def begin(self, name: str, rows: Sequence[Row], trained: Sequence[Trained], position: int) -> None:
        """Have a segment built of rows in id order, by whatever was learned already."""
        if self._pool is None:
            self._pool = self._start()
        # A pool that breaks while it is about to start a process hands it pipes that are closed already.
        with _alive(OSError, ValueError):
            result = self._pool.submit(_build, name, rows, trained)
        ids = frozenset(row.document.id for row in rows)
        encoding = sum(len(row.spans) for row in rows if not row.encoded)
        self._under_way.append(_UnderWay(ids, name, position, encoding, result))

    def next(self) -> Finished:
        """Wait for the batch that was begun first. What went wrong with it is raised here, as it was raised there."""
        item = self._under_way.popleft()
        with _alive():
            built = item.result.result()
        for remark in built.remarks:
            _log.handle(remark)
        self.encodings = self.encodings[0] + built.encodings[0], self.encodings[1] + built.encodings[1]
        return Finished(built.entry, item.position, item.encoding)

    def close(self) -> None:
        """Let what is under way go, and wait until no process is left."""
        self._under_way.clear()
        if self._pool is None or self._stop is None:
            return
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None
        has_readers(self._folder / _LOCK)  # removes the file, which nobody holds any more

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        devices: SimpleQueue[str | None] = context.SimpleQueue()
        known = _devices(self._passage_encoder.models.exist)
        for number in range(self.workers):
            devices.put(known[number % len(known)] if known else None)
        level = _log.getEffectiveLevel()
        return ProcessPoolExecutor(
            self.workers,
            mp_context=context,
            initializer=_begin_work,
            initargs=(self._folder, self._passage_encoder, self._stop, devices, level),
        )


def wait_for_orphans(folder: Path) -> None:
    """Wait for the processes of a writer that was killed: they end as soon as they notice. For the lock's holder.

    Raises `IndexLocked` if they are still there after ten seconds.
    """
    deadline = time.monotonic() + _PATIENCE
    while has_readers(folder / _LOCK):
        if time.monotonic() > deadline:
            raise IndexLocked(
                f"{folder}: processes of a writer that was killed are still at work there: "
                "end them, or wait until they are gone, and try again"
            )
        time.sleep(0.01)


@contextmanager
def _alive(*also: type[Exception]) -> Iterator[None]:
    """A pool whose process has died, also where it shows as one of these errors, is our error that says so."""
    kinds: tuple[type[Exception], ...] = (BrokenProcessPool, *also)
    try:
        yield
    except kinds as error:
        raise RetrieveError(
            "a process that was to build a segment has died (memory ran out, it was killed, or a script that uses "
            "workers does its work outside of `if __name__ == '__main__':`): nothing was committed; "
            "repeat the work, with fewer workers if memory was short: it goes on from the finished segments"
        ) from error


def _devices(wanted: bool) -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not wanted:
        return []
    if visible is not None:
        return [name for name in visible.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


# -- in a process of the workers -----------------------------------------------------------------------------------


class _Stopped(Exception):
    """The writer has no use for the segment any more."""


class _Bench(NamedTuple):
    """What a process keeps from one batch to the next. `lock` tells the next writer that it is still there."""

    builder: SegmentBuilder
    passage_encoder: PassageEncoder
    folder: Path
    stop: Event
    remarks: queue.SimpleQueue[logging.LogRecord]
    lock: ReaderLock


_bench: _Bench | None = None


def _begin_work(
    folder: Path,
    passage_encoder: PassageEncoder,
    stop: Event,
    devices: SimpleQueue[str | None],
    level: int,
) -> None:
    """Run once in each process, before torch is imported. Nothing may fail here: no error could be handed over."""
    global _bench  # noqa: PLW0603 - an executor has no other place for what a process keeps
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the writer gets it too, and says when to stop
    lock = ReaderLock.take(folder / _LOCK)
    parent = multiprocessing.parent_process()
    assert parent is not None
    # The lock is taken first: a writer that finds it free may be sure that no process builds after this line.
    if not parent.is_alive():
        os._exit(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    threading.Thread(target=_end_after, args=(stop,), daemon=True).start()
    device = devices.get()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    remarks: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    _log.addHandler(logging.handlers.QueueHandler(remarks))
    _log.setLevel(level)
    _log.propagate = False

    def still_wanted(stage: str, done: int, total: int | None) -> None:
        if stop.is_set():
            raise _Stopped

    _bench = _Bench(
        SegmentBuilder(folder, passage_encoder, still_wanted), passage_encoder, folder, stop, remarks, lock
    )


def _end_with(parent: Any) -> None:
    """A process without its writer would write into the folder of the next one."""
    parent.join()
    os._exit(1)


def _end_after(stop: Event, patience: float = _PATIENCE / 2) -> None:
    """A process that was being started while another one died is never told to end: the executor forgets it."""
    # Asked, not waited for: to wake one that was killed while it waited would take for ever.
    while not stop.is_set():
        time.sleep(0.5)
    time.sleep(patience)
    os._exit(1)


def _build(name: str, rows: Sequence[Row], trained: Sequence[Trained]) -> _Built:
    bench = _bench
    assert bench is not None
    if bench.stop.is_set():
        raise _Stopped
    before = bench.passage_encoder.encodings
    entry, learned = bench.builder.build(name, rows, [], [], trained)
    assert learned is None, "what is learned is learned by the writer"
    after = bench.passage_encoder.encodings
    remarks = []
    while not bench.remarks.empty():
        remarks.append(bench.remarks.get())
    return _Built(entry, (after[0] - before[0], after[1] - before[1]), remarks)

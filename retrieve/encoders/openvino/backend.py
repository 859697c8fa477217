"""The OpenVINO back end: converted graphs, pooling in numpy, several batches in flight. It loads no torch.

Each request works on a batch of its own (the throughput hint: a core or more to each), and results are taken in the
order in which batches were given, so nothing depends on which was done first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, filled_shape
from retrieve.encoders.dense.pooling import mean_of_ranges, pool
from retrieve.encoders.folder import ModelFolder, pooling_modes
from retrieve.encoders.openvino.files import HEAD, MODEL
from retrieve.encoders.openvino.telemetry import no_telemetry
from retrieve.fork_safety import ForkSafeLock, inherited, keep_in_children

Taken = TypeVar("Taken")

BATCH_TOKENS = 512
"""Tokens in a batch: from 256 to 2,048 the speed is the same within a twentieth, and the memory is not."""

OFTEN = 32
"""So many full batches of the longest texts are worth the time to make a graph of their own: a second of work, for a
third of one. For its memory, about that of the first graph, they are to be a quarter of all batches too.
"""

# int8 graphs compute in float32 between their int8 products.
_HINTS = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}

# OpenVINO shares its workers among all graphs of a process, and a forked one has none of them: a graph that asks for
# no worker is the only one that surely answers there.
_ALONE = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}


class _Compiled:
    """A graph ready to run, and its idle requests: they are kept, as the memory of each outlives it."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._idle: deque[Any] = deque()

    def request(self) -> Any:
        """A request of the caller's alone, until it gives it back."""
        try:
            return self._idle.pop()
        except IndexError:
            return self.model.create_infer_request()

    def give_back(self, request: Any) -> None:
        """Take a finished request whose results have been read."""
        self._idle.append(request)

    def infer(self, inputs: Any) -> NDArray[np.float32]:
        """The first output, waited for."""
        request = self.request()
        result: NDArray[np.float32] = request.infer(inputs)[0].copy()
        self.give_back(request)
        return result


class _Longest:
    """The graph for full batches of the longest texts, made beside the work once they are many; for many threads."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """`shape` of such a batch."""
        self._shape = shape
        self._made: Future[_Compiled | None] | None = None
        self._batches = self._full = 0
        self._lock = ForkSafeLock()

    def graph(self, batch: Padded, make: Callable[[Padded], _Compiled | None]) -> _Compiled | None:
        """The graph for the batch, if it is one of these and their graph is there; counts it.

        `make` is given the batch that is one too many, and may refuse.
        """
        full = batch.ids.shape == self._shape
        with self._lock:
            self._batches += 1
            self._full += full
            if full and self._made is None and self._full >= max(OFTEN, self._batches / 4):
                maker = ThreadPoolExecutor(1)
                self._made = maker.submit(make, batch)
                maker.shutdown(wait=False)
        return self._made.result() if full and self._made is not None and self._made.done() else None


class OpenVINOEncoder:
    """Runs the graphs in `folder` on the processor. `dimensions` D of its vectors, `width` H of its token states. Safe
    in many threads.

    One made before a fork is not to be used after it; one made in a process that was forked off one that had loaded
    OpenVINO computes in one thread.

    `limit`: the longest text in tokens. Where many are as long, and in int8, their full batches get a graph for that
    length alone, in which attention takes a fifth less time; it is taken only if its numbers are the same to the bit.
    """

    def __init__(self, model: ModelFolder, folder: Path, precision: str, limit: int) -> None:
        with no_telemetry():  # that it is loaded is reported too
            import openvino
        self._core = openvino.Core()
        alone = _ALONE if inherited("openvino") else {}
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "THROUGHPUT",
            **alone,
        }
        # Its end waits for threads that a forked process has not.
        keep_in_children(self)
        self._file = str(folder / MODEL)
        self._any = _Compiled(self._core.compile_model(self._file, "CPU", self._settings))
        self._names = [port.get_any_name() for port in self._any.model.inputs]
        self._modes = pooling_modes(model.modules[0])
        self._head = None
        self.width = int(self._any.model.outputs[0].partial_shape[2].get_length())
        self.dimensions = self.width * len(self._modes)
        if (folder / HEAD).is_file():
            exact = {"INFERENCE_PRECISION_HINT": "f32", **alone}
            self._head = _Compiled(self._core.compile_model(str(folder / HEAD), "CPU", exact))
            self.dimensions = int(self._head.model.outputs[0].partial_shape[1].get_length())
        # One more than are worked on, so that no core waits while a batch is pooled here.
        self._requests = int(self._any.model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
        self.batch_tokens = BATCH_TOKENS
        # Kernels are made by shape, in hundredths of a second, and kept in 2 MB and more, outside of what its own
        # settings bound: a shape for each batch was most of a build's memory.
        self.fills = True
        full = filled_shape(1, limit, limit, BATCH_TOKENS, alone=False)
        self._longest = _Longest(full) if precision == "int8" else None
        self.environment: Mapping[str, str] = {
            "openvino": openvino.__version__.partition("-")[0],
            "processor": str(self._core.get_property("CPU", "FULL_DEVICE_NAME")),
            "threads": str(self._any.model.get_property("INFERENCE_NUM_THREADS")),
        }

    def run(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        """Vectors (B,D) float32 of each batch in order, not yet normalised; those of its `ranges` if it has some."""
        for pooled in self.each(batches, self._pooled):
            yield pooled if self._head is None else self._head.infer({0: pooled})

    def states(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        """The model's last hidden states (B,T,H) float32 of each batch in order; what is at padding means nothing."""
        return self.each(batches, lambda hidden, batch: hidden.copy())

    def each(
        self, batches: Iterable[Padded], take: Callable[[NDArray[np.float32], Padded], Taken]
    ) -> Iterator[Taken]:
        """What `take` takes of the token states (B,T,H) of each batch in order; they are gone when it returns."""
        running: deque[tuple[_Compiled, Any, Padded]] = deque()

        def finished() -> Taken:
            compiled, request, batch = running.popleft()
            request.wait()
            taken = take(request.get_output_tensor(0).data, batch)
            compiled.give_back(request)
            return taken

        for batch in batches:
            if len(running) == self._requests:
                yield finished()
            compiled = (self._longest and self._longest.graph(batch, self._for_length)) or self._any
            request = compiled.request()
            request.start_async(self._inputs(batch))
            running.append((compiled, request, batch))
        while running:
            yield finished()

    def _for_length(self, batch: Padded) -> _Compiled | None:
        """A graph for texts as long as the batch's; None if the batch shows that its numbers are others."""
        import openvino

        graph = self._core.read_model(self._file)
        graph.reshape({name: openvino.PartialShape([-1, batch.ids.shape[1]]) for name in self._names})
        made = _Compiled(self._core.compile_model(graph, "CPU", self._settings))
        same = np.array_equal(self._hidden(made, batch), self._hidden(self._any, batch))
        return made if same else None

    def _hidden(self, compiled: _Compiled, batch: Padded) -> NDArray[np.float32]:
        return compiled.infer(self._inputs(batch))

    def _inputs(self, batch: Padded) -> dict[str, NDArray[np.int64]]:
        named = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
        return {name: named[name] for name in self._names}

    def _pooled(self, hidden: NDArray[np.float32], batch: Padded) -> NDArray[np.float32]:
        if batch.ranges is None:
            return pool(hidden, batch.mask, self._modes)
        return mean_of_ranges(hidden, batch.ranges)

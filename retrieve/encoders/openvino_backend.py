"""The OpenVINO back end: converted graphs, pooling in numpy, several batches in flight. It loads no torch.

Each request works on a batch of its own (the throughput hint: a core or more to each), and results are taken in the
order in which batches were given, so nothing depends on which was done first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded
from retrieve.encoders.folder import ModelFolder, pooling_modes
from retrieve.encoders.graphs import HEAD, MODEL
from retrieve.encoders.pooling import mean_of_ranges, pool

BATCH_TOKENS = 512
"""Tokens in a batch: from 256 to 2,048 the speed is the same within a twentieth, and the memory is not."""

# int8 graphs compute in float32 between their int8 products.
_HINTS = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}


class OpenVINOEncoder:
    """Runs the graphs in `folder` on the processor. `dimensions` D of its vectors. Safe in many threads."""

    def __init__(self, model: ModelFolder, folder: Path, precision: str) -> None:
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "THROUGHPUT",
        }
        self._model = core.compile_model(str(folder / MODEL), "CPU", settings)
        self._names = [port.get_any_name() for port in self._model.inputs]
        self._modes = pooling_modes(model.modules[0])
        self._head = None
        width = int(self._model.outputs[0].partial_shape[2].get_length())
        self.dimensions = width * len(self._modes)
        if (folder / HEAD).is_file():
            self._head = core.compile_model(str(folder / HEAD), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            self.dimensions = int(self._head.outputs[0].partial_shape[1].get_length())
        self._idle: deque[Any] = deque()
        # One more than are worked on, so that no core waits while a batch is pooled here.
        self._requests = int(self._model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
        self.batch_tokens = BATCH_TOKENS
        # Kernels are made by shape, in some tenths of a second, and kept in 5 MB and more, outside of what its own
        # settings bound: a shape for each batch was most of a build's memory.
        self.fills = True
        self.environment: Mapping[str, str] = {
            "openvino": openvino.__version__.partition("-")[0],
            "processor": str(core.get_property("CPU", "FULL_DEVICE_NAME")),
            "threads": str(self._model.get_property("INFERENCE_NUM_THREADS")),
        }

    def run(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        """Vectors (B,D) float32 of each batch in order, not yet normalised; those of its `ranges` if it has some."""
        running: deque[tuple[Any, Padded]] = deque()
        for batch in batches:
            if len(running) == self._requests:
                yield self._finished(running)
            request = self._request()
            request.start_async(self._inputs(batch))
            running.append((request, batch))
        while running:
            yield self._finished(running)

    def _request(self) -> Any:
        """An idle request, of this thread's alone from now on. They are kept, as the memory of each outlives it."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._model.create_infer_request()

    def _inputs(self, batch: Padded) -> dict[str, NDArray[np.int64]]:
        named = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
        return {name: named[name] for name in self._names}

    def _finished(self, running: deque[tuple[Any, Padded]]) -> NDArray[np.float32]:
        request, batch = running.popleft()
        request.wait()
        hidden = request.get_output_tensor(0).data
        if batch.ranges is None:
            vectors = pool(hidden, batch.mask, self._modes)
        else:
            vectors = mean_of_ranges(hidden, batch.ranges)
        self._idle.append(request)
        if self._head is not None:
            # A request of its own: a compiled model called directly has one for all threads.
            vectors = self._head.create_infer_request().infer({0: vectors})[0].copy()
        return vectors

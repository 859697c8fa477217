"""Token-level codes under OpenVINO: the graph that gives a dense encoder its token states, and the compiled head.

A batch is coded beside those that the graph works on, several at once where there are more processors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded
from retrieve.encoders.folder import ModelFolder, Module
from retrieve.encoders.openvino.backend import OpenVINOEncoder
from retrieve.encoders.sparse.token_codes import TokenCodes, real_states
from retrieve.fork_safety import inherited


def pooled_by_mean(model: ModelFolder) -> ModelFolder:
    """The transformer of a token-level model as a dense encoder: its graph is the same, and made once for both."""
    pooling = Module("Pooling", model.root, {"pooling_mode_mean_tokens": True})
    return replace(model, modules=(pooling,))


class SparseOpenVINO:
    """Runs a graph of `pooled_by_mean`, and `head` on what it gives. Safe in many threads."""

    fills = True

    def __init__(self, model: ModelFolder, folder: Path, precision: str, limit: int) -> None:
        """`model` with its head, the graph's `folder`; `limit` as of `OpenVINOEncoder`."""
        self._encoder = OpenVINOEncoder(pooled_by_mean(model), folder, precision, limit)
        self._codes = TokenCodes(model.modules[0], self._encoder.width)
        self.dimensions = self._codes.dimensions
        self.batch_tokens = self._encoder.batch_tokens
        self.environment: Mapping[str, str] = self._encoder.environment
        self._threads = 1 if inherited("openvino") else max(1, int(self.environment["threads"]))

    def run(self, batches: Iterable[Padded], *, task: str) -> Iterator[NDArray[np.float32]]:
        """Codes (B,N) float32 of each batch in order; `task` is "query" or "document"."""
        given = iter(batches)
        first = list(islice(given, 2))
        if len(first) < 2:
            yield from self._encoder.each(first, lambda hidden, batch: self._codes.codes(hidden, batch, task))
            return
        with ThreadPoolExecutor(self._threads) as pool:

            def begin(hidden: NDArray[np.float32], batch: Padded) -> Future[NDArray[np.float32]]:
                return pool.submit(self._codes.codes_of, *real_states(hidden, batch), task)

            running: deque[Future[NDArray[np.float32]]] = deque()
            for future in self._encoder.each(chain(first, given), begin):
                running.append(future)
                if len(running) > self._threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()

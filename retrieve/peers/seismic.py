"""Seismic (Bruch et al. 2024): an approximate index made for learned sparse weights.

What indexes and asks it is shared with `eval/uhd.py`, where it searches binary codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.passages.encoder import PassageEncoder
from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts

Dims = npt.NDArray[np.uint32]
Weights = npt.NDArray[np.float32]

HEAP_FACTOR = 0.8
_TOGETHER = 256


class SeismicIndex:
    """Rows of sparse weights under names, indexed with the package's own settings, by one thread."""

    def __init__(self, rows: Iterable[tuple[str, Dims, Weights]]) -> None:
        import seismic

        self._token = seismic.get_seismic_string()
        dataset = seismic.SeismicDataset()
        for name, dims, weights in rows:
            dataset.add_document(name, dims.astype(self._token), weights)
        self._index: Any = seismic.SeismicIndex.build_from_dataset(dataset, num_threads=1)

    def prepared(self, dims: Dims) -> Any:
        """A query's dimensions as the package takes them."""
        return dims.astype(self._token)

    def search(self, prepared: Any, weights: Weights, k: int) -> list[tuple[str, float]]:
        """Names and scores of the k best: every dimension of the query is looked at."""
        if not len(prepared):
            return []
        found = self._index.search(
            "", prepared, weights, k=k, query_cut=len(prepared), heap_factor=HEAP_FACTOR
        )
        return [(name, float(score)) for _, score, name in found]

    def saved_bytes(self, path: Path) -> int:
        """Bytes of the file that it saves, at a path without suffix."""
        self._index.save(str(path))
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}.*") if file.is_file())


class Seismic(Peer):
    """The very weights that ours has, before their rounding to whole impacts."""

    differences = (
        "approximate: n_postings 3500, heap_factor .8, every dimension of a query",
        "weights in half precision, ours in whole impacts",
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._models = PassageEncoder(task.recipe, cache=False, device=task.device).models

    def build(self, texts: Texts, folder: Path) -> None:
        """Encode and index."""
        self._index = SeismicIndex(self._rows(list(texts)))

    def _rows(self, texts: Sequence[str]) -> Iterable[tuple[str, Dims, Weights]]:
        for first in range(0, len(texts), _TOGETHER):
            found = self._models.sparse_documents.encode_documents(texts[first : first + _TOGETHER])
            for row, (start, end) in enumerate(zip(found.starts[:-1], found.starts[1:], strict=True), first):
                yield str(row), found.dims[start:end], found.weights[start:end]

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """Encode and search."""
        asked = self._models.sparse_queries.encode_queries([query])
        found = self._index.search(self._index.prepared(asked.dims), asked.weights, depth)
        rows = np.array([int(name) for name, _ in found], np.int64)
        scores = np.array([score for _, score in found])
        return rows[scores > 0], scores[scores > 0]

    def stored_bytes(self, folder: Path) -> int | None:
        """Of the file that it saves."""
        folder.mkdir()
        return self._index.saved_bytes(folder / "index")

"""FAISS alone: our encoder's vectors in an index of the recipe's factory, as one would build it by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieve.passages.encoder import PassageEncoder
from retrieve.passages.vectors import truncated_vectors
from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts

FLAT = "Flat"


class Faiss(Peer):
    """Inner products in single precision."""

    differences = (
        "encoder: ours; vectors in single precision, ours as the recipe stores them",
        "ties by row and not by id",
    )

    def __init__(self, task: Task) -> None:
        import faiss

        super().__init__(task)
        faiss.omp_set_num_threads(1)
        self._package: Any = faiss
        self._encoder = PassageEncoder(task.recipe, cache=False, device=task.device).models.documents
        self._factory: str = task.recipe["dense"]["factory"]

    def warm_up(self, texts: Texts, folder: Path) -> None:
        """Flat, since a few texts train nothing."""
        factory, self._factory = self._factory, FLAT
        super().warm_up(texts, folder)
        self._factory = factory

    def build(self, texts: Texts, folder: Path) -> None:
        """Encode, train if the factory wants it, and add."""
        vectors = self._kept(self._encoder.encode_documents(list(texts)).vectors)
        metric = self._package.METRIC_INNER_PRODUCT
        self._index = self._package.index_factory(vectors.shape[1], self._factory, metric)
        if not self._index.is_trained:
            self._index.train(vectors)
        self._index.add(vectors)
        space = self._package.ParameterSpace()
        if "IVF" in self._factory:
            lists = self._package.extract_index_ivf(self._index).nlist
            space.set_index_parameter(self._index, "nprobe", min(self.task.effort("nprobe"), lists))
        elif "HNSW" in self._factory:
            space.set_index_parameter(self._index, "efSearch", self.task.effort("ef_search"))

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """Encode and search."""
        scores, rows = self._index.search(self._kept(self._encoder.encode_queries([query]).vectors), depth)
        found = rows[0] >= 0
        return rows[0][found], scores[0][found]

    def stored_bytes(self, folder: Path) -> int | None:
        """Of the index as FAISS writes it."""
        return len(self._package.serialize_index(self._index))

    def _kept(self, vectors: FloatArray) -> Any:
        section = self.task.recipe["dense"]
        kept = truncated_vectors(vectors, section.get("dimensions"), normalize=section["normalize"])
        return np.ascontiguousarray(kept, np.float32)

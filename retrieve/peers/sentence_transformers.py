"""sentence-transformers alone: its own encoding, and its exact search over a tensor of all vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieve.encoders.load import find_model
from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts


class SentenceTransformers(Peer):
    """`encode_document`, `encode_query` and `util.semantic_search`, in float32 and batches of 32, as they come."""

    differences = (
        "encoder: float32 by torch; ours as the recipe and this machine have it",
        "vectors in single precision; it keeps none on disk: bytes are those of its tensor",
    )

    def __init__(self, task: Task) -> None:
        from sentence_transformers import SentenceTransformer, util

        super().__init__(task)
        section = task.recipe["dense"]
        self._model = SentenceTransformer(
            str(find_model(section["model"])), device=task.device, truncate_dim=section.get("dimensions")
        )
        if section.get("limit") is not None:
            self._model.max_seq_length = section["limit"]
        self._normalize: bool = section["normalize"]
        self._prompts = {
            kind: {} if section.get(key) is None else {"prompt": section[key]}
            for kind, key in (("document", "document_prompt"), ("query", "query_prompt"))
        }
        self._best: Any = util.semantic_search

    def build(self, texts: Texts, folder: Path) -> None:
        """Encode all texts."""
        self._vectors: Any = self._model.encode_document(
            list(texts),
            convert_to_tensor=True,
            normalize_embeddings=self._normalize,
            show_progress_bar=False,
            **self._prompts["document"],
        )

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """Encode, and compare with every vector."""
        asked = self._model.encode_query(
            [query],
            convert_to_tensor=True,
            normalize_embeddings=self._normalize,
            show_progress_bar=False,
            **self._prompts["query"],
        )
        found = self._best(asked, self._vectors, top_k=min(depth, len(self._vectors)))[0]
        rows = np.array([hit["corpus_id"] for hit in found], np.int64)
        return rows, np.array([hit["score"] for hit in found], np.float32)

    def stored_bytes(self, folder: Path) -> int | None:
        """Of the tensor."""
        return int(self._vectors.nbytes)

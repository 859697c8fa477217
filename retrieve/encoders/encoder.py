"""Texts to vectors, whatever runs the model: prompts, limits, batches, checks and rounding are here, once.

The model itself is a back end that is loaded by the first text encoded: an index opens, checks its fingerprint
and cuts passages without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.fingerprint import fingerprint
from retrieve.encoders.folder import ModelFolder
from retrieve.encoders.tokens import IntArray, Tokens
from retrieve.errors import BadVectors

logger = logging.getLogger("retrieve")

FloatArray = NDArray[np.floating[Any]]

# Texts tokenised and sorted by length together: enough that batches have little padding, few enough that
# their tokens take some tens of megabytes, whatever the size of a segment.
CHUNK = 8192


NO_TOKENS = "undefined, as the tokenizer makes nothing of it"


class Encoded(NamedTuple):
    """vectors (B,D) float16 or float32; `tokens` fed, special ones included; `cut` (B,): those the limit cut off."""

    vectors: FloatArray
    tokens: int
    cut: IntArray

    @property
    def truncated_texts(self) -> int:
        """How many texts were cut."""
        return int((self.cut > 0).sum())

    @property
    def truncated_tokens(self) -> int:
        """Tokens cut off all texts."""
        return int(self.cut.sum())


class Backend(Protocol):
    """What runs a model: token batches (B,T) → vectors (B,D) float32, not normalised, from any thread."""

    dimensions: int

    def __call__(self, batch: Padded) -> NDArray[np.float32]: ...


class Encoder:
    """One model with its prompts and limit. Made by `load_encoder`; safe in many threads.

    `limit` is the most tokens a text may have, its `special_tokens` and prompt included; what is beyond is cut and
    counted. Equal inputs give equal vectors: batches depend on the texts of a call alone.
    """

    def __init__(
        self,
        name: str,
        model: ModelFolder,
        tokens: Tokens,
        load_backend: Callable[[], Backend],
        *,
        query_prompt: str,
        document_prompt: str,
        limit: int,
        normalize: bool,
    ) -> None:
        self.name = name
        self.query_prompt = query_prompt
        self.document_prompt = document_prompt
        self.limit = limit
        self.special_tokens = tokens.special
        self.normalize = normalize
        self._model = model
        self._tokens = tokens
        self._load_backend = load_backend
        self._loading = Lock()
        self._backend: Backend | None = None

    @property
    def folder(self) -> Path:
        """Where the model was found."""
        return self._model.root

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that shapes a vector but the prompts: see `fingerprint.py`. Needs no torch."""
        return fingerprint(self._model, normalize=self.normalize, limit=self.limit)

    @property
    def dimensions(self) -> int:
        """D of the vectors. Loads the model."""
        return self._ready().dimensions

    def token_offsets(self, texts: Sequence[str]) -> list[IntArray]:
        """(T,2) start and end characters of each text's tokens: no special tokens, no prompt, nothing cut."""
        return self._tokens.offsets(texts)

    def prompt_tokens(self) -> int:
        """Tokens that the document prompt takes of the limit."""
        return len(self._tokens.offsets([self.document_prompt])[0])

    def encode_documents(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Encoded:
        """Texts with the document prompt → float16 vectors: as they are kept, so cached or not they are the same.

        `progress` is called with the number of texts done so far. Raises `BadVectors` for a text whose vector is
        zero (when normalising), NaN or infinite.
        """
        return self._encode(self.document_prompt, texts, np.dtype(np.float16), progress)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Texts with the query prompt → float32 vectors. Raises as `encode_documents`."""
        return self._encode(self.query_prompt, texts, np.dtype(np.float32), None)

    def _ready(self) -> Backend:
        with self._loading:
            if self._backend is None:
                logger.info("loading encoder %s from %s", self.name, self.folder)
                self._backend = self._load_backend()
            return self._backend

    def _encode(
        self, prompt: str, texts: Sequence[str], dtype: np.dtype[Any], progress: Callable[[int], None] | None
    ) -> Encoded:
        backend = self._ready()
        vectors = np.empty((len(texts), backend.dimensions), dtype)
        cut = np.zeros(len(texts), dtype=np.int64)
        done = tokens = 0
        for start in range(0, len(texts), CHUNK):
            rows = self._tokens.rows([prompt + text for text in texts[start : start + CHUNK]], self.limit)
            _check(
                np.array([[len(row.ids) > 0] for row in rows]), np.arange(start, start + len(rows)), NO_TOKENS
            )
            for batch in batches([len(row.ids) for row in rows]):
                numbers = start + batch
                raw = backend(Padded([rows[row] for row in batch], self._tokens.pad))
                vectors[numbers] = self._finish(raw, numbers, dtype)
                done += len(batch)
                if progress is not None:
                    progress(done)
            tokens += sum(len(row.ids) for row in rows)
            cut[start : start + len(rows)] = [row.cut for row in rows]
        return Encoded(vectors, tokens, cut)

    def _finish(self, vectors: FloatArray, numbers: IntArray, dtype: np.dtype[Any]) -> FloatArray:
        """Vectors (B,D) of the texts `numbers`, normalised if asked, rounded and checked."""
        _check(np.isfinite(vectors), numbers, "NaN or infinite")
        if self.normalize:
            norms: FloatArray = np.linalg.norm(vectors, axis=1, keepdims=True)
            _check(norms > 0, numbers, "zero, so it has no direction")
            vectors = vectors / norms
        with np.errstate(over="ignore"):  # reported by the next line, with the text's number
            rounded = vectors.astype(dtype)
        _check(np.isfinite(rounded), numbers, f"too large for {dtype}: normalize it")
        return rounded


def _check(good: NDArray[np.bool_], numbers: IntArray, what: str) -> None:
    """Raise `BadVectors` naming the first of the texts `numbers` (B,) whose row of `good` (B,D) is not all true."""
    bad = numbers[~good.all(axis=1)]
    if len(bad):
        raise BadVectors(f"the vector of text {bad.min()} (of {len(bad)} in its batch) is {what}")

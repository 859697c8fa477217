"""Texts to dense vectors, whatever runs the model: batches, checks, rounding and the cache are here, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.fingerprint import fingerprint
from retrieve.encoders.folder import ModelFolder, pooling_modes
from retrieve.encoders.head import Head, load_head
from retrieve.encoders.late import Late, keys_of_late, token_ranges
from retrieve.encoders.machine import Runtime
from retrieve.encoders.text_model import TextModel, check_rows, one_ahead
from retrieve.encoders.tokens import IntArray, TokenRow, Tokens
from retrieve.encoders.vector_cache import Found, Space, VectorCache, keys_of
from retrieve.errors import EncoderError

FloatArray = NDArray[np.floating[Any]]


class Encoded(NamedTuple):
    """vectors (B,D) float16 or float32; `tokens` fed, special ones included; `cut` (B,): those the limit cut off.

    `cached`: how many of the vectors came from the cache.
    """

    vectors: FloatArray
    tokens: int
    cut: IntArray
    cached: int = 0

    @property
    def truncated_texts(self) -> int:
        """How many texts were cut."""
        return int((self.cut > 0).sum())

    @property
    def truncated_tokens(self) -> int:
        """Tokens cut off all texts."""
        return int(self.cut.sum())


class Backend(Protocol):
    """What runs a model, from any thread: `run` gives vectors (B,D) float32 of each batch, in order, not normalised.

    `batch_tokens` is the size of batch it works best with; `environment` says on what it computes.
    """

    dimensions: int
    batch_tokens: int
    environment: Mapping[str, str]

    def run(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]: ...


class _Chunk(NamedTuple):
    """Texts from `start` on: their cache keys and what was found, and their tokens unless all were."""

    start: int
    keys: NDArray[np.void] | None
    found: Found | None
    rows: list[TokenRow]


class Encoder(TextModel[Backend]):
    """A model that gives dense vectors. Made by `load_encoder`; safe in many threads.

    Equal inputs give equal vectors: batches depend on the texts of a call alone, and a vector that is in the cache is
    one that such a batch gave.
    """

    def __init__(
        self,
        name: str,
        model: ModelFolder,
        tokens: Tokens,
        load_backend: Callable[[Encoder], Backend],
        *,
        query_prompt: str,
        document_prompt: str,
        limit: int,
        normalize: bool,
        runtime: Runtime,
        cache: Path | None,
    ) -> None:
        """`cache`: the folder of the vector cache; None keeps no vectors."""
        super().__init__(
            name,
            model,
            tokens,
            load_backend,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            limit=limit,
            normalize=normalize,
            runtime=runtime,
        )
        self._cache_root = cache

    @cached_property
    def vector_fingerprint(self) -> str:
        """The fingerprint without the head: of two encoders with the same, the vectors are the same."""
        bare = replace(self._model, winners=None)
        return fingerprint(bare, normalize=self.normalize, limit=self.limit)

    @cached_property
    def head(self) -> Head | None:
        """The head that the folder has for binary codes of these vectors. Needs no torch."""
        return None if self._model.winners is None else load_head(self._model.winners)

    @cached_property
    def cache(self) -> VectorCache | None:
        """The cache of this encoder's passage vectors. Loads the model."""
        if self._cache_root is None:
            return None
        backend, precision = self.runtime
        space = Space(
            self.vector_fingerprint, backend, precision, self.limit, self.dimensions, self.calibration
        )
        return VectorCache.open(self._cache_root, space)

    def _count(self, result: Encoded) -> Encoded:
        self._counted(len(result.vectors) - result.cached, result.cached)
        return result

    def encode_documents(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> Encoded:
        """Texts with the document prompt → float16 vectors: as they are kept, so cached or not they are the same.

        `progress` is called with the numbers of texts and of tokens done so far. Raises `BadVectors` for a text whose
        vector is zero (when normalising), NaN or infinite.
        """
        fed = [self.document_prompt + text for text in texts]
        self._ready()
        return self._count(self._encode(fed, np.dtype(np.float16), progress, self.cache))

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Texts with the query prompt → float32 vectors. Raises as `encode_documents`."""
        return self._encode([self.query_prompt + text for text in texts], np.dtype(np.float32), None, None)

    def encode_late(
        self, windows: Sequence[Late], *, progress: Callable[[int, int], None] | None = None
    ) -> Encoded:
        """Vectors of spans as means of their tokens in a longer window (late chunking, Günther et al. 2024).

        Each window is text that fits the limit, with its spans (S,2) in characters; the result has float16 vectors
        of all spans in order. What exceeds the limit is cut and counted. Raises `EncoderError` for a model that does
        not pool by means.
        """
        self.check_late()
        prompted = [window._replace(prompt=self.document_prompt) for window in windows]
        return self._count(self._late(prompted, progress))

    def check_late(self) -> None:
        """Raise `EncoderError` if late chunking cannot be had of this model."""
        if pooling_modes(self._model.modules[0]) != ("mean",):
            raise EncoderError(f"{self.folder} does not pool by means: late chunking is not offered for it")

    def _encode(
        self,
        fed: Sequence[str],
        dtype: np.dtype[Any],
        progress: Callable[[int, int], None] | None,
        cache: VectorCache | None,
    ) -> Encoded:
        backend = self._ready()
        vectors = np.empty((len(fed), backend.dimensions), dtype)
        cut = np.zeros(len(fed), dtype=np.int64)
        tokens = cached = done = fed_so_far = 0
        # Each chunk is looked up and tokenised while the model works on the one before.
        for chunk in one_ahead(len(fed), lambda chunk: self._chunk(fed, chunk, cache)):
            hit = np.zeros(len(chunk.rows), dtype=np.bool_) if chunk.found is None else chunk.found.hit
            here = slice(chunk.start, chunk.start + len(hit))
            fed_tokens = np.array([len(row.ids) for row in chunk.rows], dtype=np.int64)
            cut[here] = [row.cut for row in chunk.rows] if chunk.rows else chunk.found.cut  # type: ignore[union-attr]
            # All texts decide the batches, also those that need none: a vector is the same whatever was cached.
            todo = [batch for batch in batches(fed_tokens, backend.batch_tokens) if not hit[batch].all()]
            padded = (Padded([chunk.rows[row] for row in batch], self._tokens.pad) for batch in todo)
            spared = len(hit) - sum(len(batch) for batch in todo)
            done += spared
            if spared and progress is not None:
                progress(done, fed_so_far)
            for batch, raw in zip(todo, backend.run(padded), strict=True):
                numbers = chunk.start + batch
                vectors[numbers] = self._finish(raw, numbers, dtype)
                done += len(batch)
                fed_so_far += int(fed_tokens[batch].sum())
                if progress is not None:
                    progress(done, fed_so_far)
            tokens += int(fed_tokens.sum() if chunk.found is None or chunk.rows else chunk.found.tokens.sum())
            if cache is not None and chunk.found is not None and chunk.keys is not None:
                vectors[here][hit] = chunk.found.vectors[hit]
                cached += int(hit.sum())
                if chunk.rows:
                    new = ~hit
                    cache.add(chunk.keys[new], vectors[here][new], fed_tokens[new], cut[here][new])
        return Encoded(vectors, tokens, cut, cached)

    def _chunk(self, fed: Sequence[str], chunk: slice, cache: VectorCache | None) -> _Chunk:
        texts = fed[chunk]
        keys = found = None
        if cache is not None:
            keys = keys_of(texts)
            found = cache.find(keys)
            if found.hit.all():
                return _Chunk(chunk.start, keys, found, [])
        return _Chunk(chunk.start, keys, found, self._filled_rows(texts, chunk.start))

    def _late(self, windows: Sequence[Late], progress: Callable[[int, int], None] | None) -> Encoded:
        backend = self._ready()
        firsts = np.cumsum([0, *(len(window.spans) for window in windows)])
        vectors = np.empty((int(firsts[-1]), backend.dimensions), np.float16)
        hit = np.zeros(len(vectors), dtype=np.bool_)
        cache = self.cache
        if cache is not None and len(vectors):
            keys = np.concatenate([keys_of_late(window) for window in windows])
            found = cache.find(keys)
            vectors[:], hit = found.vectors, found.hit
        rows = self._tokens.rows_with_offsets([window.fed for window in windows], self.limit)
        tokens = sum(len(row.ids) for row, _ in rows)
        lengths = [len(row.ids) for row, _ in rows]
        cut = np.zeros(len(vectors), dtype=np.int64)
        for (row, _), following in zip(rows, firsts[1:], strict=True):
            cut[following - 1] = row.cut  # the end is what a window loses, so it is the last span's
        todo = [
            batch
            for batch in batches(lengths, backend.batch_tokens)
            if not all(hit[firsts[window] : firsts[window + 1]].all() for window in batch)
        ]
        done = fed = 0
        for batch, raw in zip(todo, backend.run(self._late_batches(todo, windows, rows)), strict=True):
            places = np.concatenate([np.arange(firsts[window], firsts[window + 1]) for window in batch])
            vectors[places] = np.where(
                hit[places, None], vectors[places], self._finish(raw, places, vectors.dtype)
            )
            done += len(places)
            fed += sum(lengths[window] for window in batch)
            if progress is not None:
                progress(done, fed)
        if cache is not None and len(vectors):
            cache.add(keys[~hit], vectors[~hit], np.zeros_like(cut[~hit]), cut[~hit])
        return Encoded(vectors, tokens, cut, int(hit.sum()))

    def _late_batches(
        self, todo: Sequence[IntArray], windows: Sequence[Late], rows: Sequence[tuple[TokenRow, IntArray]]
    ) -> Iterator[Padded]:
        for batch in todo:
            ranges = [
                token_ranges(windows[window], rows[window][1], row_number=row)
                for row, window in enumerate(batch)
            ]
            yield Padded([rows[window][0] for window in batch], self._tokens.pad, np.concatenate(ranges))

    def _finish(self, vectors: FloatArray, numbers: IntArray, dtype: np.dtype[Any]) -> FloatArray:
        """Vectors (B,D) of the texts `numbers`, normalised if asked, rounded and checked."""
        check_rows(np.isfinite(vectors), numbers, "NaN or infinite")
        if self.normalize:
            norms: FloatArray = np.linalg.norm(vectors, axis=1, keepdims=True)
            check_rows(norms > 0, numbers, "zero, so it has no direction")
            vectors = vectors / norms
        with np.errstate(over="ignore"):  # reported by the next line, with the text's number
            rounded = vectors.astype(dtype)
        check_rows(np.isfinite(rounded), numbers, f"too large for {dtype}: normalize it")
        return rounded

"""Texts to vectors, whatever runs the model: prompts, limits, batches, checks, rounding and the cache are here, once.

The model itself is a back end that is loaded by the first text encoded: an index opens, checks its fingerprint
and cuts passages without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.fingerprint import fingerprint
from retrieve.encoders.folder import ModelFolder, pooling_modes
from retrieve.encoders.graphs import calibration_digest
from retrieve.encoders.late import Late, keys_of_late, token_ranges
from retrieve.encoders.machine import Runtime
from retrieve.encoders.tokens import IntArray, TokenRow, Tokens
from retrieve.encoders.vector_cache import Found, Space, VectorCache, keys_of
from retrieve.errors import BadVectors, EncoderError

logger = logging.getLogger("retrieve")

FloatArray = NDArray[np.floating[Any]]

# Texts tokenised and sorted by length together: enough that batches have little padding, few enough that
# their tokens take some tens of megabytes, whatever the size of a segment.
CHUNK = 8192


NO_TOKENS = "undefined, as the tokenizer makes nothing of it"


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


class Encodings(NamedTuple):
    """Document vectors that the model made, and those that came from the cache."""

    encoded: int
    cached: int


class _Chunk(NamedTuple):
    """Texts from `start` on: their cache keys and what was found, and their tokens unless all were."""

    start: int
    keys: NDArray[np.void] | None
    found: Found | None
    rows: list[TokenRow]


class Encoder:
    """One model with its prompts and limit. Made by `load_encoder`; safe in many threads.

    `limit` is the most tokens a text may have, its `special_tokens` and prompt included; what is beyond is cut and
    counted. `runtime` is the back end and precision. Equal inputs give equal vectors: batches depend on the texts of a
    call alone, and a vector that is in the cache is one that such a batch gave.
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
        self.name = name
        self.query_prompt = query_prompt
        self.document_prompt = document_prompt
        self.limit = limit
        self.special_tokens = tokens.special
        self.normalize = normalize
        self.runtime = runtime
        self._model = model
        self._tokens = tokens
        self._load_backend = load_backend
        self._cache_root = cache
        self._loading = Lock()
        self._backend: Backend | None = None
        self._counting = Lock()
        self._counts = Encodings(0, 0)

    @property
    def folder(self) -> Path:
        """Where the model was found."""
        return self._model.root

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that shapes a vector but prompts and precision: see `fingerprint.py`. Needs no torch."""
        return fingerprint(self._model, normalize=self.normalize, limit=self.limit)

    @property
    def calibration(self) -> str:
        """Digest of the texts that an int8 model was calibrated on, else empty."""
        return calibration_digest() if self.runtime.precision == "int8" else ""

    @property
    def dimensions(self) -> int:
        """D of the vectors. Loads the model."""
        return self._ready().dimensions

    @property
    def environment(self) -> Mapping[str, str]:
        """Processor, threads and versions that the bytes of vectors depend on. Loads the model."""
        return self._ready().environment

    @cached_property
    def cache(self) -> VectorCache | None:
        """The cache of this encoder's passage vectors. Loads the model."""
        if self._cache_root is None:
            return None
        backend, precision = self.runtime
        space = Space(self.fingerprint, backend, precision, self.limit, self.dimensions, self.calibration)
        return VectorCache.open(self._cache_root, space)

    @property
    def encodings(self) -> Encodings:
        """What became of the documents' passages so far."""
        return self._counts

    def _count(self, result: Encoded) -> Encoded:
        with self._counting:
            encoded, cached = self._counts
            new = len(result.vectors) - result.cached
            self._counts = Encodings(encoded + new, cached + result.cached)
        return result

    def rows(self, texts: Sequence[str]) -> list[TokenRow]:
        """Texts as tokens, cut at the limit."""
        return self._tokens.rows(texts, self.limit)

    def token_offsets(self, texts: Sequence[str]) -> list[IntArray]:
        """(T,2) start and end characters of each text's tokens: no special tokens, no prompt, nothing cut."""
        return self._tokens.offsets(texts)

    def prompt_tokens(self) -> int:
        """Tokens that the document prompt takes of the limit."""
        return len(self._tokens.offsets([self.document_prompt])[0])

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

    def _ready(self) -> Backend:
        with self._loading:
            if self._backend is None:
                logger.info("loading encoder %s from %s (%s)", self.name, self.folder, self.runtime)
                self._backend = self._load_backend(self)
            return self._backend

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
        for chunk in self._chunks(fed, cache):
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

    def _chunks(self, fed: Sequence[str], cache: VectorCache | None) -> Iterator[_Chunk]:
        """Each chunk is looked up and tokenised while the model works on the one before."""
        starts = range(0, len(fed), CHUNK)
        if len(starts) <= 1:
            yield from (self._chunk(fed, start, cache) for start in starts)
            return
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead = pool.submit(self._chunk, fed, 0, cache)
            for start in starts:
                chunk = ahead.result()
                if start + CHUNK < len(fed):
                    ahead = pool.submit(self._chunk, fed, start + CHUNK, cache)
                yield chunk

    def _chunk(self, fed: Sequence[str], start: int, cache: VectorCache | None) -> _Chunk:
        texts = fed[start : start + CHUNK]
        keys = found = None
        if cache is not None:
            keys = keys_of(texts)
            found = cache.find(keys)
            if found.hit.all():
                return _Chunk(start, keys, found, [])
        rows = self.rows(texts)
        filled = np.array([[len(row.ids) > 0] for row in rows])
        _check(filled, np.arange(start, start + len(rows)), NO_TOKENS)
        return _Chunk(start, keys, found, rows)

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

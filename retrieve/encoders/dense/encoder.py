"""Texts to dense vectors, whatever runs the model: batches, checks, rounding and the cache are here, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches, filled_shape
from retrieve.encoders.dense.encoder_inputs import Feed, Texts, Windows
from retrieve.encoders.dense.late_chunking import Late
from retrieve.encoders.fingerprint import fingerprint
from retrieve.encoders.folder import POOLINGS, ModelFolder, pooling_modes
from retrieve.encoders.head import Head, load_head
from retrieve.encoders.machine import Runtime
from retrieve.encoders.text_model import NO_TOKENS, TextModel, check_rows, one_ahead
from retrieve.encoders.tokens import IntArray, TokenRow, Tokens
from retrieve.errors import EncoderError, UsageError
from retrieve.vector_cache.cache import Found, Space, VectorCache

FloatArray = NDArray[np.floating[Any]]
Told = Callable[[int, int], None]


class Encoded(NamedTuple):
    """vectors (B,D) float16 or float32; `tokens` fed, special ones included; `cut` (B,): those the limit cut off.

    `cached`: how many of the vectors came from the cache.
    """

    vectors: FloatArray
    tokens: int
    cut: IntArray
    cached: int = 0


class Backend(Protocol):
    """What runs a model, from any thread: `run` gives vectors (B,D) float32 of each batch, in order, not normalised,
    `states` its last hidden states (B,T,H) float32, of which what is at padding means nothing. `width` is H.

    `batch_tokens` is the size of batch it works best with, `fills` says that it wants few shapes of them: batches are
    filled up, and rows beyond the texts are made vectors too, last. `environment` says on what it computes.
    """

    dimensions: int
    width: int
    batch_tokens: int
    fills: bool
    environment: Mapping[str, str]

    def run(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]: ...

    def states(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]: ...


class TokenStates(NamedTuple):
    """The model's last hidden states of texts, ragged: text b has rows `firsts`[b] to `firsts`[b + 1].

    states (T,H) float16 or float32, special tokens and prompt included; offsets (T,2) int64, the characters of the text
    as it was fed, prompt in front, that each token stands for, (0, 0) for special ones; firsts (B+1,) int64; cut (B,):
    tokens that the limit cut off.
    """

    states: FloatArray
    offsets: IntArray
    firsts: IntArray
    cut: IntArray


class _Chunk(NamedTuple):
    """Some texts: `firsts` (N+1,) number their vectors; their cache keys and what was found.

    Unless all were, their tokens, those of each span (late chunking), and how many tokens they have, `lengths` (N,).
    """

    firsts: IntArray
    keys: NDArray[np.void] | None
    found: Found | None
    rows: list[TokenRow]
    ranges: list[IntArray] | None
    lengths: IntArray


class _Work(NamedTuple):
    """A batch for the model: which texts of the chunk, the numbers of their vectors, and the shape to fill up to."""

    texts: IntArray
    places: IntArray
    shape: tuple[int, int] | None


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
        device: str | None = None,
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
            device=device,
        )
        self._cache_root = cache

    def own(self, cache: Path | None = None) -> Self:
        """The same model with counts of its own, and a cache in this folder; None keeps no vectors."""
        mine = super().own()
        mine._cache_root = cache
        mine.__dict__.pop("cache", None)  # of the other folder
        return mine

    @property
    def dimensions(self) -> int:
        """D of the vectors: those that the model gives, or the first of them that its folder keeps. Loads the model."""
        given = self._ready().dimensions
        return given if self._model.truncate is None else min(given, self._model.truncate)

    @cached_property
    def vector_fingerprint(self) -> str:
        """The fingerprint without the head: of two encoders with the same, the vectors are the same."""
        if self._model.winners is None:
            return self.fingerprint
        bare = replace(self._model, winners=None)
        return fingerprint(bare, normalize=self.normalize, limit=self.limit)

    @property
    def own_pooling(self) -> str | None:
        """What a recipe has to say of pooling for this model: None where its folder has modules that say it."""
        if (self.folder / "modules.json").is_file():
            return None
        (mode,) = pooling_modes(self._model.modules[0])
        return next(name for name, known in POOLINGS.items() if known == mode)

    @cached_property
    def head(self) -> Head | None:
        """The head that the folder has for binary codes of these vectors. Needs no torch."""
        return None if self._model.winners is None else load_head(self._model.winners)

    @property
    def cache_root(self) -> Path | None:
        """The folder of the vector cache; None where vectors are not kept."""
        return self._cache_root

    @cached_property
    def space(self) -> Space:
        """All that shapes a vector beside the string that is fed. Loads the model."""
        backend, precision = self.runtime
        return Space(
            self.vector_fingerprint, backend, precision, self.limit, self.dimensions, self.calibration
        )

    @cached_property
    def cache(self) -> VectorCache | None:
        """The cache of this encoder's passage vectors. Loads the model."""
        return None if self._cache_root is None else VectorCache.open(self._cache_root, self.space)

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
        return self._count(self._encode(Texts(fed), np.dtype(np.float16), progress, self.cache))

    def encode_apart(self, texts: Sequence[str]) -> FloatArray:
        """Vectors (B,D) float32 of texts that are no passages of an index: neither counted nor kept in the cache."""
        fed = Texts([self.document_prompt + text for text in texts])
        return self._encode(fed, np.dtype(np.float32), None, None).vectors

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Texts with the query prompt → float32 vectors. Raises as `encode_documents`."""
        fed = [self.query_prompt + text for text in texts]
        return self._encode(Texts(fed), np.dtype(np.float32), None, None)

    def encode_late(
        self, windows: Sequence[Late], *, progress: Callable[[int, int], None] | None = None
    ) -> Encoded:
        """Vectors of spans as means of their tokens in a longer window (late chunking, Günther et al. 2024).

        Each window is text that fits the limit, with its spans (S,2) in characters, at least one; the result has
        float16 vectors of all spans in order. What exceeds the limit is cut and counted. Raises `EncoderError` for a
        model that does not pool by means.
        """
        self.check_late()
        prompted = [window._replace(prompt=self.document_prompt) for window in windows]
        self._ready()
        return self._count(self._encode(Windows(prompted), np.dtype(np.float16), progress, self.cache))

    @property
    def width(self) -> int:
        """H of the token states. Loads the model."""
        return self._ready().width

    def token_states(
        self, texts: Sequence[str], dtype: npt.DTypeLike = np.float16, *, progress: Told | None = None
    ) -> TokenStates:
        """Hidden states of every token of texts, with the document prompt, from the graph that gives their vectors.

        `dtype` is float16 or float32. All of them are in memory: 2 · H bytes a token in float16. `progress` is called
        with the numbers of texts and of tokens done so far. Raises `BadVectors` for a text that has NaN or infinite
        states, or none, `UsageError` for another `dtype`.
        """
        kept_as = _states_type(dtype)
        backend = self._ready()
        found = self._tokens.rows_with_offsets([self.document_prompt + text for text in texts], self.limit)
        rows = [row for row, _ in found]
        lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)
        check_rows(lengths[:, None] > 0, np.arange(len(rows)), NO_TOKENS)
        firsts = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
        states: FloatArray = np.empty((int(firsts[-1]), backend.width), kept_as)
        todo = list(batches(lengths, backend.batch_tokens, fill=backend.fills))
        shapes = [self._shape(lengths[texts], alone=len(todo) == 1) for texts in todo]
        padded = (
            Padded([rows[text] for text in part], self._tokens.pad, None, shape)
            for part, shape in zip(todo, shapes, strict=True)
        )
        done = tokens = 0
        for part, hidden in zip(todo, backend.states(padded), strict=True):
            for text, own in zip(part, hidden, strict=False):  # rows beyond the texts only fill the batch up
                here = states[firsts[text] : firsts[text + 1]]
                with np.errstate(over="ignore"):  # reported by the next line
                    here[:] = own[: len(here)]
                check_rows(np.isfinite(here).reshape(1, -1), np.array([text]), "NaN, infinite or too large")
            done, tokens = done + len(part), tokens + int(lengths[part].sum())
            if progress is not None:
                progress(done, tokens)
        offsets = np.concatenate([offsets for _, offsets in found]) if found else np.empty((0, 2), np.int64)
        return TokenStates(states, offsets, firsts, np.array([row.cut for row in rows], dtype=np.int64))

    def _shape(self, lengths: IntArray, *, alone: bool) -> tuple[int, int] | None:
        """The shape that a batch of texts of these lengths, longest first, is filled up to; None: just theirs."""
        backend = self._ready()
        if not backend.fills:
            return None
        return filled_shape(len(lengths), int(lengths[0]), self.limit, backend.batch_tokens, alone=alone)

    def check_late(self) -> None:
        """Raise `EncoderError` if late chunking cannot be had of this model."""
        if pooling_modes(self._model.modules[0]) != ("mean",):
            raise EncoderError(f"{self.folder} does not pool by means: late chunking is not offered for it")

    def _encode(
        self,
        feed: Feed,
        dtype: np.dtype[Any],
        progress: Callable[[int, int], None] | None,
        cache: VectorCache | None,
    ) -> Encoded:
        """Vectors of all that is fed, in order, with the tokens of each text counted at its last vector."""
        vectors = np.empty((int(feed.firsts[-1]), self.dimensions), dtype)
        tokens, cut = np.zeros((2, len(vectors)), dtype=np.int64)
        cached = done = fed = 0
        # Each chunk is looked up and tokenised while the model works on the one before.
        count = len(feed.firsts) - 1
        for chunk in one_ahead(count, lambda part: self._chunk(feed, part, cache), feed.chunk):
            here = slice(chunk.firsts[0], chunk.firsts[-1])
            hit = np.zeros(here.stop - here.start, dtype=np.bool_)
            if chunk.found is not None:
                vectors[here], tokens[here], cut[here], hit = chunk.found
                cached += int(hit.sum())
            if chunk.rows:
                last = chunk.firsts[1:] - 1
                tokens[here] = cut[here] = 0
                tokens[last], cut[last] = chunk.lengths, [row.cut for row in chunk.rows]
            todo = self._todo(chunk, hit)
            spared = len(hit) - sum(len(work.places) for work in todo)
            done += spared
            if spared and progress is not None:
                progress(done, fed)
            made = self._ready().run(self._padded(chunk, work) for work in todo)
            for work, raw in zip(todo, made, strict=True):
                finished = self._finish(raw[: len(work.places)], work.places, dtype)
                missing = ~hit[work.places - here.start]
                vectors[work.places[missing]] = finished[missing]
                done += len(work.places)
                fed += int(chunk.lengths[work.texts].sum())
                if progress is not None:
                    progress(done, fed)
            if cache is not None and chunk.keys is not None and chunk.rows:
                new = ~hit
                cache.add(chunk.keys[new], vectors[here][new], tokens[here][new], cut[here][new])
        return Encoded(vectors, int(tokens.sum()), cut, cached)

    def _todo(self, chunk: _Chunk, hit: NDArray[np.bool_]) -> list[_Work]:
        """The chunk's batches of which some vectors are not in the cache.

        All texts decide the batches, also those that need none: a vector is the same whatever was cached.
        """
        backend = self._ready()
        planned = list(batches(chunk.lengths, backend.batch_tokens, fill=backend.fills))
        work = []
        for texts in planned:
            places = np.concatenate([np.arange(*chunk.firsts[text : text + 2]) for text in texts])
            if hit[places - chunk.firsts[0]].all():
                continue
            work.append(_Work(texts, places, self._shape(chunk.lengths[texts], alone=len(planned) == 1)))
        return work

    def _padded(self, chunk: _Chunk, work: _Work) -> Padded:
        ranges = None
        if chunk.ranges is not None:
            found = [chunk.ranges[text] + (row, 0, 0) for row, text in enumerate(work.texts)]
            ranges = np.concatenate(found)
        return Padded([chunk.rows[text] for text in work.texts], self._tokens.pad, ranges, work.shape)

    def _chunk(self, feed: Feed, part: slice, cache: VectorCache | None) -> _Chunk:
        firsts = feed.firsts[part.start : part.stop + 1]
        keys = found = None
        if cache is not None:
            keys = feed.keys(part)
            found = cache.find(keys)
            if found.hit.all():
                return _Chunk(firsts, keys, found, [], None, np.empty(0, np.int64))
        rows, ranges = feed.rows(part, self._tokens, self.limit)
        lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)
        check_rows(lengths[:, None] > 0, firsts[:-1], NO_TOKENS)
        return _Chunk(firsts, keys, found, rows, ranges, lengths)

    def _finish(self, vectors: FloatArray, numbers: IntArray, dtype: np.dtype[Any]) -> FloatArray:
        """Vectors (B,D) of the texts `numbers`, normalised if asked, rounded and checked."""
        check_rows(np.isfinite(vectors), numbers, "NaN or infinite")
        if self._model.truncate is not None:
            if self._model.normalizes and not self.normalize:
                vectors = _of_unit_length(vectors, numbers)
            vectors = vectors[:, : self._model.truncate]
        if self.normalize:
            vectors = _of_unit_length(vectors, numbers)
        with np.errstate(over="ignore"):  # reported by the next line, with the text's number
            rounded = vectors.astype(dtype)
        check_rows(np.isfinite(rounded), numbers, f"too large for {dtype}: normalize it")
        return rounded


def _of_unit_length(vectors: FloatArray, numbers: IntArray) -> FloatArray:
    norms: FloatArray = np.linalg.norm(vectors, axis=1, keepdims=True)
    check_rows(norms > 0, numbers, "zero, so it has no direction")
    scaled: FloatArray = vectors / norms
    return scaled


def _states_type(asked: npt.DTypeLike) -> np.dtype[Any]:
    """float16 or float32; anything else is `UsageError`, as whole numbers would hold little of states but zeros."""
    with suppress(TypeError):  # no type at all
        found = np.dtype(asked)
        if found in (np.float16, np.float32):
            return found
    raise UsageError(f"token states of type {asked!r} were asked for: wanted float16 or float32")

"""Texts to dense vectors, whatever runs the model: batches, checks, rounding and the cache are here, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.dense.encoder_inputs import Feed, Texts, Windows
from retrieve.encoders.dense.late_chunking import Late
from retrieve.encoders.fingerprint import fingerprint
from retrieve.encoders.folder import POOLINGS, pooling_modes
from retrieve.encoders.head import Head, load_head
from retrieve.encoders.line import Line, shape_of
from retrieve.encoders.text_model import NO_TOKENS, TextModel, check_rows
from retrieve.encoders.tokens import IntArray
from retrieve.errors import EncoderError, UsageError
from retrieve.vector_cache.cache import Space, VectorCache

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


class Encoder(TextModel[Backend]):
    """A model that gives dense vectors. Made by `load_encoder`; safe in many threads.

    Equal inputs give equal vectors: batches depend on the texts of a call alone, and a vector that is in the cache is
    one that such a batch gave.
    """

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
    def space(self) -> Space:
        """All that shapes a vector beside the string that is fed. Loads the model."""
        backend, precision = self.runtime
        return Space(
            self.vector_fingerprint, backend, precision, self.limit, self.dimensions, self.calibration
        )

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
        shapes = [shape_of(backend, lengths[texts], self.limit, alone=len(todo) == 1) for texts in todo]
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
        backend = self._ready()
        line = Line(self._tokens, self.limit, backend, cache)
        vectors: FloatArray = np.empty((int(feed.firsts[-1]), self.dimensions), dtype)
        made = line.encode(
            feed, vectors, backend.run, lambda raw, numbers: self._finish(raw, numbers, dtype), progress
        )
        return Encoded(vectors, int(made.tokens.sum()), made.cut, made.cached)

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

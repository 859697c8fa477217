"""What an encoder of texts is whatever it gives: a checked folder, its tokenizer, prompts, limit, counts and identity.

Dense and sparse encoders are two kinds of it. The model itself is a back end that is loaded by the first text encoded:
an index opens, checks its fingerprint and cuts passages without it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.fingerprint import fingerprint
from retrieve.encoders.folder import ModelFolder
from retrieve.encoders.machine import Runtime
from retrieve.encoders.model_pool import Shared
from retrieve.encoders.openvino.graphs import calibration_digest
from retrieve.encoders.tokens import IntArray, TokenRow, Tokens
from retrieve.encoders.torch.forked import torch_alone_after_fork
from retrieve.errors import BadVectors
from retrieve.fork_safety import ForkSafeLock
from retrieve.vector_cache.cache import Space, VectorCache

logger = logging.getLogger("retrieve")

NO_TOKENS = "undefined, as the tokenizer makes nothing of it"

Item = TypeVar("Item")


class Runner(Protocol):
    """What every back end says of itself: D of what it gives, the batches it likes, and on what it computes."""

    @property
    def dimensions(self) -> int: ...
    @property
    def batch_tokens(self) -> int: ...
    @property
    def fills(self) -> bool: ...
    @property
    def environment(self) -> Mapping[str, str]: ...


Back = TypeVar("Back", bound=Runner)


_BACKENDS: Shared[Any] = Shared()


class Encodings(NamedTuple):
    """Passages that the model encoded, and those whose vectors came from the cache."""

    encoded: int
    cached: int


class TextModel(Generic[Back]):
    """One model with its prompts and limit; safe in many threads.

    `limit` is the most tokens a text may have, its `special_tokens` and prompt included; what is beyond is cut and
    counted. `runtime` is the back end and precision.
    """

    def __init__(
        self,
        name: str,
        model: ModelFolder,
        tokens: Tokens,
        load_backend: Callable[[Any], Back],
        *,
        query_prompt: str,
        document_prompt: str,
        limit: int,
        normalize: bool,
        runtime: Runtime,
        device: str | None = None,
        cache: Path | None = None,
    ) -> None:
        """`load_backend` is given this model when its first text comes, unless another one has loaded the same.

        `cache`: the folder of the vector cache; None keeps nothing.
        """
        self.name = name
        self.query_prompt = query_prompt
        self.document_prompt = document_prompt
        self.limit = limit
        self.special_tokens = tokens.special
        self.normalize = normalize
        self.runtime = runtime
        self.device = device
        self._cache_root = cache
        self._model = model
        self._tokens = tokens
        self._load_backend = load_backend
        self._backend: Back | None = None
        self._process = os.getpid()
        self._again: Callable[[], Self] | None = None
        self._begin()

    def _begin(self) -> None:
        self._loading = ForkSafeLock()
        self._counting = ForkSafeLock()
        self._counts = Encodings(0, 0)

    def own(self, cache: Path | None = None) -> Self:
        """The same model with counts of its own, and a cache in this folder; None keeps nothing."""
        mine = object.__new__(type(self))
        mine.__dict__.update(self.__dict__)
        mine._begin()
        mine._cache_root = cache
        mine.__dict__.pop("cache", None)  # of the other folder
        return mine

    def loaded_by(self, load: Callable[[], Self]) -> Self:
        """This model, which pickles as what loads it anew."""
        self._again = load
        return self

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        if self._again is None:
            raise TypeError(
                f"the encoder {self.name} was not made by a loading function: make it where it is used"
            )
        return self._again, ()

    @property
    def folder(self) -> Path:
        """Where the model was found."""
        return self._model.root

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that shapes a vector or its code but prompts and precision: see `fingerprint.py`.

        Needs no torch.
        """
        return fingerprint(self._model, normalize=self.normalize, limit=self.limit)

    @property
    def calibration(self) -> str:
        """Digest of the texts that an int8 model was calibrated on, else empty."""
        return calibration_digest() if self.runtime.precision == "int8" else ""

    @property
    def cache_root(self) -> Path | None:
        """The folder of the vector cache; None where nothing is kept."""
        return self._cache_root

    @property
    def space(self) -> Space | None:
        """All that shapes what is made of a passage beside the string that is fed; None where it cannot be kept."""
        return None

    @cached_property
    def cache(self) -> VectorCache | None:
        """The cache of what this model makes of passages. Loads the model."""
        if self._cache_root is None or self.space is None:
            return None
        return VectorCache.open(self._cache_root, self.space)

    @property
    def dimensions(self) -> int:
        """D of the vectors. Loads the model."""
        return self._ready().dimensions

    @property
    def environment(self) -> Mapping[str, str]:
        """Processor, threads and versions that the bytes of vectors depend on. Loads the model."""
        return self._ready().environment

    @property
    def encodings(self) -> Encodings:
        """What became of the documents' passages so far."""
        return self._counts

    @property
    def pad(self) -> int:
        """The token that fills up a batch."""
        return self._tokens.pad

    def rows(self, texts: Sequence[str]) -> list[TokenRow]:
        """Texts as tokens, cut at the limit."""
        return self._tokens.rows(texts, self.limit)

    def token_offsets(self, texts: Sequence[str]) -> list[IntArray]:
        """(T,2) start and end characters of each text's tokens: no special tokens, no prompt, nothing cut."""
        return self._tokens.offsets(texts)

    def pieces(self, text: str) -> tuple[int, int]:
        """As `Tokens.pieces`, without a prompt."""
        return self._tokens.pieces(text)

    def prompt_tokens(self) -> int:
        """Tokens that the document prompt takes of the limit."""
        return len(self._tokens.offsets([self.document_prompt])[0])

    def _ready(self) -> Back:
        torch_alone_after_fork()
        with self._loading:
            if self._backend is None or self._process != os.getpid():
                self._process = os.getpid()
                self._backend = _BACKENDS.get(self._identity(), self._load)
            return self._backend

    def _load(self) -> Back:
        logger.info("loading encoder %s from %s (%s)", self.name, self.folder, self.runtime)
        return self._load_backend(self)

    def _identity(self) -> Hashable:
        """What tells one loaded model from another: all but prompts."""
        return type(self), self.folder.resolve(), self.fingerprint, self.runtime, self.limit, self.device

    def _counted(self, encoded: int, cached: int) -> None:
        with self._counting:
            before = self._counts
            self._counts = Encodings(before.encoded + encoded, before.cached + cached)


def one_ahead(count: int, make: Callable[[slice], Item], size: int) -> Iterator[Item]:
    """What `make` makes of `size` of `count` texts at a time, the next while the caller works on those before.

    The first are an eighth as many, as the caller waits for them.
    """
    starts = [0, *range(-(-size // 8), count, size)]
    chunks = [slice(*ends) for ends in pairwise([*starts, count])] if count else []
    if len(chunks) <= 1:
        yield from map(make, chunks)
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(make, chunks[0])
        for following in chunks[1:]:
            now = ahead.result()
            ahead = pool.submit(make, following)
            yield now
        yield ahead.result()


def check_rows(good: NDArray[np.bool_], numbers: IntArray, what: str) -> None:
    """Raise `BadVectors` naming the first of the texts `numbers` (B,) whose row of `good` (B,D) is not all true."""
    bad = numbers[~good.all(axis=1)]
    if len(bad):
        raise BadVectors(f"the vector of text {bad.min()} (of {len(bad)} in its batch) is {what}")

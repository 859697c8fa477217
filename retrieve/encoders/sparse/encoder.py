"""Texts to sparse weights: SPLADE checkpoints and UHD codes at token level, fed, cut and checked as dense encoders are.

Tokenizer, limit, prompts and identity are those of `TextModel`; what differs is that a text gives a row of dimensions
with weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded
from retrieve.encoders.dense.encoder_inputs import Texts
from retrieve.encoders.fingerprint import fingerprint
from retrieve.encoders.folder import SPLADE, ModelFolder
from retrieve.encoders.line import Line
from retrieve.encoders.load import converted_folder, find_model, load_tokens, prompts_of, resolve_limit
from retrieve.encoders.machine import Runtime, resolve_runtime
from retrieve.encoders.sparse.code_rows import code_rows, coded_dimensions, most_dimensions
from retrieve.encoders.sparse.folder import read_sparse_folder
from retrieve.encoders.sparse.token_codes import is_compiled
from retrieve.encoders.text_model import Runner, TextModel, check_rows
from retrieve.encoders.tokens import IntArray
from retrieve.errors import RecipeError
from retrieve.fork_safety import signal_stack_kept
from retrieve.vector_cache.cache import Space, VectorCache
from retrieve.vector_cache.shards import Numbers

Float32s = NDArray[np.float32]


class SparseRows(NamedTuple):
    """Row b has `dims` (uint32, rising) and `weights` (float32, above 0) from `starts`[b] to `starts`[b + 1].

    `starts` (B+1,) int64; `tokens` fed, special ones included; `cut` (B,): those the limit cut off.
    """

    starts: IntArray
    dims: NDArray[np.uint32]
    weights: NDArray[np.float32]
    tokens: int
    cut: IntArray

    @property
    def empty_texts(self) -> int:
        """How many texts have no dimension at all, so that nothing finds them, or they nothing."""
        return int((np.diff(self.starts) == 0).sum())


class SparseBackend(Runner, Protocol):
    """What runs a sparse model: `run` gives weights (B,N) float32 of each batch, in order.

    Rows beyond the texts, which only fill a batch up, come last.
    """

    def run(self, batches: Iterable[Padded], *, task: str) -> Iterator[NDArray[np.float32]]: ...


class SparseTextEncoder(TextModel[SparseBackend]):
    """A model that gives sparse weights. Made by `load_sparse_encoder`; safe in many threads.

    Documents' codes are kept in the cache if the head has a cap: then a row of it has room for any of them.
    """

    def vocabulary(self) -> Sequence[str]:
        """What each dimension stands for: a token of SPLADE's vocabulary, for UHD its number. Loads the model."""
        return self._names

    @cached_property
    def _names(self) -> tuple[str, ...]:
        if self._model.modules[0].kind == SPLADE:
            return tuple(self._tokens.names(self.dimensions))
        return tuple(str(number) for number in range(self.dimensions))

    @property
    def space(self) -> Space | None:
        """All that shapes a document's code beside the string that is fed; None for what has weights, or no cap."""
        most = most_dimensions(self._model.modules[0])
        if most is None:
            return None
        numbers: Numbers = "uint16" if self.dimensions <= 1 << 16 else "uint32"
        return Space(self.fingerprint, *self.runtime, self.limit, most, self.calibration, numbers)

    def encode_documents(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> SparseRows:
        """Texts with the document prompt → their rows in the order given.

        `progress` is called with the numbers of texts and of tokens done so far. Raises `BadVectors` for a text that
        has NaN, infinite or negative weights, or no token.
        """
        fed = [self.document_prompt + text for text in texts]
        self._ready()
        cache = self.cache
        if cache is None:
            rows = self._encode(fed, "document", progress)
            self._counted(len(texts), 0)
            return rows
        codes = np.empty((len(fed), cache.space.dimensions), cache.space.numbers)

        def coded(weights: Float32s, numbers: IntArray) -> NDArray[np.unsignedinteger[Any]]:
            return code_rows([dims for dims, _ in self._rows(weights, numbers)], numbers, codes)

        made = self._line(cache).encode(Texts(fed), codes, self._run("document"), coded, progress)
        self._counted(len(fed) - made.cached, made.cached)
        starts, dims = coded_dimensions(codes)
        return SparseRows(starts, dims, np.ones(len(dims), np.float32), int(made.tokens.sum()), made.cut)

    def encode_queries(self, texts: Sequence[str]) -> SparseRows:
        """Texts with the query prompt → their rows, as queries. Raises as `encode_documents`."""
        return self._encode([self.query_prompt + text for text in texts], "query", None)

    def _encode(
        self, fed: Sequence[str], task: str, progress: Callable[[int, int], None] | None
    ) -> SparseRows:
        found = np.empty(len(fed), object)

        def kept(weights: Float32s, numbers: IntArray) -> NDArray[np.object_]:
            rows = np.empty(len(numbers), object)
            rows[:] = self._rows(weights, numbers)
            return rows

        made = self._line(None).encode(Texts(fed), found, self._run(task), kept, progress)
        starts = np.cumsum([0, *(len(dims) for dims, _ in found)], dtype=np.int64)
        every, weighed = (np.concatenate(column) for column in zip(_NOTHING, *found, strict=True))
        return SparseRows(starts, every, weighed, int(made.tokens.sum()), made.cut)

    def _line(self, cache: VectorCache | None) -> Line:
        return Line(self._tokens, self.limit, self._ready(), cache)

    def _run(self, task: str) -> Callable[[Iterable[Padded]], Iterator[Float32s]]:
        return partial(self._ready().run, task=task)

    def _rows(self, weights: Float32s, numbers: IntArray) -> list[tuple[NDArray[np.uint32], Float32s]]:
        """Weights (B,N) of the texts `numbers`, checked → dimensions and weights of each."""
        found = [(dims := np.flatnonzero(row), row[dims]) for row in weights]
        good = np.array([np.isfinite(values).all() and (values > 0).all() for _, values in found], np.bool_)
        check_rows(good[:, None], numbers, "NaN, infinite or negative")
        return [self._active(dims.astype(np.uint32), values) for dims, values in found]

    def _active(self, dims: NDArray[np.uint32], weights: Float32s) -> tuple[NDArray[np.uint32], Float32s]:
        """The dimensions of a row, rising, and their weights; if the folder limits them, those of the largest ones.

        Of equal weights the lower dimension stays, where sentence-transformers leaves it to chance.
        """
        most = self._model.most_active
        if most is None or len(dims) <= most:
            return dims, weights
        kept = np.sort(np.argsort(-weights, kind="stable")[:most])
        return dims[kept], weights[kept]


_NOTHING = np.empty(0, np.uint32), np.empty(0, np.float32)


def load_sparse_encoder(
    model: str,
    *,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    limit: int | None = None,
    backend: str = "auto",
    precision: str = "fp32",
    device: str | None = None,
    untrained: Mapping[str, Any] | None = None,
    cache: Path | None = None,
) -> SparseTextEncoder:
    """The sparse encoder of a folder or hub name: a `SparseEncoder` of a masked language model (SPLADE) or of
    token-level winners, or a bare transformers folder of a masked language model.

    Arguments are those of `load_encoder`; `sparse_runtime` says which back ends there are. `untrained`: arguments of a
    token-level `WinnerTakeAll` for a model that has no such head; any encoder of texts will do then. `cache`: a folder
    to keep documents' codes in. Raises `EncoderError`.
    """
    checked = read_sparse_folder(find_model(model), untrained)
    runtime = _runtime(checked, backend, precision, device)
    query_prompt, document_prompt = prompts_of(checked, query_prompt, document_prompt)
    tokens = load_tokens(checked)
    encoder = SparseTextEncoder(
        model,
        checked,
        tokens,
        partial(_backend, checked, device),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        limit=resolve_limit(checked, limit, tokens.special),
        normalize=False,
        runtime=runtime,
        device=device,
        cache=cache,
    )
    return encoder.loaded_by(
        partial(
            load_sparse_encoder,
            model,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            limit=limit,
            backend=runtime.backend,
            precision=runtime.precision,
            device=device,
            untrained=untrained,
            cache=cache,
        )
    )


def sparse_runtime(
    model: str,
    backend: str,
    precision: str,
    device: str | None = None,
    untrained: Mapping[str, Any] | None = None,
) -> Runtime:
    """How a model is run here: as `resolve_runtime` says where its head's codes are compiled, else by torch.

    Reads its settings, loads nothing. Raises `RecipeError` for a back end that cannot be had.
    """
    return _runtime(read_sparse_folder(find_model(model), untrained), backend, precision, device)


def _runtime(model: ModelFolder, backend: str, precision: str, device: str | None) -> Runtime:
    head = model.modules[0]
    if not is_compiled(head):
        if backend == "openvino":
            what = (
                head.kind
                if head.kind == SPLADE
                else "a head of several layers, or that caps by value or idf,"
            )
            raise RecipeError(
                f"{what} is run by torch alone: backend openvino cannot be had for {model.root}"
            )
        backend = "torch"
    architecture = model.config.get("model_type", "")
    return resolve_runtime(backend, precision, architecture=architecture, device=device)


def _backend(model: ModelFolder, device: str | None, encoder: SparseTextEncoder) -> SparseBackend:
    backend, precision = encoder.runtime
    if backend == "openvino":
        from retrieve.encoders.sparse.openvino_backend import SparseOpenVINO, pooled_by_mean

        pooled = pooled_by_mean(model)
        with signal_stack_kept():
            # As a dense encoder of these weights is called that gives unit vectors, as most do: it has the same graph.
            name = fingerprint(pooled, normalize=True, limit=encoder.limit)
            return SparseOpenVINO(model, converted_folder(pooled, name, encoder), precision, encoder.limit)
    from retrieve.encoders.sparse.torch_backend import SparseTorch

    return SparseTorch(model, device, precision)

"""Texts to sparse weights: SPLADE checkpoints and UHD codes at token level, fed, cut and checked as dense encoders are.

Tokenizer, limit, prompts and identity are those of `TextModel`; what differs is that a text gives a row of dimensions
with weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.dense import encoder_inputs as feed
from retrieve.encoders.folder import SPLADE, ModelFolder
from retrieve.encoders.load import find_model, load_tokens, prompts_of, resolve_limit
from retrieve.encoders.machine import resolve_runtime
from retrieve.encoders.sparse.folder import read_sparse_folder
from retrieve.encoders.text_model import Runner, TextModel, check_rows, one_ahead
from retrieve.encoders.tokens import IntArray, TokenRow


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
    """What runs a sparse model: `run` gives weights (B,N) float32 of each batch, in order."""

    def run(self, batches: Iterable[Padded], *, task: str) -> Iterator[NDArray[np.float32]]: ...


class SparseTextEncoder(TextModel[SparseBackend]):
    """A model that gives sparse weights. Made by `load_sparse_encoder`; safe in many threads."""

    def vocabulary(self) -> Sequence[str]:
        """What each dimension stands for: a token of SPLADE's vocabulary, for UHD its number. Loads the model."""
        return self._names

    @cached_property
    def _names(self) -> tuple[str, ...]:
        if self._model.modules[0].kind == SPLADE:
            return tuple(self._tokens.names(self.dimensions))
        return tuple(str(number) for number in range(self.dimensions))

    def encode_documents(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> SparseRows:
        """Texts with the document prompt → their rows in the order given.

        `progress` is called with the numbers of texts and of tokens done so far. Raises `BadVectors` for a text that
        has NaN, infinite or negative weights, or no token.
        """
        rows = self._encode([self.document_prompt + text for text in texts], "document", progress)
        self._counted(len(texts), 0)
        return rows

    def encode_queries(self, texts: Sequence[str]) -> SparseRows:
        """Texts with the query prompt → their rows, as queries. Raises as `encode_documents`."""
        return self._encode([self.query_prompt + text for text in texts], "query", None)

    def _encode(
        self, fed: Sequence[str], task: str, progress: Callable[[int, int], None] | None
    ) -> SparseRows:
        backend = self._ready()
        found: list[tuple[NDArray[np.uint32], NDArray[np.float32]]] = [_NOTHING] * len(fed)
        cut = np.zeros(len(fed), dtype=np.int64)
        done = tokens = 0
        for start, rows in one_ahead(len(fed), lambda chunk: self._chunk(fed, chunk), feed.CHUNK):
            cut[start : start + len(rows)] = [row.cut for row in rows]
            lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)
            todo = list(batches(lengths, backend.batch_tokens))
            padded = (Padded([rows[row] for row in batch], self._tokens.pad) for batch in todo)
            for batch, weights in zip(todo, backend.run(padded, task=task), strict=True):
                check_rows(np.isfinite(weights) & (weights >= 0), start + batch, "NaN, infinite or negative")
                for number, row in zip(start + batch, weights, strict=True):
                    kept = self._active(row)
                    found[number] = kept.astype(np.uint32), row[kept]
                done += len(batch)
                tokens += int(lengths[batch].sum())
                if progress is not None:
                    progress(done, tokens)
        starts = np.cumsum([0, *(len(dims) for dims, _ in found)], dtype=np.int64)
        every, weighed = (np.concatenate(column) for column in zip(_NOTHING, *found, strict=True))
        return SparseRows(starts, every, weighed, tokens, cut)

    def _active(self, row: NDArray[np.float32]) -> IntArray:
        """The dimensions of a row that have a weight, rising; if the folder limits them, those of the largest ones.

        Of equal weights the lower dimension stays, where sentence-transformers leaves it to chance.
        """
        found = np.flatnonzero(row)
        most = self._model.most_active
        if most is None or len(found) <= most:
            return found
        return np.sort(found[np.argsort(-row[found], kind="stable")[:most]])

    def _chunk(self, fed: Sequence[str], chunk: slice) -> tuple[int, list[TokenRow]]:
        return chunk.start, self._filled_rows(fed[chunk], chunk.start)


_NOTHING = np.empty(0, np.uint32), np.empty(0, np.float32)


def load_sparse_encoder(
    model: str,
    *,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    limit: int | None = None,
    precision: str = "fp32",
    device: str | None = None,
    untrained: Mapping[str, Any] | None = None,
) -> SparseTextEncoder:
    """The sparse encoder of a folder or hub name: a `SparseEncoder` of a masked language model (SPLADE) or of
    token-level winners, or a bare transformers folder of a masked language model.

    Arguments are those of `load_encoder`; it is run by torch. `untrained`: arguments of a token-level `WinnerTakeAll`
    for a model that has no such head; any encoder of texts will do then. Raises `EncoderError`.
    """
    checked = read_sparse_folder(find_model(model), untrained)
    architecture = checked.config.get("model_type", "")
    runtime = resolve_runtime("torch", precision, architecture=architecture, device=device)
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
    )
    return encoder.loaded_by(
        partial(
            load_sparse_encoder,
            model,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            limit=limit,
            precision=runtime.precision,
            device=device,
            untrained=untrained,
        )
    )


def _backend(model: ModelFolder, device: str | None, encoder: SparseTextEncoder) -> SparseBackend:
    from retrieve.encoders.sparse.torch_backend import SparseTorch

    return SparseTorch(model, device, encoder.runtime.precision)

"""The torch back end of sparse encoders: a transformer, then sentence-transformers' SpladePooling or our winners.

As for dense encoders, the transformer is loaded here, so that weights a checkpoint lacks are an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieve.encoders.batches import BATCH_TOKENS, GPU_BATCH_TOKENS, Padded
from retrieve.encoders.folder import SPLADE, UNTRAINED, ModelFolder, Module, splade_settings
from retrieve.encoders.sparse.token_codes import TokenCodes, is_compiled
from retrieve.encoders.torch.backend import (
    LOADING_ERRORS,
    check_finite,
    environment_of,
    load_transformer,
    rearrange_linear,
)
from retrieve.encoders.torch.cores import on_cores
from retrieve.encoders.torch.model_inputs import model_inputs
from retrieve.errors import DimensionMismatch, EncoderError

# A token's logits over a vocabulary of 30,522 are as large as 80 of its states.
LOGITS = 4


class SparseTorch:
    """Runs a folder of `read_sparse_folder` on `device`. `dimensions` N of its weights. Safe in many threads."""

    def __init__(self, model: ModelFolder, device: str | None, precision: str) -> None:
        from transformers import AutoModel, AutoModelForMaskedLM

        described = model.modules[0]
        self._masked = described.kind == SPLADE
        auto = AutoModelForMaskedLM if self._masked else AutoModel
        self.transformer = load_transformer(model.transformer, auto, device, precision)
        self._on_gpu = self.transformer.device.type != "cpu"
        if not self._on_gpu and precision == "fp32":
            rearrange_linear(self.transformer)
        hidden = self.transformer.config.hidden_size
        # A GPU, and heads that are not compiled, run the module.
        self._codes = None
        if self._on_gpu or not is_compiled(described):
            self._head = _load_head(described, hidden)
            self._head.to(self.transformer.device).eval()
        else:
            self._codes = TokenCodes(described, hidden)
        self.dimensions: int = self._dimensions()
        budget = GPU_BATCH_TOKENS if self._on_gpu else BATCH_TOKENS
        self.fills = False
        self.batch_tokens = budget // LOGITS if self._masked else budget
        self.environment: Mapping[str, str] = environment_of(self.transformer.device)

    def _dimensions(self) -> int:
        if self._codes is not None:
            return self._codes.dimensions
        given = self.transformer.config.vocab_size if self._masked else self._head.get_embedding_dimension()
        return int(given)

    def run(self, batches: Iterable[Padded], *, task: str) -> Iterator[NDArray[np.float32]]:
        """Weights (B,N) float32 of each batch in order; `task` is "query" or "document"."""

        def weights_of(batch: Padded) -> NDArray[np.float32]:
            with torch.inference_mode():  # not around a `yield`: the mode would hold in the caller too
                if self._codes is not None:
                    return self._codes.codes(self._last_states(batch), batch, task)
                weights: NDArray[np.float32] = self._forward(batch, task).cpu().numpy()
                return weights

        yield from map(weights_of, batches) if self._on_gpu else on_cores(weights_of, batches)

    def _forward(self, batch: Padded, task: str) -> torch.Tensor:
        inputs = model_inputs(self.transformer, batch)
        features: dict[str, Any] = {"attention_mask": inputs["attention_mask"]}
        if self._masked:
            features["token_embeddings"] = self.transformer(**inputs).logits.float()
            weights: torch.Tensor = self._head(features)["sentence_embedding"]
            return weights
        states = self.transformer(**inputs, output_hidden_states=self._head.layers is not None)
        features["token_embeddings"] = states.last_hidden_state
        if self._head.layers is not None:
            features["all_layer_embeddings"] = states.hidden_states
        codes: torch.Tensor = self._head(features, task=task)["sentence_embedding"]
        return codes

    def _last_states(self, batch: Padded) -> NDArray[np.float32]:
        found = self.transformer(**model_inputs(self.transformer, batch))
        states: NDArray[np.float32] = found.last_hidden_state.float().numpy()
        return states


def _load_head(module: Module, hidden: int) -> Any:
    if module.kind == SPLADE:
        from sentence_transformers.sparse_encoder.modules import SpladePooling

        settings: dict[str, Any] = splade_settings(module)
        return SpladePooling(**settings)
    from retrieve.encoders.winners import WinnerTakeAll

    if module.kind == UNTRAINED:
        return WinnerTakeAll(hidden, level="token", **module.settings)
    try:
        head = WinnerTakeAll.load(str(module.folder), local_files_only=True)
    except LOADING_ERRORS as error:
        raise EncoderError(f"{module.folder} cannot be loaded as {module.kind}: {error}") from error
    if head.hidden != hidden:
        raise DimensionMismatch(
            f"{module.folder} takes tokens of {head.hidden} dimensions, the transformer before it gives {hidden}"
        )
    check_finite(head, module.folder)
    return head

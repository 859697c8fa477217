"""The encoder as a module that can be trained: a checked folder's transformer, its pooling and what follows it.

Its weights are loaded by the torch back end, in float32; here they have gradients, and a batch is three tensors, so
that it can be encoded again in the backward pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.folder import ModelFolder, refuse_truncated
from retrieve.encoders.tokens import TokenRow
from retrieve.encoders.torch.backend import TorchEncoder
from retrieve.encoders.torch.model_inputs import to_device


class Batch(NamedTuple):
    """Passages side by side, each (B,T) int64; padding is at the end, its mask 0."""

    ids: Tensor
    mask: Tensor
    types: Tensor


class PassageModel(nn.Module):
    """Passages (B,T) of tokens → their vectors (B,D), or the states (T′,H) of their real tokens, one after another.

    `dimensions` is D, or H of states; `batch_tokens` are as many at a time as it works best with.
    """

    def __init__(
        self,
        folder: ModelFolder,
        *,
        pad: int,
        normalize: bool,
        states: bool = False,
        device: str | None = None,
    ) -> None:
        """`pad` fills batches up. `normalize`: vectors of unit length. `states`: token states in place of vectors."""
        super().__init__()
        if not states:
            refuse_truncated(folder)
        parts = TorchEncoder(folder, device, "fp32", rearranged=False)
        self.transformer: Any = parts.transformer
        if getattr(self.transformer, "pooler", None) is not None:
            self.transformer.pooler = None  # BERT's own, which nothing reads
        self.pooling = parts.pooling
        self.head = nn.ModuleList(parts.head)
        self.dimensions = parts.width if states else parts.dimensions
        self.states, self.batch_tokens = states, parts.batch_tokens
        self._pad, self.normalize = pad, normalize
        self._takes_types = "token_type_ids" in inspect.signature(self.transformer.forward).parameters

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def checkpoint_layers(self) -> None:
        """Keep a layer's input alone in training, and compute the layer again for the backward pass."""
        # One and the same under two names: the older is deprecated in transformers 5.24, the newer unknown to 5.19.
        new = getattr(self.transformer, "activation_checkpointing_enable", None)
        enable = new or self.transformer.gradient_checkpointing_enable
        enable({"use_reentrant": False})

    def batch(self, rows: Sequence[TokenRow]) -> Batch:
        """Passages as tensors where the model is."""
        padded = Padded(rows, self._pad)
        return Batch(*(to_device(array, self.device) for array in (padded.ids, padded.mask, padded.types)))

    def vectors(self, rows: Sequence[TokenRow], budget: int) -> Tensor:
        """Vectors (N,D) of texts, encoded by length, `budget` tokens at a time at most, padding included.

        Fewer where the machine likes that better: less is computed on padding.
        """
        if not rows:
            return torch.zeros((0, self.dimensions), device=self.device)
        order = list(batches([len(row.ids) for row in rows], min(budget, self.batch_tokens)))
        made = torch.cat([self(*self.batch([rows[row] for row in part])) for part in order])
        places = torch.from_numpy(np.argsort(np.concatenate(order), kind="stable"))
        return made.index_select(0, places.to(self.device))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """Vectors (B,D), or states of the tokens whose mask is 1, passage after passage; float32 or better."""
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self._takes_types:
            inputs["token_type_ids"] = types
        hidden: Tensor = self.transformer(**inputs).last_hidden_state
        hidden = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
        if self.states:
            return hidden[mask.bool()]
        features = self.pooling({"token_embeddings": hidden, "attention_mask": mask})
        for module in self.head:
            features = module(features)
        vectors: Tensor = features["sentence_embedding"]
        return nn.functional.normalize(vectors, dim=1) if self.normalize else vectors

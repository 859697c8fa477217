"""Batches without padding, for a GPU: the texts one after another in a single row, and attention within each alone.

transformers lets a model take its attention from a register of functions. The one registered here is torch's
FlashAttention over texts of different lengths; on a processor, which has none, it goes text by text, so that masks and
positions can be held against padded batches there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from retrieve.encoders.batches import Padded
from retrieve.encoders.folder import OFFSET_POSITIONS
from retrieve.encoders.torch.model_inputs import inputs_of, to_device

# What takes positions from its caller, and mixes tokens nowhere but in the registered attention. Not so MPNet and
# DeBERTa-v2 (a bias for each pair of positions), MobileBERT (embeddings of neighbours), BigBird and Longformer.
PACKABLE = frozenset(
    {"albert", "bert", "distilbert", "electra", "llama", "modernbert", "nomic_bert", "qwen3", "roberta"}
    | {"xlm-roberta"}
)

ATTENTION = "retrieve_packed"


def can_pack(model: Any) -> bool:
    """Whether a transformers model can run packed where it is, in the numbers that it has."""
    if model.config.model_type not in PACKABLE:
        return False
    # FlashAttention wants 16-bit numbers and the tensor cores of Ampere or later.
    return (
        model.device.type == "cuda"
        and model.dtype in (torch.bfloat16, torch.float16)
        and torch.cuda.get_device_capability(model.device) >= (8, 0)
    )


class PackedTransformer:
    """A model that is run packed from now on; it cannot be called with padded batches any more."""

    def __init__(self, model: Any) -> None:
        from transformers import AttentionInterface

        AttentionInterface.register(ATTENTION, _attend)
        model.set_attn_implementation(ATTENTION)
        self._model = model
        after_padding = model.config.model_type in OFFSET_POSITIONS
        self._first_position = model.config.pad_token_id + 1 if after_padding else 0

    def __call__(self, batch: Padded) -> torch.Tensor:
        """Token vectors (B,T,D) float32 of a batch, zero at its padding."""
        real = batch.mask.astype(np.bool_)
        lengths = real.sum(axis=1)
        arrays = {name: array[real] for name, array in inputs_of(self._model, batch).items()}
        del arrays["attention_mask"]
        positions = np.arange(self._first_position, self._first_position + real.shape[1])
        arrays["position_ids"] = np.broadcast_to(positions, real.shape)[real]
        device = self._model.device
        bounds = to_device(np.concatenate([[0], lengths.cumsum()]).astype(np.int32), device)
        longest = int(lengths.max())
        hidden = self._model(
            **{name: to_device(array, device)[None] for name, array in arrays.items()},
            cu_seq_lens_q=bounds,
            cu_seq_lens_k=bounds,
            max_length_q=longest,
            max_length_k=longest,
        ).last_hidden_state[0]
        padded: torch.Tensor = hidden.new_zeros((real.size, hidden.shape[1]), dtype=torch.float32)
        padded[to_device(np.flatnonzero(real), device)] = hidden.float()
        return padded.view(*real.shape, -1)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one packed row: query (1,H,T,D), key and value (1,G,T,D) → (1,T,H,D), as the register wants it.

    A window counts the token itself: so many on the left, and on both sides where the model is not causal.
    """
    left = -1 if sliding_window is None else sliding_window - 1
    window = (left, 0 if module.is_causal else left)
    query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
    if query.device.type == "cuda":
        from torch.nn.attention.varlen import varlen_attn

        found = varlen_attn(
            query,
            key,
            value,
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=window,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        assert isinstance(found, torch.Tensor)  # nothing else was asked for
    else:
        found = _text_by_text((query, key, value), cu_seq_lens_q.tolist(), scaling, window)
    return found[None], None


def _text_by_text(
    states: tuple[torch.Tensor, ...], bounds: list[int], scaling: float, window: tuple[int, int]
) -> torch.Tensor:
    """What `varlen_attn` computes: states (T,H,D) of texts that begin at `bounds`, -1 for a side without a window."""
    found = []
    for start, end in pairwise(bounds):
        place = torch.arange(end - start)
        ahead = place[None] - place[:, None]  # of the key, seen from the query
        seen = torch.ones_like(ahead, dtype=torch.bool)
        for side, reach in zip((-ahead, ahead), window, strict=True):
            seen &= (side <= reach) | (reach < 0)
        query, key, value = (part[start:end].transpose(0, 1) for part in states)
        here = scaled_dot_product_attention(
            query[None], key[None], value[None], seen, scale=scaling, enable_gqa=True
        )
        found.append(here[0].transpose(0, 1))
    return torch.cat(found)

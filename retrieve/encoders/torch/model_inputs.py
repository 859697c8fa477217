"""A padded batch as the inputs that a transformers model takes, on its device; pinned on the way to a GPU."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded


def inputs_of(model: Any, batch: Padded) -> dict[str, NDArray[np.int64]]:
    """The arrays (B,T) of a batch by the names the model takes them under; token types only where it has them."""
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask}
    if "token_type_ids" in inspect.signature(model.forward).parameters:
        inputs["token_type_ids"] = batch.types
    return inputs


def model_inputs(model: Any, batch: Padded) -> dict[str, torch.Tensor]:
    """The tensors of a batch on the model's device."""
    return {name: to_device(array, model.device) for name, array in inputs_of(model, batch).items()}


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """An array on a device, by way of pinned memory if that is a GPU, so that nothing waits for the copy."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

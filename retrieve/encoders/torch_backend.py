"""The torch back end: a transformers model, then the modules of sentence-transformers that follow it.

The transformer is loaded here and not by sentence-transformers for one reason: weights that a checkpoint lacks are
filled with random numbers there, with a log line; here they are an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded
from retrieve.encoders.folder import ModelFolder, Module, pooling_modes
from retrieve.errors import EncoderError

# What the loaders below raise for a folder that is broken in one way or another.
LOADING_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, AttributeError)


class TorchEncoder:
    """Runs a checked model folder on `device` in float32. `dimensions` D of its vectors. Safe in many threads."""

    def __init__(self, model: ModelFolder, device: str | None) -> None:
        from transformers import AutoModel, AutoModelForTextEncoding

        # The encoder half of T5 and its like; AutoModel would bring the decoder too and ask for its input.
        auto = AutoModelForTextEncoding if model.config.get("is_encoder_decoder") else AutoModel
        self._transformer = load_transformer(model.transformer, auto, device)
        width = self._transformer.config.hidden_size
        self._modules = []
        self.dimensions: int = width
        for described in model.modules:
            module = _load_module(described, width).to(self._transformer.device).eval()
            check_finite(module, described.folder)
            if hasattr(module, "get_embedding_dimension"):
                self.dimensions = module.get_embedding_dimension()
            self._modules.append(module)

    def __call__(self, batch: Padded) -> NDArray[np.float32]:
        """(B,T) tokens → (B,D) float32 vectors, not yet normalised."""
        with torch.inference_mode():
            inputs = model_inputs(self._transformer, batch)
            features = {
                "token_embeddings": self._transformer(**inputs).last_hidden_state,
                "attention_mask": inputs["attention_mask"],
            }
            for module in self._modules:
                features = module(features)
            vectors: NDArray[np.float32] = features["sentence_embedding"].cpu().numpy()
            return vectors


def load_transformer(folder: Path, auto: Any, device: str | None) -> Any:
    """The model of a checked folder by a transformers auto class, float32, in evaluation mode, on `device`.

    `device` None takes a GPU if there is one. Raises `EncoderError` if weights are missing or not finite.
    """
    with _no_progress_bar():
        try:
            model, report = auto.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except LOADING_ERRORS as error:
            raise EncoderError(f"{folder} cannot be loaded: {error}") from error
    # The pooler of BERT makes a vector of its own, which nothing here reads.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise EncoderError(f"{folder}: the weights lack {len(missing)} tensors, such as {missing[0]}")
    check_finite(model, folder)
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()


def model_inputs(model: Any, batch: Padded) -> dict[str, torch.Tensor]:
    """The tensors of a batch on the model's device; token types only for a model that has them."""
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask}
    if "token_type_ids" in inspect.signature(model.forward).parameters:
        inputs["token_type_ids"] = batch.types
    return {name: torch.from_numpy(array).to(model.device) for name, array in inputs.items()}


def check_finite(module: torch.nn.Module, folder: Path) -> None:
    """Raise `EncoderError` naming the first weight that holds NaN or infinity."""
    for name, weights in module.named_parameters():
        if not bool(torch.isfinite(weights).all()):
            raise EncoderError(f"{folder}: weight {name} holds NaN or infinite values: the file is damaged")


def _load_module(module: Module, width: int) -> Any:
    from sentence_transformers.sentence_transformer import modules as classes

    if module.kind == "Pooling":
        return classes.Pooling(width, pooling_modes(module))
    try:
        return getattr(classes, module.kind).load(str(module.folder), local_files_only=True)
    except LOADING_ERRORS as error:
        raise EncoderError(f"{module.folder} cannot be loaded as {module.kind}: {error}") from error


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """A library does not draw on its user's terminal."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()

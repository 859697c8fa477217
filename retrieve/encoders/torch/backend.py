"""The torch back end: a transformers model, then the modules of sentence-transformers that follow it.

The transformer is loaded here and not by sentence-transformers for one reason: weights that a checkpoint lacks are
filled with random numbers there, with a log line; here they are an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieve.encoders.batches import BATCH_TOKENS, GPU_BATCH_TOKENS, Padded
from retrieve.encoders.dense.pooling import mean_of_ranges
from retrieve.encoders.folder import ModelFolder, Module, pooling_modes
from retrieve.encoders.machine import made_by_intel
from retrieve.encoders.torch.cores import on_cores
from retrieve.encoders.torch.model_inputs import model_inputs, to_device
from retrieve.encoders.torch.packed import PackedTransformer, can_pack
from retrieve.errors import EncoderError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# What the loaders below raise for a folder that is broken in one way or another.
LOADING_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, AttributeError)


class TorchEncoder:
    """Runs a checked model folder on `device`. `dimensions` D of its vectors, `width` H of its token states. Safe in
    many threads.

    `transformer`, `pooling` and `head` (the modules after it) are what runs; `pooled` counts the pooling modes.
    """

    def __init__(
        self, model: ModelFolder, device: str | None, precision: str = "fp32", *, rearranged: bool = True
    ) -> None:
        """`rearranged`: float32 weights are laid out for the processor; what is traced is to be left as it is."""
        from transformers import AutoModel, AutoModelForTextEncoding

        # The encoder half of T5 and its like; AutoModel would bring the decoder too and ask for its input.
        auto = AutoModelForTextEncoding if model.config.get("is_encoder_decoder") else AutoModel
        self.transformer = load_transformer(model.transformer, auto, device, precision)
        self.width: int = self.transformer.config.hidden_size
        pooling, *after = model.modules
        self.pooling = _load_module(pooling, self.width)
        self.pooled = len(pooling_modes(pooling))
        self.head: list[torch.nn.Module] = []
        self.dimensions: int = self.width * self.pooled
        for described in after:
            module = _load_module(described, self.width).to(self.transformer.device).eval()
            check_finite(module, described.folder)
            if hasattr(module, "get_embedding_dimension"):
                self.dimensions = module.get_embedding_dimension()
            self.head.append(module)
        self._on_gpu = self.transformer.device.type != "cpu"
        if rearranged and not self._on_gpu and precision == "fp32":
            rearrange_linear(self.transformer)
        self._packed = PackedTransformer(self.transformer) if can_pack(self.transformer) else None
        self.batch_tokens = GPU_BATCH_TOKENS if self._on_gpu else BATCH_TOKENS
        self.fills = False
        self.environment: Mapping[str, str] = environment_of(self.transformer.device)

    def run(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        """Vectors (B,D) float32 of each batch in order, not yet normalised; those of its `ranges` if it has some."""
        return self._each(batches, self._forward)

    def states(self, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        """The model's last hidden states (B,T,H) float32 of each batch in order; what is at padding means nothing."""
        return self._each(batches, self._hidden)

    def _each(
        self, batches: Iterable[Padded], work: Callable[[Padded], torch.Tensor]
    ) -> Iterator[NDArray[np.float32]]:
        if not self._on_gpu:
            yield from on_cores(lambda batch: work(batch).numpy(), batches)
            return
        before: torch.Tensor | None = None
        for batch in batches:
            now = work(batch)  # a GPU begins with it while the result of the batch before is fetched
            if before is not None:
                yield before.cpu().numpy()
            before = now
        if before is not None:
            yield before.cpu().numpy()

    def _hidden(self, batch: Padded) -> torch.Tensor:
        # Not around a `yield`: the mode would hold in the caller too.
        with torch.inference_mode():
            if self._packed is not None:
                return self._packed(batch)
            found = self.transformer(**model_inputs(self.transformer, batch))
            hidden: torch.Tensor = found.last_hidden_state.float()
            return hidden

    def _forward(self, batch: Padded) -> torch.Tensor:
        with torch.inference_mode():
            hidden = self._hidden(batch)
            if batch.ranges is not None:
                means = mean_of_ranges(hidden.cpu().numpy(), batch.ranges)
                features = {"sentence_embedding": torch.from_numpy(means).to(hidden.device)}
            else:
                mask = to_device(batch.mask, hidden.device)
                features = self.pooling({"token_embeddings": hidden, "attention_mask": mask})
            for module in self.head:
                features = module(features)
            vectors: torch.Tensor = features["sentence_embedding"]
            return vectors


def load_transformer(folder: Path, auto: Any, device: str | None, precision: str = "fp32") -> Any:
    """The model of a checked folder by a transformers auto class, in evaluation mode, on `device`.

    `device` None takes a GPU if there is one. Raises `EncoderError` if weights are missing or not finite, and for a
    device that is not there.
    """
    with quiet_transformers():
        try:
            model, report = auto.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=DTYPES[precision],
                output_loading_info=True,
            )
        except LOADING_ERRORS as error:
            raise EncoderError(f"{folder} cannot be loaded: {error}") from error
    # The pooler of BERT makes a vector of its own, which nothing here reads.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise EncoderError(f"{folder}: the weights lack {len(missing)} tensors, such as {missing[0]}")
    check_finite(model, folder)
    # A decoder keeps keys and values for the next token, of which there is none.
    model.config.use_cache = False
    if model.config.model_type == "big_bird":
        # It goes over from sparse to full attention at its first short batch, and stays there: a long text's vector
        # would depend on what was encoded before it. Full attention is what it gives to texts of up to 704 tokens.
        model.base_model.set_attention_type("original_full")
    try:
        return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    except (RuntimeError, AssertionError) as error:  # a name that is none, no such device, a build without it
        reason = str(error).splitlines()[0]
        raise EncoderError(
            f"{folder} cannot be moved to the device {device!r}: {reason}; name one that torch has here, or none"
        ) from error


def environment_of(device: torch.device) -> Mapping[str, str]:
    """On what a model computes there: processor and threads."""
    on_gpu = device.type != "cpu"
    return {
        "processor": torch.cuda.get_device_name() if on_gpu else torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }


def check_finite(module: torch.nn.Module, folder: Path) -> None:
    """Raise `EncoderError` naming the first weight that holds NaN or infinity."""
    for name, weights in module.named_parameters():
        if not bool(torch.isfinite(weights).all()):
            raise EncoderError(f"{folder}: weight {name} holds NaN or infinite values: the file is damaged")


def rearrange_linear(module: torch.nn.Module) -> None:
    """Let oneDNN multiply where the processor is not Intel's: it takes all instructions whoever made it, MKL does not.

    On Intel's MKL is a tenth faster than oneDNN.
    """
    if torch.backends.mkldnn.is_available() and not made_by_intel():  # type: ignore[no-untyped-call]
        _rearrange(module)


def _rearrange(module: torch.nn.Module) -> None:
    from torch.utils.mkldnn import MkldnnLinear

    for name, child in module.named_children():
        if type(child) is torch.nn.Linear:
            setattr(module, name, MkldnnLinear(child, torch.float32).eval())
        else:
            _rearrange(child)


def _load_module(module: Module, width: int) -> Any:
    from sentence_transformers.sentence_transformer import modules as classes

    if module.kind == "Pooling":
        return classes.Pooling(width, pooling_modes(module))
    try:
        return getattr(classes, module.kind).load(str(module.folder), local_files_only=True)
    except LOADING_ERRORS as error:
        raise EncoderError(f"{module.folder} cannot be loaded as {module.kind}: {error}") from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """A library does not draw on its user's terminal, nor print a table of weights that are missing, which we check.

    Nor does it say which loss it would take, which it does when a model is converted.
    """
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()

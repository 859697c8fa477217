"""Torch models as OpenVINO graphs: the transformer with token vectors as its output, and what follows the pooling.

Pooling stays outside, in numpy, so that late chunking can pool as it likes. int8 is post-training quantization by
NNCF over a fixed sample, so that it is the same each time; the transformer alone is quantized.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from retrieve.encoders.batches import Padded, batches
from retrieve.encoders.calibration import Tokenize, calibration_texts
from retrieve.encoders.folder import ModelFolder
from retrieve.encoders.openvino.byte_attention import LONGEST, attention_in_bytes, reaches
from retrieve.encoders.openvino.files import HEAD, MODEL
from retrieve.encoders.openvino.rewrites import drop_idle_reshapes, mask_padding_once, scale_beside_residuals
from retrieve.encoders.torch.backend import TorchEncoder, quiet_transformers
from retrieve.encoders.torch.model_inputs import inputs_of
from retrieve.errors import EncoderError

Int64s = NDArray[np.int64]

_CALIBRATION_TOKENS = 2048

# A mask is tried on texts up to the limit, or to so many tokens: more than any window of attention in use.
_LONGEST = 8192


class _TokenVectors(torch.nn.Module):
    """A transformer that takes its inputs by position, as tracing wants, and gives its last hidden state alone."""

    def __init__(self, transformer: torch.nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self._transformer = transformer
        self._names = names

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self._transformer(**dict(zip(self._names, inputs, strict=True))).last_hidden_state


class _Head(torch.nn.Module):
    """The modules after the pooling as one, vector to vector."""

    def __init__(self, modules: list[torch.nn.Module]) -> None:
        super().__init__()
        self._steps = torch.nn.ModuleList(modules)

    def forward(self, vectors: torch.Tensor) -> Any:
        features = {"sentence_embedding": vectors}
        for step in self._steps:
            features = step(features)
        return features["sentence_embedding"]


class _Tracing(NamedTuple):
    """What is traced: a module, inputs for it, and the names and shapes (-1 is any length) of the graph's inputs."""

    module: torch.nn.Module
    example: tuple[torch.Tensor, ...]
    names: tuple[str, ...]
    shape: list[int]


def convert(model: ModelFolder, folder: Path, *, int8: bool, rows: Tokenize, pad: int) -> None:
    """Write the graphs of a checked model into an empty folder. Raises `EncoderError` if it cannot be done."""
    import openvino

    encoder = TorchEncoder(model, "cpu", rearranged=False)
    sample = [inputs_of(encoder.transformer, batch) for batch in _sample(rows, pad)]
    graph = _graph(_of_transformer(encoder, sample[0]), model)
    limit = len(rows(["a " * _LONGEST])[0].ids)
    padding_alone = mask_padding_once(graph, limit)
    drop_idle_reshapes(graph)
    if int8:
        found = reaches(graph, sample) if padding_alone and limit <= LONGEST else {}
        graph = _quantized(graph, sample)
        scale_beside_residuals(graph)
        attention_in_bytes(graph, found)
    openvino.save_model(graph, str(folder / MODEL), compress_to_fp16=False)
    if encoder.head:
        example = torch.ones(3, encoder.transformer.config.hidden_size * encoder.pooled)
        head = _Tracing(_Head(encoder.head), (example,), ("vectors",), [-1, example.shape[1]])
        openvino.save_model(_graph(head, model), str(folder / HEAD), compress_to_fp16=False)


def _sample(rows: Tokenize, pad: int) -> Iterator[Padded]:
    """The calibration texts in batches of few tokens and little padding."""
    found = rows(calibration_texts())
    for batch in batches([len(row.ids) for row in found], _CALIBRATION_TOKENS):
        yield Padded([found[row] for row in batch], pad)


def _of_transformer(encoder: TorchEncoder, inputs: dict[str, Int64s]) -> _Tracing:
    names = tuple(inputs)
    example = tuple(torch.from_numpy(array[:2]) for array in inputs.values())
    return _Tracing(_TokenVectors(encoder.transformer, names), example, names, [-1, -1])


def _graph(tracing: _Tracing, model: ModelFolder) -> Any:
    import openvino
    from openvino.frontend import OpConversionFailure

    module = tracing.module.eval()
    try:
        with quiet_transformers(), torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # tracing warns of every branch; the other shape below is the proof
            graph = openvino.convert_model(module, example_input=tracing.example)
        for port, name in zip(graph.inputs, tracing.names, strict=True):
            port.get_node().set_partial_shape(openvino.PartialShape(tracing.shape))
            port.get_tensor().set_names({name})
        graph.validate_nodes_and_infer_types()
        good = _same_elsewhere(graph, module, tracing.example)
    except (OpConversionFailure, RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise _refusal(model, reason[0]) from error
    if not good:
        raise _refusal(model, "its graph is good for one length of text only")
    return graph


def _same_elsewhere(graph: Any, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> bool:
    """Whether the graph gives torch's vectors for another shape, where what tracing took for constant would show."""
    import openvino

    smaller = tuple(
        part[:1, : -(-2 * part.shape[1] // 3)] if part.dtype == torch.int64 else part[:1] for part in example
    )
    with torch.inference_mode():
        wanted = module(*smaller).numpy()
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([part.numpy() for part in smaller])[0]
    return found.shape == wanted.shape and bool(np.abs(found - wanted).max() <= 0.01 * np.abs(wanted).max())


def _refusal(model: ModelFolder, reason: str) -> EncoderError:
    return EncoderError(
        f"OpenVINO cannot convert {model.root} ({model.config.get('model_type')}): {reason}; "
        'set backend = "torch"'
    )


def _quantized(graph: Any, sample: list[dict[str, Int64s]]) -> Any:
    import nncf

    nncf_log = logging.getLogger("nncf")
    before = nncf_log.level
    nncf_log.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):  # where its progress bars go, and a command's answer
            return nncf.quantize(
                graph, nncf.Dataset(sample), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(sample)
            )
    finally:
        nncf_log.setLevel(before)

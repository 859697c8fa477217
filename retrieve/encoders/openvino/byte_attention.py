"""Attention in bytes: in an int8 graph the probabilities and the values are products of bytes too.

A probability is rounded to 255ths of a number of its head's own, at most 1, above which it is cut off: most heads give
many tokens little, which 255ths of 1 would round to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

LONGEST = 256
"""Texts of more tokens keep float32: the more tokens there are, the smaller are their probabilities."""

_TOPS = np.linspace(0.5, 1, 6, dtype=np.float32)


class Reach(NamedTuple):
    """What the bytes of an attention reach up to: the probabilities of each of its H heads (H,), and all values."""

    probabilities: NDArray[np.float32]
    values: float


def reaches(graph: Any, sample: Iterable[Mapping[str, Int64s]]) -> dict[str, Reach]:
    """Of every attention in a float32 graph, by name: the reach with the least squared error over a sample.

    The graph's attention is to mask nothing but padding.
    """
    import openvino

    attentions = [node for node in graph.get_ops() if _is_attention(node)]
    if not attentions:
        return {}
    parts = [node.input_value(part) for node in attentions for part in range(3)]
    compiled = openvino.compile_model(
        openvino.Model(parts, graph.get_parameters()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    errors, values = [torch.zeros(())] * len(attentions), [0.0] * len(attentions)
    for inputs in sample:
        found = compiled(inputs)
        kept = torch.from_numpy(inputs["attention_mask"]) > 0
        for number, node in enumerate(attentions):
            query, key, value = (torch.from_numpy(found[3 * number + part].copy()) for part in range(3))
            errors[number] = errors[number] + _errors(query * _scale(node), key, value, kept)
            values[number] = max(values[number], float((value * kept[:, None, :, None]).abs().max()))
    return {
        node.get_friendly_name(): Reach(_TOPS[error.argmin(dim=1).numpy()], reach)
        for node, error, reach in zip(attentions, errors, values, strict=True)
    }


def _errors(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Squared errors (H, tops) of attention's output, summed over tokens; inputs are (B,H,T,d), `kept` (B,T)."""
    scores = torch.matmul(query, key.transpose(-1, -2)).masked_fill(~kept[:, None, None, :], -torch.inf)
    weights = scores.softmax(dim=-1)
    found = []
    for top in _TOPS.tolist():
        rounded = (weights * (255 / top)).round_().clamp_(max=255) * (top / 255)
        wrong = torch.matmul(rounded - weights, value).square().sum(dim=-1)
        found.append((wrong * kept[:, None, :]).sum(dim=(0, 2)))
    return torch.stack(found, dim=1)


def attention_in_bytes(graph: Any, found: Mapping[str, Reach]) -> None:
    """Put the attentions that `found` names into bytes, where their output is scaled as smooth quantization leaves it.

    A head's reach goes into that scale, so that its probabilities are 255ths of 1 for the product after them.
    """
    from openvino import opset13 as ops
    from openvino.passes import AnyInput, Matcher, WrapType

    attention, scale = WrapType("opset13.ScaledDotProductAttention"), WrapType("opset1.Constant")
    joined = WrapType("opset1.Transpose", [attention.output(0), AnyInput().output(0)])
    joined = WrapType("opset1.Reshape", [joined.output(0), AnyInput().output(0)])
    scaled = Matcher(WrapType("opset1.Multiply", [joined.output(0), scale.output(0)]), "attention_in_bytes")
    apart = WrapType("opset1.Reshape", [AnyInput().output(0), AnyInput().output(0)])
    heads = Matcher(WrapType("opset1.Transpose", [apart.output(0), AnyInput().output(0)]), "heads")
    for multiply in graph.get_ordered_ops():
        if not scaled.match(multiply.output(0)):
            continue
        matched = scaled.get_pattern_value_map()
        node, factors = matched[attention].get_node(), matched[scale].get_node().get_data()
        reach = found.get(node.get_friendly_name())
        value = node.input_value(2)
        if reach is None or not heads.match(value):
            continue
        each = np.repeat(reach.probabilities, value.get_partial_shape()[3].get_length())
        if each.size != factors.size:
            continue
        _replace(node, heads.get_pattern_value_map()[apart].get_node(), reach)
        scaled_back = ops.multiply(matched[joined], factors * each.reshape(factors.shape))
        multiply.output(0).replace(scaled_back.output(0))
    graph.validate_nodes_and_infer_types()


def _replace(node: Any, split: Any, reach: Reach) -> None:
    """Attention by products of bytes for a node's; its values are those that `split` parts into heads."""
    from openvino import opset13 as ops

    low, high = np.float32(-reach.values * 128 / 127), np.float32(reach.values)
    in_bytes = ops.fake_quantize(split.input_value(0), low, high, low, high, 256)
    split.input(0).replace_source_output(in_bytes.output(0))
    query, key, value, mask = (node.input_value(part) for part in range(4))
    scores = ops.add(ops.multiply(ops.matmul(query, key, False, True), np.float32(_scale(node))), mask)
    tops = reach.probabilities.reshape(1, -1, 1, 1)
    zero, one = np.float32(0), np.float32(1)
    weights = ops.fake_quantize(ops.softmax(scores, -1), zero, tops, zero, one, 256)
    node.output(0).replace(ops.matmul(weights, value, False, False).output(0))


def _is_attention(node: Any) -> bool:
    if node.get_type_name() != "ScaledDotProductAttention" or node.get_attributes()["causal"]:
        return False
    shapes = [node.input_value(part).get_partial_shape() for part in range(3)]
    if any(shape.rank.is_dynamic or len(shape) != 4 for shape in shapes):
        return False
    sides = [side for shape in shapes for side in (shape[1], shape[3])]
    return all(side.is_static for side in sides) and len({shape[1].get_length() for shape in shapes}) == 1


def _scale(node: Any) -> float:
    """What the scores of an attention are multiplied by."""
    if len(node.inputs()) > 4:
        return float(node.input_value(4).get_node().get_data().item())
    return float(node.input_value(0).get_partial_shape()[3].get_length() ** -0.5)

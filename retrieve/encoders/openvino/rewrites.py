"""Changes to an OpenVINO graph that leave what it computes and let the processor's plugin run it faster."""

from __future__ import annotations

from typing import Any

import numpy as np


def mask_padding_once(graph: Any, limit: int) -> bool:
    """Attention takes its mask as (B,1,1,T) numbers to add, where in texts up to `limit` tokens it masks padding only.

    As traced it is (B,1,T,T) truth values, read again for each head: a twentieth of the time in float32. True where
    it is so in all of the graph's attention.
    """
    from openvino import opset13 as ops

    attentions = [node for node in graph.get_ops() if node.get_type_name() == "ScaledDotProductAttention"]
    masks = [node.input_value(3) for node in attentions if len(node.inputs()) > 3]
    given = [port for port in graph.inputs if "attention_mask" in port.get_names()]
    if not masks or len(masks) < len(attentions) or not given:
        return False
    if not all(mask == masks[0] for mask in masks) or not _is_padding(graph, masks[0], limit):
        return False
    hidden = ops.subtract(ops.convert(given[0], "f32"), np.float32(1))
    added = ops.unsqueeze(ops.multiply(hidden, np.float32(np.finfo(np.float32).max / 2)), np.array([1, 2]))
    for node in attentions:
        node.input(3).replace_source_output(added.output(0))
    graph.validate_nodes_and_infer_types()
    return True


def _is_padding(graph: Any, mask: Any, limit: int) -> bool:
    """Whether a graph's mask is true for the tokens of each text, whichever token looks, by trying two shapes."""
    import openvino

    if mask.get_element_type() != openvino.Type.boolean or len(mask.get_partial_shape()) != 4:
        return False
    compiled = openvino.compile_model(openvino.Model([mask], graph.get_parameters()), "CPU")
    for lengths in (np.array([3, 2, 1]), np.array([limit, -(-limit // 2)])):
        tokens = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        found = compiled([tokens] * len(compiled.inputs))[0]  # ids and types may be any
        if not (found == (tokens[:, None, None, :] > 0)).all():
            return False
    return True


def drop_idle_reshapes(graph: Any) -> None:
    """Take out reshapes to the shape that is there: behind attention one keeps a transpose from being fused."""
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "Reshape" and _keeps_shape(node):
            node.output(0).replace(node.input_value(0))
    graph.validate_nodes_and_infer_types()


def _keeps_shape(reshape: Any) -> bool:
    wanted, given = reshape.input_value(1).get_node(), reshape.input_value(0).get_partial_shape()
    if wanted.get_type_name() != "Constant" or given.rank.is_dynamic or wanted.get_data().size != len(given):
        return False
    return all(
        side.is_static and side.get_length() == size if size else reshape.get_attributes()["special_zero"]
        for size, side in zip(wanted.get_data(), given, strict=True)
    )


def scale_beside_residuals(graph: Any) -> None:
    """A layer norm that feeds products and a residual: each of the two has gain and bias (and scale) of its own.

    Smooth quantization scales what goes into a product. As a step of its own it keeps the norm's float32 result in
    memory for both; folded into a second gain and bias, it leaves one reader to each, and those are fused.
    """
    from openvino import opset13 as ops
    from openvino.passes import AnyInput, Matcher, WrapType

    norm, gain, bias, scale = WrapType("opset6.MVN"), *(WrapType("opset1.Constant") for _ in range(3))
    gained = WrapType("opset1.Multiply", [norm.output(0), gain.output(0)])
    shifted = WrapType("opset1.Add", [gained.output(0), bias.output(0)])
    scaled = WrapType("opset1.Multiply", [shifted.output(0), scale.output(0)])
    bounds = [AnyInput().output(0) for _ in range(4)]
    matcher = Matcher(WrapType("opset1.FakeQuantize", [scaled.output(0), *bounds]), "scale_beside_residuals")
    for quantize in graph.get_ordered_ops():
        if matcher.match(quantize.output(0)):
            found = matcher.get_pattern_value_map()
            by = {part: found[part].get_node().get_data() for part in (gain, bias, scale)}
            apart = ops.add(ops.multiply(found[norm], by[gain] * by[scale]), by[bias] * by[scale])
            quantize.input(0).replace_source_output(apart.output(0))
    graph.validate_nodes_and_infer_types()

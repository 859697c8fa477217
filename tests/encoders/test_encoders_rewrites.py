"""Rewritten graphs against themselves as they were: the same numbers from fewer operations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, tiny_encoder_folder

openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")

from openvino import opset13 as ops  # noqa: E402

from retrieve.encoders.load import load_encoder  # noqa: E402
from retrieve.encoders.openvino.rewrites import drop_idle_reshapes, scale_beside_residuals  # noqa: E402

WIDTH = 16


def numbers(graph: Any, given: np.ndarray) -> np.ndarray:
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result: np.ndarray = compiled([given])[0]
    return result


def kinds(graph: Any) -> Counter[str]:
    return Counter(node.get_type_name() for node in graph.get_ops())


@pytest.mark.parametrize(
    ("wanted", "zero_copies", "idle"),
    [
        ([0, 2, 0, 8], True, True),
        ([0, 0, 0, 0], True, True),
        ([0, 2, 0, -1], True, False),  # may be the same: left alone
        ([0, 2, -1], True, False),
        ([0, 4, -1, 4], True, False),
    ],
)
def test_only_reshapes_to_the_same_shape_are_dropped(
    wanted: list[int], zero_copies: bool, idle: bool
) -> None:
    given = ops.parameter([-1, 2, -1, 8], np.float32)
    shaped = ops.reshape(given, np.array(wanted), zero_copies)
    graph = openvino.Model([ops.relu(shaped)], [given])
    values = np.random.default_rng(0).standard_normal((3, 2, 4, 8)).astype(np.float32)
    before = numbers(graph, values)
    drop_idle_reshapes(graph)
    assert kinds(graph)["Reshape"] == (not idle)
    assert numbers(graph, values).tobytes() == before.tobytes()


def test_a_reshape_by_a_computed_shape_or_to_no_elements_is_kept() -> None:
    given, shape = ops.parameter([-1, 2], np.float32), ops.parameter([2], np.int64)
    graph = openvino.Model([ops.reshape(given, shape, True)], [given, shape])
    drop_idle_reshapes(graph)
    assert kinds(graph)["Reshape"] == 1
    empty = openvino.Model([ops.reshape(given, np.array([0, 2]), False)], [given])  # a zero that means zero
    drop_idle_reshapes(empty)
    assert kinds(empty)["Reshape"] == 1


def normed(scale_after: bool = True) -> Any:
    """A layer norm, quantized with a scale beside what a residual takes as it is."""
    random = np.random.default_rng(1)
    gain, bias, scale = random.uniform(0.5, 2, (3, WIDTH)).astype(np.float32)
    given = ops.parameter([-1, -1, WIDTH], np.float32)
    norm = ops.mvn(given, np.array([-1]), True, 1e-12, "inside_sqrt")
    shifted = ops.add(ops.multiply(norm, gain), bias)
    scaled = ops.multiply(shifted, scale) if scale_after else shifted
    bounds = [np.float32(bound) for bound in (-2.56, 2.54, -2.56, 2.54)]
    quantized = ops.fake_quantize(scaled, *bounds, levels=256)
    weights = random.standard_normal((WIDTH, WIDTH)).astype(np.float32)
    return openvino.Model([ops.add(ops.matmul(quantized, weights, False, True), shifted)], [given])


def test_a_scale_is_folded_into_a_gain_and_bias_of_its_own() -> None:
    graph = normed()
    values = np.random.default_rng(2).standard_normal((2, 5, WIDTH)).astype(np.float32)
    before = numbers(graph, values)
    scale_beside_residuals(graph)
    readers = {
        port.get_node().get_type_name()
        for node in graph.get_ops()
        if node.get_type_name() == "MVN"
        for port in node.output(0).get_target_inputs()
    }
    assert readers == {"Multiply"}
    assert kinds(graph) == Counter(kinds(normed())) + Counter({"Add": 1, "Constant": 1})
    # What lies within a rounding of the middle of two steps may go either way: one step of 0.02, times a weight.
    found = numbers(graph, values)
    assert np.abs(found - before).max() < 0.1
    assert np.isclose(found, before, atol=1e-5).mean() > 0.9


def test_without_a_scale_nothing_is_changed() -> None:
    graph = normed(scale_after=False)
    scale_beside_residuals(graph)
    assert kinds(graph) == kinds(normed(scale_after=False))


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_a_converted_model_has_no_idle_reshapes_behind_attention(tmp_path: Path, own_cache: Path) -> None:
    folder = tiny_encoder_folder(tmp_path / "model")
    load_encoder(str(folder), backend="openvino", precision="fp32").encode_queries(WORDS[:2])
    (file,) = (own_cache / "models").glob("*/model.xml")
    graph = openvino.Core().read_model(str(file))
    attention = [node for node in graph.get_ops() if node.get_type_name() == "ScaledDotProductAttention"]
    assert attention
    for node in attention:
        (reader,) = node.output(0).get_target_inputs()
        assert reader.get_node().get_type_name() == "Transpose"

"""Attention in bytes against attention computed step by step in float64, and the reach of a head against trying all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import WORDS, tiny_encoder_folder

openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")

from openvino import opset13 as ops  # noqa: E402

from retrieve.encoders.load import load_encoder  # noqa: E402
from retrieve.encoders.openvino.byte_attention import _TOPS, Reach, attention_in_bytes, reaches  # noqa: E402

HEADS, SIZE = 3, 8
WIDTH = HEADS * SIZE
Floats = NDArray[Any]

PEAKS = np.array([0.3, 1.0, 6.0])
"""What the queries of each head are multiplied by: its probabilities are nearly even, mixed, nearly all or nothing."""


def projections() -> Floats:
    """The weights of queries, keys and values, (3,W,W), float32."""
    weights = np.random.default_rng(3).standard_normal((3, WIDTH, WIDTH)) / np.sqrt(WIDTH)
    weights[0] *= np.repeat(PEAKS, SIZE)[:, None]
    return weights.astype(np.float32)


def attention(*, causal: bool = False, scaled: bool = True, scale: float | None = None) -> Any:
    """Attention over (B,T,W) as a converted and smoothed model has it; its output keeps the name "attention"."""
    given, kept = ops.parameter([-1, -1, WIDTH], np.float32), ops.parameter([-1, -1], np.int64)
    kept.output(0).set_names({"attention_mask"})
    given.output(0).set_names({"given"})
    split, swap = np.array([0, 0, HEADS, SIZE]), np.array([0, 2, 1, 3])
    parts = [
        ops.transpose(ops.reshape(ops.matmul(given, weights, False, True), split, True), swap)
        for weights in projections()
    ]
    if not causal:
        hidden = ops.multiply(ops.subtract(ops.convert(kept, "f32"), np.float32(1)), np.float32(1e30))
        parts.append(ops.unsqueeze(hidden, np.array([1, 2])))
    if scale is not None:
        parts.append(ops.constant(np.float32(scale)))
    node = ops.scaled_dot_product_attention(*parts, causal=causal)
    node.set_friendly_name("attention")
    joined = ops.reshape(ops.transpose(node, swap), np.array([0, 0, WIDTH]), True)
    output = ops.multiply(joined, factors().reshape(1, 1, -1)) if scaled else joined
    return openvino.Model([ops.relu(output), ops.multiply(output, np.float32(1))], [given, kept])


def factors() -> Floats:
    return np.random.default_rng(4).uniform(0.5, 2, WIDTH).astype(np.float32)


def sample(seed: int = 0, lengths: tuple[int, ...] = (9, 5)) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    given = random.standard_normal((len(lengths), max(lengths), WIDTH)).astype(np.float32)
    kept = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    given[kept == 0] *= 30  # what is made of padding would be seen
    return {"given": given, "attention_mask": kept}


def weights_and_values(inputs: dict[str, Any], scale: float = SIZE**-0.5) -> tuple[Floats, Floats]:
    """Probabilities (B,H,T,T) and values (B,H,T,d) in float64, one text, head and token at a time."""
    given, kept = inputs["given"].astype(np.float64), inputs["attention_mask"]
    query, key, value = (
        (given @ weights.T.astype(np.float64)).reshape(*given.shape[:2], HEADS, SIZE).swapaxes(1, 2)
        for weights in projections()
    )
    weights = np.zeros((*query.shape[:3], query.shape[2]))
    for text, length in enumerate(kept.sum(axis=1)):
        for head in range(HEADS):
            for token in range(query.shape[2]):
                scores = scale * key[text, head, :length] @ query[text, head, token]
                raw = np.exp(scores - scores.max())
                weights[text, head, token, :length] = raw / raw.sum()
    return weights, value


def run(graph: Any, inputs: dict[str, Any]) -> Floats:
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found: Floats = compiled(inputs)[1]
    return found


def kinds(graph: Any) -> set[str]:
    return {node.get_type_name() for node in graph.get_ops()}


def in_bytes(weights: Floats, tops: Floats) -> Floats:
    tops = tops.astype(np.float64).reshape(1, -1, 1, 1)
    rounded: Floats = np.minimum(np.rint(weights * 255 / tops), 255) * tops / 255
    return rounded


@pytest.mark.parametrize("scale", [None, 0.2])
def test_the_reach_of_a_head_is_the_best_of_those_tried(scale: float | None) -> None:
    inputs = [sample(seed, (40, 23)) for seed in range(3)]
    found = reaches(attention(scale=scale), inputs)["attention"]
    errors = np.zeros((HEADS, len(_TOPS)))
    largest = 0.0
    for part in inputs:
        weights, values = weights_and_values(part, scale or SIZE**-0.5)
        kept = part["attention_mask"][:, None, :] > 0
        largest = max(largest, np.abs(values[np.broadcast_to(kept, values.shape[:3])]).max())
        for number, top in enumerate(_TOPS):
            wrong = (in_bytes(weights, np.full(HEADS, top)) - weights) @ values
            errors[:, number] += ((wrong**2).sum(axis=-1) * kept).sum(axis=(0, 2))
    assert found.probabilities.tolist() == _TOPS[errors.argmin(axis=1)].tolist()
    assert found.values == pytest.approx(largest, rel=1e-5)
    if scale is None:
        assert found.probabilities[0] == _TOPS[0] < found.probabilities[2] == 1


@pytest.mark.parametrize("scale", [None, 0.2])
def test_bytes_give_what_rounding_by_hand_gives(scale: float | None) -> None:
    inputs = sample(7, (40, 23))
    reach = Reach(np.array([0.5, 0.7, 1], np.float32), 4.0)
    graph = attention(scale=scale)
    attention_in_bytes(graph, {"attention": reach})
    assert "ScaledDotProductAttention" not in kinds(graph)
    weights, values = weights_and_values(inputs, scale or SIZE**-0.5)
    step = reach.values / 127
    values = np.clip(np.rint(values / step), -128, 127) * step
    wanted = in_bytes(weights, reach.probabilities) @ values
    wanted = wanted.swapaxes(1, 2).reshape(2, 40, WIDTH) * factors()
    kept = inputs["attention_mask"] > 0
    found, exact = run(graph, inputs)[kept], run(attention(scale=scale), inputs)[kept]
    # What lies in the middle of two steps may go either way: a step of a value or of a probability, times the other.
    assert np.abs(found - wanted[kept]).max() < 0.1
    assert np.isclose(found, wanted[kept], atol=1e-4).mean() > 0.95
    assert not np.isclose(found, exact, atol=1e-4).mean() > 0.5  # it was rounded


def test_a_reach_for_each_head_loses_less_than_one_for_all() -> None:
    inputs = sample(8, (200, 200))
    exact = run(attention(), inputs)
    losses = []
    best = reaches(attention(), [sample(seed, (200, 200)) for seed in (9, 10, 11)])["attention"]
    for reach in (best, best._replace(probabilities=np.ones(HEADS, np.float32))):
        graph = attention()
        attention_in_bytes(graph, {"attention": reach})
        losses.append(np.square(run(graph, inputs) - exact).mean())
    assert losses[0] < losses[1]


def test_what_is_not_asked_for_or_looks_otherwise_stays_as_it_is() -> None:
    reach = Reach(np.ones(HEADS, np.float32), 4.0)
    unscaled, unnamed = attention(scaled=False), attention()
    attention_in_bytes(unscaled, {"attention": reach})
    attention_in_bytes(unnamed, {"another": reach})
    for graph in (unscaled, unnamed):
        assert "ScaledDotProductAttention" in kinds(graph)
        assert "FakeQuantize" not in kinds(graph)


def test_causal_attention_has_no_reach() -> None:
    assert reaches(attention(causal=True), [sample()]) == {}


@pytest.mark.usefixtures("own_cache", "real_machine")
@pytest.mark.parametrize(("limit", "bytes_wanted"), [(256, True), (257, False)])
def test_models_of_longer_texts_keep_float32(
    tmp_path: Path, own_cache: Path, limit: int, bytes_wanted: bool
) -> None:
    pytest.importorskip("nncf", reason="the extra openvino is not installed")
    folder = tiny_encoder_folder(tmp_path / "model", limit=limit)
    encoder = load_encoder(str(folder), backend="openvino", precision="int8")
    assert encoder.limit == limit
    found = encoder.encode_queries(WORDS[:20]).vectors
    (file,) = (own_cache / "models").glob("*/model.xml")
    graph = openvino.Core().read_model(str(file))
    assert ("Softmax" in kinds(graph)) == bytes_wanted
    assert ("ScaledDotProductAttention" in kinds(graph)) != bytes_wanted
    exact = load_encoder(str(folder), backend="torch", precision="fp32").encode_queries(WORDS[:20]).vectors
    assert (found * exact).sum(axis=1).min() > 0.95  # random weights

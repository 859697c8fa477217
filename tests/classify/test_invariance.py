"""A document's logits are its own: neither neighbours nor order nor padding change them, for every shipped network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_encoder_folder
from torch import Tensor
from toy_networks import (
    LABELS,
    NETWORKS,
    float32_rows,
    labelled,
    small,
    toy_context,
    toy_documents,
    toy_problem,
)
from transformers import AutoModel, AutoTokenizer

from retrieve.classify.aggregators import sequence
from retrieve.classify.frozen import FrozenNetwork, learn_frozen
from retrieve.classify.preset import load_preset
from retrieve.classify.ragged import Grid, Ragged, grids, ragged_of

LINEAR = ("mean", "max", "vote", "attention", "hier-bert", "lwan")
"""Presets that are a linear layer over the encoder's vector for a document of one passage; so are all of `truncate`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("invariance") / "model", limit=64)


@pytest.fixture(scope="module")
def learned(folder: Path) -> dict[str, FrozenNetwork]:
    """Every network after a little training, so that its logits are no longer small."""
    problem = toy_problem(toy_documents(24))
    return {
        name: learn_frozen(problem, small(name, folder, training__epochs=15), toy_context()).model
        for name in NETWORKS
    }  # type: ignore[misc]


def logits(model: FrozenNetwork, ragged: Ragged) -> Tensor:
    with torch.no_grad():
        return model.network(ragged)


def allowed(found: Tensor) -> float:
    return 1e-5 * max(1.0, float(found.std()))


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_do_not_change_with_the_batch(name: str, learned: dict[str, FrozenNetwork]) -> None:
    model = learned[name]
    documents = [*toy_documents(12, seed=1).documents, labelled("short", ["law"]), labelled("none", [])]
    together = logits(model, float32_rows(model.made.preset, documents))
    alone = torch.cat([logits(model, float32_rows(model.made.preset, [each])) for each in documents])
    backwards = logits(model, float32_rows(model.made.preset, documents[::-1])).flip(0)
    few = logits(model, float32_rows(model.made.preset, documents[3:5]))
    assert (together - alone).abs().max() <= allowed(together)
    assert (together - backwards).abs().max() <= allowed(together)
    assert (together[3:5] - few).abs().max() <= allowed(together)
    assert together.std() > 0.1


@pytest.mark.parametrize("name", ["tobert", "trldc"])
def test_without_the_mask_neighbours_would_matter(
    name: str, learned: dict[str, FrozenNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above would see if padding were attended to."""
    model = learned[name]
    documents = toy_documents(12, seed=1).documents
    rows = float32_rows(model.made.preset, list(documents))
    single = [float32_rows(model.made.preset, [each]) for each in documents]

    class Padded(sequence.nn.TransformerEncoder):
        def forward(
            self, src: Tensor, mask: Any = None, src_key_padding_mask: Any = None, is_causal: Any = None
        ) -> Tensor:
            found: Tensor = super().forward(src)
            return found

    def in_one(ragged: Ragged) -> Iterator[Grid]:
        yield from grids(ragged, most=1 << 30)

    monkeypatch.setattr(model.network.aggregator.context.layers, "__class__", Padded)
    monkeypatch.setattr(sequence, "grids", in_one)
    together, alone = logits(model, rows), torch.cat([logits(model, each) for each in single])
    assert (together - alone).abs().max() > 100 * allowed(together)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_passage_is_the_plain_encoder_under_the_head(
    name: str, learned: dict[str, FrozenNetwork], folder: Path
) -> None:
    model = learned[name]
    text = "blood and protein of the cell"
    tokens = AutoTokenizer.from_pretrained(str(folder))(text, return_tensors="pt", padding=False)
    with torch.inference_mode():
        states = AutoModel.from_pretrained(str(folder)).eval()(**tokens).last_hidden_state[0]
    vector = torch.nn.functional.normalize(states.mean(dim=0, keepdim=True))  # as the folder's modules say
    plain = states if model.made.preset.encoder.states else vector
    found = logits(model, float32_rows(model.made.preset, [labelled("one", text.split())]))
    with torch.no_grad():
        standard = model.network.standardise(plain.clone())
        wanted = model.network.aggregator(ragged_of([standard]))
    assert (found - wanted).abs().max() <= 1e-5 * max(1.0, float(wanted.abs().max()))
    if name in LINEAR or name.startswith("truncate"):
        weight, bias = _linear(model.network.aggregator)
        by_hand = (standard @ weight.T + bias).detach()
        assert (found - by_hand).abs().max() <= 1e-5 * max(1.0, float(by_hand.abs().max()))


def _linear(aggregator: Any) -> tuple[Tensor, Tensor]:
    if hasattr(aggregator, "output"):
        return aggregator.output.weight + aggregator.mean.weight, aggregator.bias
    head = getattr(aggregator.head, "head", aggregator.head)
    return head.weight, head.bias


@pytest.mark.parametrize("name", NETWORKS)
def test_kept_vectors_stay_near_fresh_ones(
    name: str, learned: dict[str, FrozenNetwork], own_cache: Path
) -> None:
    model = learned[name]
    documents = list(toy_documents(16, seed=2).documents)
    cached = FrozenNetwork(model.made, model.network, toy_context(cache=True))
    first, again = cached.scores(documents), cached.scores(documents)
    np.testing.assert_array_equal(first, again)
    fresh = logits(model, float32_rows(model.made.preset, documents)).double().numpy()
    # Float16 rounds by the size of a number, standardising divides by its spread: about .5 for real encoders, here 5.
    offset = float((model.network.standardise.mean.abs() / model.network.standardise.sd).median())
    assert np.abs(first - fresh).max() <= 2e-3 * fresh.std() * max(1, offset)
    assert first.shape == (16, len(LABELS.names))


@pytest.mark.model
@pytest.mark.parametrize("name", ["mean", "lwan"])
def test_kept_vectors_of_a_real_encoder_stay_near_fresh_ones(name: str) -> None:
    settings = {"encoder.precision": "fp32", "encoder.backend": "torch", "passages.size": 30}
    preset = load_preset(name, settings | {"training.epochs": 20, "training.dropout": 0.0})
    model = learn_frozen(toy_problem(toy_documents(32)), preset, toy_context()).model
    assert isinstance(model, FrozenNetwork)
    documents = list(toy_documents(24, seed=2).documents)
    fresh = logits(model, float32_rows(preset, documents)).double().numpy()
    kept = model.scores(documents)
    assert np.abs(kept - fresh).max() <= 2e-3 * fresh.std()
    np.testing.assert_array_equal(kept > 0, fresh > 0)
    assert not np.isin([127, 223, 319], model.network.standardise.kept.numpy()).any()

"""Packed, recomputed passages against the plain graph: scores and gradients in float64, with and without dropout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_bare_folder, tiny_encoder_folder

from retrieve.classify.aggregators.labelwise import LabelWise
from retrieve.classify.endtoend.model import DocumentNetwork, _scattered, passages_of
from retrieve.classify.network import Network
from retrieve.classify.ragged import Ragged, mean
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.tokens import TokenRow
from retrieve.encoders.torch.trainable import PassageModel


class Head(torch.nn.Module):
    """A linear layer over means, in whatever numbers come."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(dimensions, 3).double()

    def forward(self, ragged: Ragged) -> torch.Tensor:
        scores: torch.Tensor = self.linear(torch.tanh(mean(ragged)))
        return scores


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("encoder"), limit=64)


def network(folder: Path, *, budget: int, recompute: bool, states: bool = False) -> DocumentNetwork:
    encoder = PassageModel(
        read_encoder_folder(folder, None), pad=0, normalize=True, states=states, device="cpu"
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        head: Any = Head(encoder.dimensions)
        if states:
            labels = LabelWise(encoder.dimensions, 3, hidden=8, residual=True, dropout=0.1)
            head = Network(torch.nn.Identity(), labels, (0.0, 1.0)).double()  # type: ignore[arg-type]
    return DocumentNetwork(encoder.double(), head, budget=budget, recompute=recompute)


def passages(*documents: list[int], seed: int = 0) -> Any:
    """Documents of passages with so many tokens each."""
    chance = np.random.default_rng(seed)

    def row(length: int) -> TokenRow:
        ids = chance.integers(5, 200, size=length).astype(np.int32)
        return TokenRow(ids, np.zeros(length, np.int32), 0)

    return passages_of([[row(length) for length in own] for own in documents])


BATCH = ([12, 5, 30], [], [7], [7, 64, 3, 12])


def gradients(
    model: DocumentNetwork, batch: Any, seed: int = 3
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Scores of a batch, and the gradients of a loss over them."""
    torch.manual_seed(seed)
    model.zero_grad()
    scores = model(batch)
    scores.square().sum().backward()
    return scores.detach(), {
        name: weights.grad for name, weights in model.named_parameters() if weights.grad is not None
    }


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
def test_recomputed_gradients_are_those_of_the_plain_graph(folder: Path, dropout: bool, states: bool) -> None:
    batch = passages(*BATCH)
    plain = network(folder, budget=40, recompute=False, states=states).train(dropout)
    again = network(folder, budget=40, recompute=True, states=states).train(dropout)
    (scores, wanted), (found_scores, found) = gradients(plain, batch), gradients(again, batch)
    assert torch.equal(scores, found_scores)
    assert len(wanted) == len([weights for weights in plain.parameters() if weights.requires_grad])
    assert wanted.keys() == found.keys()
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=1e-10, atol=1e-12), name
    if dropout:
        other, _ = gradients(plain, batch, seed=4)
        assert not torch.allclose(other, scores)


@pytest.mark.parametrize("residual", [False, True])
def test_attention_over_parts_is_attention_over_the_whole_document(folder: Path, residual: bool) -> None:
    """Scores and gradients, of documents whose tokens are in several micro-batches, one that has none, and one long."""
    batch = passages([12, 5, 30], [], [7], [7, 64, 3, 12], [20] * 9)
    model = network(folder, budget=40, recompute=True, states=True).eval()
    head: Any = model.head
    if not residual:
        head.aggregator.mean = None
    model.zero_grad()
    scores = model(batch)
    scores.square().sum().backward()
    found = {
        name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None
    }
    model.zero_grad()
    wanted = head(model.encoded(batch))  # all states at once
    wanted.square().sum().backward()
    assert torch.allclose(scores, wanted, atol=1e-10)
    assert torch.allclose(scores[1], head.aggregator.bias)
    for name, weights in model.named_parameters():
        if weights.grad is not None:
            assert torch.allclose(found[name], weights.grad, rtol=1e-8, atol=1e-10), name


@pytest.mark.parametrize("states", [False, True])
def test_packed_passages_are_those_that_are_encoded_one_by_one(folder: Path, states: bool) -> None:
    model = network(folder, budget=40, recompute=False, states=states).eval()
    batch = passages(*BATCH)
    with torch.no_grad():
        found = model.encoded(batch)
        alone = [model.encoder(*model.encoder.batch([row])) for row in batch.rows]
    assert torch.allclose(found.rows, torch.cat(alone), atol=1e-12)
    counts = [sum(own) if states else len(own) for own in BATCH]
    assert found.counts.tolist() == counts


@pytest.mark.parametrize("budget", [1, 64, 1 << 14])
def test_scores_do_not_depend_on_neighbours_or_budget(folder: Path, budget: int) -> None:
    model = network(folder, budget=budget, recompute=False).eval()
    batch = passages(*BATCH)
    with torch.no_grad():
        together = model(batch)
        for number in range(len(BATCH)):
            rows = batch.rows[batch.firsts[number] : batch.firsts[number + 1]]
            assert torch.allclose(model(passages_of([rows]))[0], together[number], atol=1e-12)


def test_no_micro_batch_exceeds_the_budget(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(folder, budget=70, recompute=False).eval()
    sizes: list[int] = []
    original = PassageModel.batch

    def batch(self: PassageModel, rows: Any) -> Any:
        made = original(self, rows)
        sizes.append(made.ids.numel())
        return made

    monkeypatch.setattr(PassageModel, "batch", batch)
    with torch.no_grad():
        model(passages(*BATCH))
    assert max(sizes) <= 70
    assert sum(sizes) < 64 * 8 / 2  # padded to the longest passage they would be 64 × 8 tokens


def test_documents_without_passages_get_the_scores_of_nothing(folder: Path) -> None:
    model = network(folder, budget=64, recompute=True).train()
    scores, found = gradients(model, passages([], []))
    assert torch.equal(scores, model.head.linear.bias.detach().expand(2, 3))  # type: ignore[union-attr]
    assert found["head.linear.bias"].abs().sum() > 0


def test_layers_that_are_computed_again_change_nothing(folder: Path) -> None:
    batch = passages(*BATCH)
    plain = network(folder, budget=64, recompute=True).train()
    layered = network(folder, budget=64, recompute=True).train()
    layered.encoder.checkpoint_layers()
    (scores, wanted), (found_scores, found) = gradients(plain, batch), gradients(layered, batch)
    assert torch.equal(scores, found_scores)
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=1e-10, atol=1e-12), name


@pytest.mark.parametrize("states", [False, True])
def test_recomputing_keeps_the_inputs_of_layers_out_of_memory(folder: Path, states: bool) -> None:
    """What the graph holds on to grows with vectors, not with what layers make of tokens, nor with token states."""

    def held(recompute: bool, many: int) -> int:
        model = network(folder, budget=64, recompute=recompute, states=states).train()
        kept: list[int] = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(passages([16] * many))
        return sum(kept)

    plain = held(recompute=False, many=40) - held(recompute=False, many=20)
    again = held(recompute=True, many=40) - held(recompute=True, many=20)
    assert again < plain / 20


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_rows_are_put_back_in_order(counts: list[int], chance: Any) -> None:
    order = list(range(len(counts)))
    chance.shuffle(order)
    named = [[(number, row) for row in range(count)] for number, count in enumerate(counts)]
    come = [name for number in order for name in named[number]]
    places = _scattered(np.array(order), np.array(counts))
    assert [come[place] for place in places] == [name for own in named for name in own]


def test_what_the_plain_encoder_gives_is_what_is_pooled(tmp_path: Path) -> None:
    """One passage: the vector of sentence-transformers for the same tokens."""
    from sentence_transformers import SentenceTransformer

    root = tiny_encoder_folder(tmp_path / "own", limit=64)
    text = "the court of law and the act"
    wanted = SentenceTransformer(str(root), device="cpu").encode([text])[0]
    from retrieve.encoders.load import load_encoder

    rows = load_encoder(str(root), backend="torch", precision="fp32").rows([text])
    model = network(root, budget=64, recompute=False).eval()
    with torch.no_grad():
        found = model.encoder(*model.encoder.batch(rows))[0].numpy()
    assert np.allclose(found, wanted, atol=1e-6)


def test_the_poolings_of_a_plain_folder(tmp_path: Path) -> None:
    root = tiny_bare_folder(tmp_path / "bare")
    rows = passages([9, 4]).rows
    for pooling in ("cls", "mean", "max", "last"):
        model = PassageModel(read_encoder_folder(root, pooling), pad=0, normalize=False, device="cpu").eval()  # type: ignore[arg-type]
        with torch.no_grad():
            hidden = [
                model.transformer(torch.from_numpy(row.ids.astype(np.int64))[None])[0][0] for row in rows
            ]
            found = model(*model.batch(rows))
        for states, vector in zip(hidden, found, strict=True):
            wanted = {
                "cls": states[0],
                "mean": states.mean(0),
                "max": states.max(0).values,
                "last": states[-1],
            }[pooling]
            assert torch.allclose(vector, wanted, atol=1e-5)

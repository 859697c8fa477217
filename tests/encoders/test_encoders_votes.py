"""Compiled token winners against the torch module, ties and segments included."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_encoder_folder, tiny_sparse_folder

from retrieve._core import count_votes
from retrieve.encoders.load import load_encoder
from retrieve.encoders.sparse.encoder import load_sparse_encoder
from retrieve.encoders.sparse.votes import most_voted
from retrieve.encoders.winners import WinnerTakeAll


@st.composite
def heads(draw: st.DrawFn) -> tuple[WinnerTakeAll, torch.Tensor]:
    """A head whose projections are few whole numbers, so that they tie, and the tokens of a text."""
    segments = draw(st.integers(1, 3))
    width = draw(st.sampled_from([1, 5, 64, 65, 150]))
    winners = draw(st.integers(1, min(width, 9)))
    cap = draw(st.one_of(st.none(), st.integers(1, 2 * segments * width)))
    head = WinnerTakeAll(
        3, segments * width, segments * winners, level="token", segments=segments, cap=cap
    ).eval()
    random = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(random.integers(-2, 3, head.weight.shape).astype(np.float32)))
        head.mean.copy_(torch.from_numpy(random.integers(-1, 2, 3).astype(np.float32)))
    tokens = random.integers(-2, 3, (draw(st.integers(1, 8)), 3)).astype(np.float32)
    return head, torch.from_numpy(tokens)


@settings(deadline=None, max_examples=300)
@given(drawn=heads(), query=st.booleans())
def test_codes_are_those_of_the_module(drawn: tuple[WinnerTakeAll, torch.Tensor], query: bool) -> None:
    head, tokens = drawn
    features = {"token_embeddings": tokens[None], "attention_mask": torch.ones(1, len(tokens))}
    with torch.inference_mode():
        expected = head(features, task="query" if query else "document")["sentence_embedding"][0]
        z = ((tokens - head.mean) @ head.weight.T).numpy()
    votes = np.zeros(head.dimensions, np.int64)
    values = np.full(head.dimensions, -np.inf, np.float32)
    for part in (z[:1], z[1:]):
        count_votes(part, head.winners // head.segments, head.segments, votes, values)
    found = np.zeros(head.dimensions, np.float32)
    found[most_voted(votes, values, None if query else head.cap)] = 1
    np.testing.assert_array_equal(found, expected.numpy())


def test_any_encoder_has_an_untrained_head(tmp_path: Path) -> None:
    """The same codes as of a folder saved with such a head."""
    numbers = {"dimensions": 512, "winners": 6, "cap": 40}
    saved = tiny_sparse_folder(tmp_path / "saved", level="token", **numbers)
    plain = Path(shutil.copytree(saved, tmp_path / "plain"))
    (plain / "modules.json").unlink()
    shutil.rmtree(plain / "1_WinnerTakeAll")
    texts = ["the law of the court", "a cell of the blood " * 20, "wing"]
    encoders = [
        load_sparse_encoder(str(folder), limit=32, device="cpu", untrained=untrained)
        for folder, untrained in ((saved, None), (saved, {"winners": 1}), (plain, numbers))
    ]
    for rows in (
        [encoder.encode_documents(texts) for encoder in encoders],
        [encoder.encode_queries(texts) for encoder in encoders],
    ):
        for other in rows[1:]:
            assert rows[0].starts.tolist() == other.starts.tolist()
            assert rows[0].dims.tolist() == other.dims.tolist()


def test_the_numbers_of_a_head_are_part_of_what_a_model_is(tmp_path: Path) -> None:
    model = str(tiny_encoder_folder(tmp_path / "plain"))
    numbers = {"dimensions": 512, "winners": 6, "cap": 40}
    heads = [{**numbers, **change} for change in ({}, {"seed": 4}, {"cap": 41}, {"winners": 7})]
    found = {load_sparse_encoder(model, untrained=head).fingerprint for head in heads}
    assert len(found | {load_encoder(model).fingerprint}) == 5


def test_a_text_with_a_damaged_state_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieve.encoders.sparse.torch_backend import SparseTorch
    from retrieve.errors import BadVectors

    encoder = load_sparse_encoder(
        str(tiny_encoder_folder(tmp_path / "plain")), untrained={"dimensions": 64, "winners": 2}
    )
    count = SparseTorch._count

    def damaged(self: SparseTorch, states: torch.Tensor, attention: torch.Tensor, task: str) -> torch.Tensor:
        states = states.clone()
        states[0, 0, 0] = torch.nan
        return count(self, states, attention, task)

    monkeypatch.setattr(SparseTorch, "_count", damaged)
    with pytest.raises(BadVectors, match="NaN"):
        encoder.encode_documents(["the law", "a longer text about the law"])

"""Compiled token winners against the torch module, ties and segments included."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_encoder_folder, tiny_sparse_folder

from retrieve.encoders.batches import Padded
from retrieve.encoders.folder import SPLADE, UNTRAINED, WINNERS, Module
from retrieve.encoders.load import load_encoder
from retrieve.encoders.sparse.encoder import load_sparse_encoder
from retrieve.encoders.sparse.token_codes import TokenCodes, is_compiled
from retrieve.encoders.tokens import TokenRow
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
    task = "query" if query else "document"
    with tempfile.TemporaryDirectory() as folder:
        head.save(folder)
        codes = TokenCodes(Module(WINNERS, Path(folder), head.get_config_dict()), head.hidden)
    counts = np.array([1, len(tokens) - 1] if len(tokens) > 1 else [1])
    found = codes.codes_of(tokens.numpy(), counts, task)
    for code, own in zip(found, tokens.split(counts.tolist()), strict=True):
        features = {"token_embeddings": own[None], "attention_mask": torch.ones(1, len(own))}
        with torch.inference_mode():
            expected = head(features, task=task)["sentence_embedding"][0]
        np.testing.assert_array_equal(code, expected.numpy())


@pytest.mark.parametrize("segments", [1, 4])
def test_codes_of_an_untrained_head_are_those_of_the_module(segments: int) -> None:
    """Of real numbers, which hardly tie; padding is no token."""
    numbers = {
        "dimensions": 2048,
        "winners": 16,
        "query_winners": 8,
        "cap": 100,
        "segments": segments,
        "seed": 2,
    }
    codes = TokenCodes(Module(UNTRAINED, Path(), numbers), 48)
    module = WinnerTakeAll(48, level="token", **numbers)
    states = torch.randn(3, 40, 48, generator=torch.Generator().manual_seed(5)) * 3
    rows = [TokenRow(np.ones(length, np.int64), np.zeros(length, np.int64), 0) for length in (40, 7, 1)]
    batch = Padded(rows, 0)
    for task in ("query", "document"):
        features = {"token_embeddings": states, "attention_mask": torch.from_numpy(batch.mask)}
        with torch.inference_mode():
            expected = module(features, task=task)["sentence_embedding"]
        np.testing.assert_array_equal(codes.codes(states.numpy(), batch, task), expected.numpy())


def test_what_is_not_finite_spoils_its_own_text_alone() -> None:
    codes = TokenCodes(Module(UNTRAINED, Path(), {"dimensions": 64, "winners": 2}), 8)
    states = np.ones((4, 8), np.float32)
    states[1, 3], states[3, 0] = np.nan, 3e38
    found = codes.codes_of(states, np.array([1, 2, 1]), "document")
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True]


def test_which_heads_are_compiled() -> None:
    """The others are the module's: several layers, caps by value or idf."""
    cases = [({}, True), ({"cap": 5}, True), ({"cap_rule": "idf"}, True), ({"layers": [1, 2]}, False)]
    cases += [({"cap": 5, "cap_rule": rule}, rule == "votes") for rule in ("votes", "value", "idf")]
    for said, compiled in cases:
        assert is_compiled(Module(WINNERS, Path(), said)) == compiled
    assert not is_compiled(Module(SPLADE, Path(), {}))


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
    last_states = SparseTorch._last_states

    def damaged(self: SparseTorch, batch: Padded) -> np.ndarray:
        states = last_states(self, batch).copy()
        states[0, 0, 0] = np.nan
        return states

    monkeypatch.setattr(SparseTorch, "_last_states", damaged)
    with pytest.raises(BadVectors, match="NaN"):
        encoder.encode_documents(["the law", "a longer text about the law"])

"""Packed batches give the token vectors of padded ones: attention within each text alone, positions from its start.

On a processor the registered attention goes text by text in place of FlashAttention, so this holds what is fed to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_families import FAMILIES, LIMIT, tiny_family

from retrieve.encoders.batches import Padded
from retrieve.encoders.tokens import TokenRow
from retrieve.encoders.torch.packed import PACKABLE, can_pack

PACKED = sorted(name for name, family in FAMILIES.items() if family.model_type in PACKABLE)


def rows(vocabulary: int, pad: int) -> list[TokenRow]:
    """Lengths that differ much, among them 1 and the limit; ids that hold no padding."""
    random = np.random.default_rng(5)
    ids = [random.integers(6, vocabulary, length, dtype=np.int32) for length in (LIMIT, 40, 17, 9, 9, 2, 1)]
    assert pad < 6
    return [TokenRow(row, np.zeros(len(row), np.int32), 0) for row in ids]


def batch_for(model: Any) -> Padded:
    pad = model.config.pad_token_id
    return Padded(rows(model.config.vocab_size, pad), pad)


def load(folder: Path) -> Any:
    from transformers import AutoModel

    from retrieve.encoders.torch.backend import load_transformer

    return load_transformer(folder, AutoModel, "cpu")


@pytest.mark.parametrize("name", PACKED)
def test_packed_is_padded(name: str, tmp_path: Path) -> None:
    import torch

    from retrieve.encoders.torch.model_inputs import model_inputs
    from retrieve.encoders.torch.packed import PackedTransformer

    model = load(tiny_family(name, tmp_path / name))
    batch = batch_for(model)
    with torch.inference_mode():
        expected = model(**model_inputs(model, batch)).last_hidden_state.numpy()
        found = PackedTransformer(model)(batch).numpy()
    real = batch.mask.astype(bool)
    assert np.abs(expected[real]).mean() > 0.1
    np.testing.assert_allclose(found[real], expected[real], atol=1e-5)
    assert not found[~real].any()


def test_families_are_packed_or_known_not_to_be() -> None:
    """MPNet, DeBERTa and the sparse ones have attention of their own, MobileBERT embeds a token with its neighbours."""
    left = {family.model_type for family in FAMILIES.values()} - PACKABLE
    assert left == {"mpnet", "deberta-v2", "mobilebert", "big_bird", "longformer"}


def test_a_processor_keeps_its_padding(tmp_path: Path) -> None:
    assert not can_pack(load(tiny_family("bert", tmp_path / "bert")))

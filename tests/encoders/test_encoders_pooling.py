"""Pooling in numpy against sentence-transformers' module, and means of ranges against slices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.encoders.dense.pooling import MODES, mean_of_ranges, pool

SEVERAL = ("mean", "cls", "max")


def hidden_and_mask(lengths: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = (np.arange(max(lengths))[None] < np.array(lengths)[:, None]).astype(np.int64)
    return rng.standard_normal((len(lengths), max(lengths), 6)).astype(np.float32), mask


@pytest.mark.parametrize("modes", [*((mode,) for mode in MODES), SEVERAL])
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 9))
def test_every_mode_is_that_of_sentence_transformers(
    modes: tuple[str, ...], lengths: list[int], seed: int
) -> None:
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling

    hidden, mask = hidden_and_mask(lengths, seed)
    features = {"token_embeddings": torch.from_numpy(hidden), "attention_mask": torch.from_numpy(mask)}
    expected = Pooling(6, modes)(features)["sentence_embedding"].numpy()
    found = pool(hidden, mask, modes)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_ranges_are_means_of_their_tokens() -> None:
    hidden, _ = hidden_and_mask([7, 5], 0)
    ranges = np.array([[0, 1, 3], [1, 0, 5], [0, 6, 7]])
    expected = [hidden[0, 1:3].mean(0), hidden[1, :5].mean(0), hidden[0, 6]]
    np.testing.assert_allclose(mean_of_ranges(hidden, ranges), expected, rtol=1e-6)
    assert mean_of_ranges(hidden, ranges[:0]).shape == (0, 6)

"""The brute-force search of the gate against sorting everything, in blocks of any size; usage in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retrieve.train.frozen_modules import VectorLookup
from retrieve.train.validate import top, usage


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 12), st.integers(1, 9))
def test_top_is_a_sort_by_count_and_row(seed: int, documents: int, k: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    queries = (rng.random((3, 6)) < 0.4).astype(np.float32)
    codes = (rng.random((documents, 6)) < 0.4).astype(np.float32)
    blocks = (torch.from_numpy(codes[start : start + block]) for start in range(0, documents, block))
    found = top(torch.from_numpy(queries), blocks, k)
    for query, ranking in zip(queries, found, strict=True):
        counts = codes @ query
        wanted = sorted((-count, row) for row, count in enumerate(counts.tolist()) if count > 0)[:k]
        assert ranking == [(row, -negative) for negative, row in wanted]


def test_usage_of_even_and_of_lonely_winners() -> None:
    class Student(torch.nn.Module):
        device = torch.device("cpu")

        def __init__(self, codes: torch.Tensor) -> None:
            super().__init__()
            self.preprocess = VectorLookup(codes).preprocess

        def forward(self, features: dict[str, torch.Tensor], task: str) -> dict[str, torch.Tensor]:
            return features

    even = usage(Student(torch.eye(8).repeat(20, 1)), np.arange(160))
    assert (even.entropy, even.dead) == (pytest.approx(1), 0)
    lonely = usage(Student(torch.eye(8)[:2].repeat(20, 1)), np.arange(40))
    assert (lonely.entropy, lonely.dead) == (pytest.approx(1 / 3), 0.75)

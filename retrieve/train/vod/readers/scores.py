"""Where every reader starts: a weighted sum of the retrieval scores, so that it never begins from chance.

p(d|q_j) is normalised for each option by itself: how well an option retrieves at all reaches the choice only by g.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCORES = 3
"""Cosine, BM25 of the question, BM25 of the option."""


class StartingScores(nn.Module):
    """w · (cosine, BM25 of the question, BM25 of the option): (…,3) → (…). The weights are learned like all others.

    BM25 is divided by `BM25_UNIT` first, so that one learning rate suits all three.
    """

    BM25_UNIT = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(SCORES))
        self.register_buffer("unit", torch.tensor([1.0, 1 / self.BM25_UNIT, 1 / self.BM25_UNIT]))

    def forward(self, scores: Tensor) -> Tensor:
        """Of each document."""
        total: Tensor = (scores * self.unit) @ self.weights.to(scores.dtype)
        return total

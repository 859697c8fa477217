"""Where every reader starts: a weighted sum of the retrieval scores, so that it never begins from chance.

p(d|q_j) is normalised for each option by itself: how well an option retrieves at all reaches the choice only by g.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCORES = 3
"""Cosine, BM25 of the question, BM25 of the option."""

BM25_UNIT = 10.0
"""What BM25 is divided by, so that one learning rate suits all three."""


class StartingScores(nn.Module):
    """w · (cosine, BM25 of the question, BM25 of the option): (…,3) → (…). The weights are learned like all others."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(SCORES))

    def forward(self, scores: Tensor) -> Tensor:
        """Of each document."""
        # No matrix product, which autocast would round.
        return (in_units(scores) * self.weights.to(scores.dtype)).sum(dim=-1)


def in_units(scores: Tensor) -> Tensor:
    """Scores (…,3) of about one size: BM25 by `BM25_UNIT`."""
    return scores * torch.tensor(
        [1.0, 1 / BM25_UNIT, 1 / BM25_UNIT], dtype=scores.dtype, device=scores.device
    )

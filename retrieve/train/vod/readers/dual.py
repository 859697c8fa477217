"""The dual-encoder reader: a small network over the vectors of [q; a] and of the document. The one for a processor.

Its last layer starts at 0, so that training begins at the retrieval scores alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from retrieve.train.vod.readers.protocol import Read
from retrieve.train.vod.readers.scores import SCORES, StartingScores, in_units


class DualReader(nn.Module):
    """g = w · scores + network(q ⊙ d, |q − d|, scores). `documents`: without, the network sees the question alone."""

    reads_texts = False

    def __init__(
        self, dimensions: int, *, hidden: int, dropout: float, scores: bool, documents: bool
    ) -> None:
        super().__init__()
        self.start = StartingScores() if scores and documents else None
        self._documents = documents
        inputs = 2 * dimensions + SCORES if documents else dimensions
        last = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(last.weight)
        self.network = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout), last)
        # Unit vectors have entries of about 1/√D: a layer that expects about 1 would hardly see them.
        self._unit = dimensions**0.5

    def forward(self, read: Read) -> Tensor:
        """G (B,M,K)."""
        queries = read.queries.unsqueeze(-2).expand_as(read.documents)
        if not self._documents:
            alone: Tensor = self.network(queries * self._unit).squeeze(-1)
            return alone
        both = [
            queries * read.documents * self._unit**2,
            (queries - read.documents).abs() * self._unit,
            in_units(read.scores),
        ]
        g: Tensor = self.network(torch.cat(both, dim=-1)).squeeze(-1)
        return g if self.start is None else g + self.start(read.scores)

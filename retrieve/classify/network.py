"""The network over frozen vectors: standardise, aggregate, and for values the scale that targets have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from retrieve.classify.ragged import Ragged
from retrieve.classify.standardise import Standardise


class Network(nn.Module):
    """Rows (R,D) of N documents → scores (N,L).

    `scale` (2,): mean and standard deviation of what is predicted, which the aggregator gives in units of it; (0, 1)
    for labels.
    """

    scale: Tensor

    def __init__(self, standardise: Standardise, aggregator: nn.Module, scale: tuple[float, float]) -> None:
        super().__init__()
        self.standardise = standardise
        self.aggregator = aggregator
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))

    def forward(self, ragged: Ragged) -> Tensor:
        return self._scaled(self.aggregator(self._standard(ragged)))

    def parts(self, ragged: Ragged) -> Tensor:
        """What `joined` needs of some token states of each document; see `LabelWise`."""
        aggregator: Any = self.aggregator
        made: Tensor = aggregator.parts(self._standard(ragged))
        return made

    def joined(self, parts: Ragged, counts: Tensor) -> Tensor:
        """Scores (N,L) of documents by what was made of parts of their token states; see `LabelWise`."""
        aggregator: Any = self.aggregator
        return self._scaled(aggregator.joined(parts, counts))

    def attention(self, ragged: Ragged) -> Tensor | None:
        """Weights (R,L) of rows, or None; see `Aggregator`."""
        aggregator: Any = self.aggregator
        weights: Tensor | None = aggregator.attention(self._standard(ragged))
        return weights

    def _scaled(self, logits: Tensor) -> Tensor:
        return logits * self.scale[1] + self.scale[0]

    def _standard(self, ragged: Ragged) -> Ragged:
        return ragged.having(self.standardise(ragged.rows))

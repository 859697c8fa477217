"""Aggregators that read passages in order: LSTM and transformer, and what makes one vector of their outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from retrieve.classify.aggregators.pooling import AttentionPool
from retrieve.classify.ragged import Ragged, first, greatest, grids, last, mean, packed
from retrieve.errors import RecipeError

Pool = Literal["max", "mean", "first", "last", "attention"]

_POOLS: Mapping[str, Callable[[Ragged], Tensor]] = {
    "max": greatest,
    "mean": mean,
    "first": first,
    "last": last,
}


class Head(nn.Module):
    """Rows to one vector a document, and a linear layer over it."""

    def __init__(self, pool: Pool, dimensions: int, labels: int, *, dropout: float) -> None:
        super().__init__()
        self.pool = AttentionPool(dimensions, dimensions) if pool == "attention" else None
        self._pooled = self.pool or _POOLS[pool]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(dimensions, labels)

    def forward(self, ragged: Ragged) -> Tensor:
        logits: Tensor = self.head(self.dropout(self._pooled(ragged)))
        return logits

    def attention(self, ragged: Ragged) -> Tensor | None:
        """Weights (R,L), those of one attention for every label; None where the pool has none."""
        if self.pool is None:
            return None
        return self.pool.weights(ragged).rows.expand(-1, self.head.out_features)


class Attention(nn.Module):
    """One attention over passages, for all labels (Chalkidis et al. 2019, HIER-BERT)."""

    def __init__(self, dimensions: int, labels: int, *, dropout: float) -> None:
        super().__init__()
        self.head = Head("attention", dimensions, labels, dropout=dropout)

    def forward(self, ragged: Ragged) -> Tensor:
        logits: Tensor = self.head(ragged)
        return logits

    def attention(self, ragged: Ragged) -> Tensor | None:
        return self.head.attention(ragged)


class LSTM(nn.Module):
    """An LSTM over passages, packed; `pool` "last" takes of both directions where they end."""

    def __init__(
        self,
        dimensions: int,
        labels: int,
        *,
        hidden: int,
        layers: int,
        bidirectional: bool,
        pool: Pool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.ends = bidirectional and pool == "last"
        self.lstm = nn.LSTM(
            dimensions, hidden, layers, bidirectional=bidirectional, dropout=dropout if layers > 1 else 0.0
        )
        self.dropout = nn.Dropout(dropout)
        self.head = Head(pool, hidden * (1 + bidirectional), labels, dropout=dropout)

    def forward(self, ragged: Ragged) -> Tensor:
        logits: Tensor = self.head(self._read(ragged))
        return logits

    def attention(self, ragged: Ragged) -> Tensor | None:
        return self.head.attention(self._read(ragged))

    def _read(self, ragged: Ragged) -> Ragged:
        """Outputs (R,H) of both directions; with `ends`, in each row what a direction says at its end."""
        if not len(ragged.rows):
            return ragged.having(ragged.rows.new_zeros(0, self.head.head.in_features))
        sequence, order = packed(ragged.having(self.dropout(ragged.rows)))
        found, _ = self.lstm(sequence)
        outputs = ragged.having(found.data[order.argsort()])
        if not self.ends:
            return outputs
        ends = torch.cat([last(outputs)[:, : self.hidden], first(outputs)[:, self.hidden :]], dim=1)
        return ragged.having(ends[ragged.owners])


class Contextual(nn.Module):
    """Rows (R,D) → (R,`width`), each having seen the others of its document: a transformer with sinusoidal positions.

    There is no longest document: positions are computed, not learned (Vaswani et al. 2017, section 3.5). Without
    `hidden` the width is D, or the next multiple of `heads`; a linear layer brings rows to another width than theirs.
    """

    def __init__(self, dimensions: int, *, hidden: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        heads = heads or max(round((hidden or dimensions) / 64), 1)
        self.width = hidden or -(-dimensions // heads) * heads
        if self.width % heads:
            raise RecipeError(
                f"aggregator.hidden = {hidden} is no multiple of aggregator.heads = {heads}: change either"
            )
        self.project = nn.Linear(dimensions, self.width) if self.width != dimensions else None
        layer = nn.TransformerEncoderLayer(
            self.width, heads, 4 * self.width, dropout, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, ragged: Ragged) -> Ragged:
        rows = ragged.rows if self.project is None else self.project(ragged.rows)
        placed = ragged.having(rows + _sinusoids(ragged.positions, self.width).to(rows.dtype))
        outputs, places = [], []
        for grid in grids(placed):
            outputs.append(self.layers(grid.cells, src_key_padding_mask=~grid.real)[grid.real])
            places.append(grid.rows)
        if not outputs:
            return placed
        return ragged.having(torch.cat(outputs)[torch.cat(places).argsort()])


class Transformer(nn.Module):
    """Layers of a transformer over passages, then a pool."""

    def __init__(self, context: Contextual, labels: int, *, pool: Pool, dropout: float) -> None:
        super().__init__()
        self.context = context
        self.head = Head(pool, context.width, labels, dropout=dropout)

    def forward(self, ragged: Ragged) -> Tensor:
        logits: Tensor = self.head(self.context(ragged))
        return logits

    def attention(self, ragged: Ragged) -> Tensor | None:
        return self.head.attention(self.context(ragged))


def _sinusoids(positions: Tensor, width: int) -> Tensor:
    """(R,W) float32: sines and cosines of positions (R,) at W/2 rates from 1 to 1/10,000."""
    rates = torch.exp(torch.arange(0, width, 2, device=positions.device) * (-math.log(10_000.0) / width))
    angles = positions[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]

"""Label-wise attention: each label reads the passages, or the tokens, that speak for it (Mullenbach et al. 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from retrieve.classify.aggregators.sequence import Contextual
from retrieve.classify.aggregators.streaming import LabelKeys, label_attention, leveled_attention
from retrieve.classify.ragged import Ragged, mean, softmax, total


class LabelWise(nn.Module):
    """Logits o_l · Σ_s α_ls h_s + b_l with α_l = softmax over rows of u_l · k_s / √K: one query and one output a label.

    Keys k are the rows (Chalkidis et al. 2019), or tanh(W h) with `hidden` units (Huang et al. 2022, equation 3).
    `residual` adds a linear layer over the rows' mean; `context`: layers that rows go through before (Dai et al. 2022).
    `descriptions` (L,D): u_l and o_l are linear in the label's description vector, and b is one for all labels, so that
    other labels can be scored by other vectors (Rios and Kavuluru 2018).
    """

    descriptions: Tensor | None

    def __init__(
        self,
        dimensions: int,
        labels: int,
        *,
        hidden: int = 0,
        residual: bool = False,
        context: Contextual | None = None,
        descriptions: Tensor | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.context = context
        width = dimensions if context is None else context.width
        self.key = nn.Linear(width, hidden) if hidden else None
        # Layers from a label's description to its weights, or the weights themselves.
        inner, outer = (labels, None) if descriptions is None else (hidden or width, dimensions)
        self.query = nn.Linear(outer or hidden or width, inner, bias=False)
        self.output = nn.Linear(outer or width, labels if outer is None else width, bias=False)
        self.mean = (
            nn.Linear(outer or width, labels if outer is None else width, bias=False) if residual else None
        )
        self.bias = nn.Parameter(torch.zeros(labels if descriptions is None else 1))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("descriptions", descriptions)
        # At first every label reads the mean. From random queries, attention of few documents never finds its way.
        nn.init.zeros_(self.query.weight)

    def forward(self, ragged: Ragged) -> Tensor:
        seen = self._dropped(self._seen(ragged))
        logits = self.bias + label_attention(seen, self._keys(), values=self._weights(self.output))
        return logits if self.mean is None else logits + mean(seen) @ self._weights(self.mean).T

    def parts(self, ragged: Ragged) -> Tensor:
        """What `joined` needs of some rows of each document: (N,P,L), for documents that have rows among them.

        With `context`, which goes over all rows of a document, there is no such thing.
        """
        seen = self._dropped(ragged)
        found: tuple[Tensor, ...] = leveled_attention(seen, self._keys(), values=self._weights(self.output))
        if self.mean is not None:
            found = (*found, total(seen) @ self._weights(self.mean).T)
        return torch.stack(found, dim=1)

    def joined(self, parts: Ragged, counts: Tensor) -> Tensor:
        """Logits (N,L) of documents by the `parts` (P′,P,L) of each, and how many rows each has in all, (N,)."""
        values, levels, *sums = parts.rows.unbind(dim=1)
        shares = softmax(parts.having(levels))
        logits = self.bias + total(parts.having(shares * values))
        return logits + total(parts.having(sums[0])) / counts.clamp(min=1)[:, None] if sums else logits

    def attention(self, ragged: Ragged) -> Tensor | None:
        seen = self._seen(ragged)
        return softmax(seen.having(self._keys().scores(seen.rows)))

    def _seen(self, ragged: Ragged) -> Ragged:
        return ragged if self.context is None else self.context(ragged)

    def _dropped(self, ragged: Ragged) -> Ragged:
        """The same dimensions dropped in all rows of a document: other rows would give them away."""
        if not self.training or not self.dropout.p:
            return ragged
        kept = self.dropout(ragged.rows.new_ones(len(ragged.counts), ragged.rows.shape[1]))
        return ragged.having(ragged.rows * kept[ragged.owners])

    def _keys(self) -> LabelKeys:
        """Queries count by the root of their length, so that attention learns at the pace of the rest."""
        queries = self._weights(self.query)
        queries = queries / math.sqrt(queries.shape[1])
        return LabelKeys(queries) if self.key is None else LabelKeys(queries, self.key.weight, self.key.bias)

    def _weights(self, layer: nn.Linear) -> Tensor:
        """Weights (L,…) of the labels: the layer's own, or what it makes of their descriptions, at length 1."""
        if self.descriptions is None:
            return layer.weight
        made: Tensor = layer(self.descriptions / math.sqrt(self.descriptions.shape[1]))
        return made

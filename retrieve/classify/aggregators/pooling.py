"""Aggregators that pool: what the passages of a document say counts alike, or the loudest of them counts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrieve.classify.ragged import Ragged, first, greatest, log_mean_exp, mean, softmax, total
from retrieve.types import Task


class Pooled(nn.Module):
    """A linear layer over the mean or the greatest of the vectors, dimension by dimension."""

    def __init__(
        self, pool: Callable[[Ragged], Tensor], dimensions: int, labels: int, *, dropout: float
    ) -> None:
        super().__init__()
        self._pool = pool
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(dimensions, labels)

    def forward(self, ragged: Ragged) -> Tensor:
        logits: Tensor = self.head(self.dropout(self._pool(ragged)))
        return logits

    def attention(self, ragged: Ragged) -> Tensor | None:
        return None


class Vote(nn.Module):
    """A linear layer over each passage; the mean of the passages' probabilities, as a logit again.

    Values of an ordinal task are averaged themselves.
    """

    def __init__(self, dimensions: int, labels: int, *, task: Task, dropout: float) -> None:
        super().__init__()
        self.task = task
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(dimensions, labels)

    def forward(self, ragged: Ragged) -> Tensor:
        single = ragged.having(self.head(self.dropout(ragged.rows)))
        if self.task == "ordinal":
            votes = mean(single)
        elif self.task == "multiclass":
            votes = log_mean_exp(single.having(functional.log_softmax(single.rows, dim=1)))
        else:
            yes, no = functional.logsigmoid(single.rows), functional.logsigmoid(-single.rows)
            votes = log_mean_exp(single.having(yes)) - log_mean_exp(single.having(no))
        return torch.where(ragged.counts[:, None] > 0, votes, self.head.bias)

    def attention(self, ragged: Ragged) -> Tensor | None:
        return None


class FirstMeanMax(nn.Module):
    """The first vector, the mean and the greatest, side by side, under one hidden layer."""

    def __init__(self, dimensions: int, labels: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(3 * dimensions, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, labels),
        )

    def forward(self, ragged: Ragged) -> Tensor:
        logits: Tensor = self.layers(torch.cat([first(ragged), mean(ragged), greatest(ragged)], dim=1))
        return logits

    def attention(self, ragged: Ragged) -> Tensor | None:
        return None


class AttentionPool(nn.Module):
    """One attention over rows: w · tanh(W h + b), a softmax over a document's rows (Yang et al. 2016, eq. 5 to 7)."""

    def __init__(self, dimensions: int, hidden: int) -> None:
        super().__init__()
        self.key = nn.Linear(dimensions, hidden)
        self.query = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.query.weight)  # at first the mean

    def weights(self, ragged: Ragged) -> Ragged:
        """Weights (R,1) of sum 1 over each document's rows."""
        return ragged.having(softmax(ragged.having(self.query(torch.tanh(self.key(ragged.rows))))))

    def forward(self, ragged: Ragged) -> Tensor:
        return total(ragged.having(self.weights(ragged).rows * ragged.rows))

"""What the trainer calls: it encodes the two columns of a batch and hands codes and vectors to the objectives.

Rows travel with a batch's texts, so that the teacher's vectors of exactly these texts are at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retrieve.train.objectives import TEMPERATURE, distillation, info_nce, overlap, usage_imbalance

INFO_NCE_SCALE = 20.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each objective counts; 0 leaves it out."""

    infonce: float
    distill: float
    balance: float


class PairLoss(torch.nn.Module):
    """Loss of pairs (query or crop, document) by `weights`: a dictionary, whose parts the trainer adds up and logs.

    `vectors` (R,D) are the teacher's, unit norm, by row; `slope` is that of the untrained head's overlap on cosine.
    """

    def __init__(self, model: Any, *, vectors: Tensor, weights: Weights, slope: float) -> None:
        super().__init__()
        self.model = model
        self._weights = weights
        self._student_scale = 1 / (TEMPERATURE * slope)
        self._vectors = vectors

    def forward(self, columns: Sequence[dict[str, Any]], labels: Tensor | None = None) -> dict[str, Tensor]:
        """`columns`: features of the first and the second text of each pair, with their `rows` (B,) int64."""
        first, second = columns
        rows = first["rows"].cpu(), second["rows"].cpu()
        queries = self.model(first)["sentence_embedding"]
        documents = self.model(second)["sentence_embedding"]
        scores = overlap(queries=queries, documents=documents)
        losses: dict[str, Tensor] = {}
        if self._weights.infonce:
            losses["infonce"] = self._weights.infonce * info_nce(scores, scale=INFO_NCE_SCALE).loss
        if self._weights.distill:
            teacher = (self._vectors[rows[0]] @ self._vectors[rows[1]].T).to(scores.device)
            learned = distillation(scores, teacher=teacher, scale=self._student_scale)
            losses["distill"] = self._weights.distill * learned.loss
        if self._weights.balance:
            codes = torch.cat([queries, documents])
            losses["balance"] = self._weights.balance * usage_imbalance(codes).loss
        return losses

"""The aggregator that a preset names."""

from __future__ import annotations

from torch import Tensor, nn

from retrieve.classify.aggregators.pooling import FirstMeanMax, Pooled, Vote
from retrieve.classify.preset import AggregatorSection
from retrieve.classify.ragged import greatest, mean
from retrieve.errors import RecipeError
from retrieve.types import Task


def make_aggregator(
    section: AggregatorSection,
    dimensions: int,
    labels: int,
    *,
    task: Task,
    dropout: float = 0.0,
    descriptions: Tensor | None = None,
) -> nn.Module:
    """The `Aggregator` of a preset over rows (R,D), untrained, its weights drawn from torch's generator.

    `descriptions` (L,D): vectors of the labels, where the section asks for them. Raises `RecipeError` for settings that
    do not go together.
    """
    match section.kind:
        case "mean" | "max":
            pool = mean if section.kind == "mean" else greatest
            return Pooled(pool, dimensions, labels, dropout=dropout)
        case "vote":
            return Vote(dimensions, labels, task=task, dropout=dropout)
        case "first-mean-max":
            return FirstMeanMax(dimensions, labels, hidden=section.hidden or 512, dropout=dropout)
    raise RecipeError(f"aggregator.kind = {section.kind!r} is not made here")

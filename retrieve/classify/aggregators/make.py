"""The aggregator that a preset names, with what its kind takes for a setting that is 0."""

from __future__ import annotations

from torch import Tensor, nn

from retrieve.classify.aggregators.labelwise import LabelWise
from retrieve.classify.aggregators.pooling import FirstMeanMax, Pooled, Vote
from retrieve.classify.aggregators.sequence import LSTM, Attention, Contextual, Transformer
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
    if section.descriptions != (descriptions is not None) or (
        section.descriptions and section.kind != "label-wise"
    ):
        raise RecipeError(
            f"aggregator.descriptions = {str(section.descriptions).lower()} with aggregator.kind = {section.kind!r}: "
            'descriptions of labels are read by "label-wise" alone, and it needs their vectors then'
        )
    match section.kind:
        case "mean" | "max":
            pool = mean if section.kind == "mean" else greatest
            return Pooled(pool, dimensions, labels, dropout=dropout)
        case "vote":
            return Vote(dimensions, labels, task=task, dropout=dropout)
        case "first-mean-max":
            return FirstMeanMax(dimensions, labels, hidden=section.hidden or 512, dropout=dropout)
        case "attention":
            return Attention(dimensions, labels, dropout=dropout)
        case "lstm":
            return LSTM(
                dimensions,
                labels,
                hidden=section.hidden or 100,
                layers=section.layers or 1,
                bidirectional=section.bidirectional,
                pool=section.pool,
                dropout=dropout,
            )
        case "transformer":
            context = _context(section, dimensions, section.hidden, section.layers or 2, dropout)
            return Transformer(context, labels, pool=section.pool, dropout=dropout)
        case "label-wise" | "label-wise-tokens":
            return _label_wise(section, dimensions, labels, dropout, descriptions)


def _label_wise(
    section: AggregatorSection, dimensions: int, labels: int, dropout: float, descriptions: Tensor | None
) -> LabelWise:
    if section.kind == "label-wise-tokens" and section.layers:
        raise RecipeError(
            f'aggregator.layers = {section.layers} with aggregator.kind = "label-wise-tokens": layers go over passage '
            'vectors, take kind = "label-wise" or no layers'
        )
    return LabelWise(
        dimensions,
        labels,
        hidden=section.hidden,
        residual=section.residual,
        context=_context(section, dimensions, 0, section.layers, dropout) if section.layers else None,
        descriptions=descriptions,
        dropout=dropout,
    )


def _context(
    section: AggregatorSection, dimensions: int, hidden: int, layers: int, dropout: float
) -> Contextual:
    return Contextual(dimensions, hidden=hidden, layers=layers, heads=section.heads, dropout=dropout)

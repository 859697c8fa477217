"""A reader by its settings."""

from __future__ import annotations

from typing import Any

from torch import nn

from retrieve.train.vod.readers.cross import CrossReader
from retrieve.train.vod.readers.dual import DualReader
from retrieve.train.vod.readers.mlm import MaskedReader
from retrieve.train.vod.settings import VodSettings


def make_reader(settings: VodSettings, dimensions: int, device: str | None) -> nn.Module:
    """Untrained; `dimensions` D of the vectors that a dual reader gets."""
    section = settings.reader
    documents = settings.retriever.source != "none"
    if section.kind == "dual":
        return DualReader(
            dimensions,
            hidden=section.hidden,
            dropout=section.dropout,
            scores=section.scores,
            documents=documents,
        )
    given: dict[str, Any] = {
        "limit": section.limit,
        "scores": section.scores and documents,
        "budget": settings.training.budget,
        "device": device,
    }
    if section.kind == "cross":
        return CrossReader(section.encoder, dropout=section.dropout, **given)
    return MaskedReader(section.encoder, **given)

"""Which parameters learn how fast: the aggregator by its own rate, each layer of the encoder less than the next."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from torch import nn

from retrieve.classify.preset import EndToEnd

_ENCODER = "encoder.transformer."
_LAYER = re.compile(r"\.(\d+)\.")


def parameter_groups(
    network: nn.Module, settings: EndToEnd, decayed: Collection[str]
) -> list[dict[str, Any]]:
    """The groups of an optimizer, of rates and weight decay; `decayed` are the names of weights that decay.

    The encoder's last layer, and what comes after it, has `lr`; k layers below that is lr · layer_decay^k, embeddings
    are below the first (Howard and Ruder 2018; layers that share weights are one). All else has `head_lr`.
    """
    named = [(name, weights) for name, weights in network.named_parameters() if weights.requires_grad]
    depths = [_layer(name) for name, _ in named]
    layers = 1 + max((depth for depth in depths if depth is not None), default=-1)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for (name, weights), depth in zip(named, depths, strict=True):
        if not name.startswith("encoder."):
            rate = settings.head_lr
        else:
            below = (
                layers if "embed" in name and depth is None else 0 if depth is None else layers - 1 - depth
            )
            rate = settings.lr * settings.layer_decay**below
        decay = settings.weight_decay if name in decayed else 0.0
        groups.setdefault((rate, decay), []).append(weights)
    return [{"params": own, "lr": rate, "weight_decay": decay} for (rate, decay), own in groups.items()]


def _layer(name: str) -> int | None:
    """The number of the transformer's layer that a weight is of, counted from 0."""
    found = _LAYER.search(name) if name.startswith(_ENCODER) else None
    return int(found[1]) if found else None

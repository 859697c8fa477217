"""Winner-take-all and the gradient that trains it, as functions of tensors.

Winners are a mask, so nothing flows back through them; the straight-through gradient pretends that a dimension wins
by a sigmoid of how far it is above the threshold, measured in standard deviations of the text's own projections:
W ~ N(0, 1/H) without that scale leaves the sigmoid flat and nothing is learned.
"""

from __future__ import annotations

import torch
from torch import Tensor

TEMPERATURE = 0.5


def take_winners(z: Tensor, winners: int) -> tuple[Tensor, Tensor]:
    """z (...,D) → mask (...,D) of exactly `winners` largest, ties by lower dimension; threshold (...,1), detached."""
    z = z.detach()
    threshold = z.topk(winners, dim=-1).values[..., -1:]
    above = z > threshold
    tied = z == threshold
    room = winners - above.sum(dim=-1, keepdim=True)
    if bool((tied.sum(dim=-1, keepdim=True) > room).any()):
        tied &= tied.cumsum(dim=-1) <= room
    return above | tied, threshold


def margins(z: Tensor, threshold: Tensor) -> Tensor:
    """How far z (...,S,D) is above threshold (...,S,1), in standard deviations over the S x D numbers of a text.

    The gradient passes through the deviation and not through the threshold.
    """
    spread = z.std(dim=(-2, -1), keepdim=True, correction=0).clamp_min(1e-12)
    return z / spread - (threshold / spread).detach()


def straight_through(mask: Tensor, margin: Tensor) -> Tensor:
    """The mask as 0.0 and 1.0, with the gradient σ′(margin / T) / T for each dimension, T = `TEMPERATURE`."""
    soft = torch.sigmoid(margin / TEMPERATURE)
    return mask.to(margin.dtype) + (soft - soft.detach())

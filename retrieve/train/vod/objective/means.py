"""The Rényi mean that every bound here is: a logarithm of a mean of powers, near α = 1 without its cancellation.

Whatever is masked is filled before anything is computed from it, so that no gradient meets −inf − −inf.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_SMALL = 1.0
"""Up to this (1−α) · spread the form around the mean is exact; above it, the logarithm of the sum."""


class Masked(NamedTuple):
    """Log-weights with Σ exp = 1 over the last axis, −inf where masked; `kept` says what is not.

    A row that is masked as a whole has the weight 1 at its first place, where what is filled in is found.
    """

    log_weights: Tensor
    kept: Tensor

    def filled(self, values: Tensor, value: float = 0.0) -> Tensor:
        """Values with `value` at what is masked."""
        return values.masked_fill(~self.kept, value)


def normalised(log_weights: Tensor) -> Masked:
    """Raw log-weights (…,K), −inf where masked → normalised ones."""
    kept = log_weights > -torch.inf
    empty = ~kept.any(dim=-1, keepdim=True)
    first = torch.zeros_like(kept)
    first[..., 0] = True
    usable = torch.where(empty & first, torch.zeros_like(log_weights), log_weights)
    return Masked(usable - torch.logsumexp(usable, dim=-1, keepdim=True), kept)


def weighted_logsumexp(values: Tensor, log_weights: Tensor) -> Tensor:
    """log Σ exp(log_weights + values) over the last axis; where a weight is −inf its value must be finite."""
    return torch.logsumexp(log_weights + values, dim=-1)


def renyi_mean(values: Tensor, log_weights: Tensor, alpha: float) -> Tensor:
    """(1−α)⁻¹ log Σ s·exp((1−α)·x) over the last axis, s = exp(log_weights) with Σ s = 1; at α = 1 the mean Σ s·x.

    Values (…,K), finite also where a weight is −inf. With x = log w and s = r this is the Rényi variational bound
    (Li and Turner, arXiv 1602.02311; arXiv 2210.06345, section 2). Non-increasing in α.
    """
    weights = log_weights.exp()
    mean = (weights * values).sum(dim=-1)
    if alpha == 1:  # a branch, not torch.where: the other form divides by 0
        return mean
    power = 1.0 - alpha
    if abs(power) > 0.5:
        return weighted_logsumexp(power * values, log_weights) / power
    held = torch.where(weights > 0, values, mean.unsqueeze(-1).detach())
    spread = (held.amax(dim=-1) - held.amin(dim=-1)).detach()
    near = abs(power) * spread <= _SMALL
    around = torch.where(near.unsqueeze(-1), held, torch.zeros_like(held))
    middle = (weights * around).sum(dim=-1)
    small = middle + _log1p_mean(power * (around - middle.unsqueeze(-1)), weights) / power
    large = weighted_logsumexp(power * held, log_weights) / power
    return torch.where(near, small, large)


def _log1p_mean(exponents: Tensor, weights: Tensor) -> Tensor:
    return torch.log1p((weights * torch.expm1(exponents)).sum(dim=-1))

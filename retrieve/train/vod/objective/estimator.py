"""L̂_α: the bound estimated from K of the P documents that the sampler's cache holds for a query.

Written once in log space; autodiff gives the gradient, which is the paper's surrogate. The sampler's scores must be the
very numbers that were sampled from: fresh ones in their place would bias every weight.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrieve.train.vod.objective.means import normalised, renyi_mean, weighted_logsumexp


class Diagnostics(NamedTuple):
    """Of each of B questions: effective sample size (Σω)²/Σω² of the gradient's weights, KL(p‖r) over the truncated
    set as the sample estimates it, and L̂_0 − L̂_1.
    """

    effective_size: Tensor
    divergence: Tensor
    gap: Tensor


def estimate(
    scores: Tensor, *, reader: Tensor, sampler_scores: Tensor, log_weights: Tensor, alpha: float
) -> Tensor:
    """L̂_α (B,) from sampled documents (arXiv 2210.06345, section 2: the VOD objective).

    All (B,K): fresh `scores` f_θ, cached `sampler_scores` f_φ, `reader` log p(a|d,q), and the raw log s̄ of
    `priority_sample`, −inf where a place is empty. With ζ = exp(f_θ − f_φ) and s = s̄/Σs̄,
    v̂ = p·ζ / Σ s·ζ and L̂_α = (1−α)⁻¹ log Σ s·v̂^(1−α). It may exceed log p(a|q). A row without documents gives 0.
    """
    sample = normalised(log_weights)
    ratio = sample.filled(scores) - sample.filled(sampler_scores)
    values = sample.filled(reader) + ratio
    return renyi_mean(values, sample.log_weights, alpha) - weighted_logsumexp(ratio, sample.log_weights)


def surrogate(
    scores: Tensor, *, reader: Tensor, sampler_scores: Tensor, log_weights: Tensor, alpha: float
) -> Tensor:
    """What has the gradient Σ ω̂·[∇log p + ∇f − Σ ŵ·∇f] of each of B queries (arXiv 2210.06345, section 2).

    Its value means nothing. ω̂ = softmax(log s + (1−α)(log p + log ζ)), ŵ = softmax(log s + log ζ), both without
    gradient. Arguments as in `estimate`, whose gradient is the same.
    """
    sample = normalised(log_weights)
    f, log_p = sample.filled(scores), sample.filled(reader)
    with torch.no_grad():
        ratio = f - sample.filled(sampler_scores)
        target = torch.softmax(sample.log_weights + (1.0 - alpha) * (log_p + ratio), dim=-1)
        prior = torch.softmax(sample.log_weights + ratio, dim=-1)
    return (target * (log_p + f)).sum(dim=-1) - (prior * f).sum(dim=-1)


@torch.no_grad()
def diagnose(
    scores: Tensor, *, reader: Tensor, sampler_scores: Tensor, log_weights: Tensor, alpha: float
) -> Diagnostics:
    """See `Diagnostics`; arguments as in `estimate`."""
    sample = normalised(log_weights)
    ratio = sample.filled(scores) - sample.filled(sampler_scores)
    log_target = torch.log_softmax(
        sample.log_weights + (1.0 - alpha) * (sample.filled(reader) + ratio), dim=-1
    )
    given = {"reader": reader, "sampler_scores": sampler_scores, "log_weights": log_weights}
    return Diagnostics(
        torch.exp(-torch.logsumexp(2 * log_target, dim=-1)),
        prior_divergence(ratio, sample.log_weights),
        estimate(scores, **given, alpha=0.0) - estimate(scores, **given, alpha=1.0),
    )


def prior_divergence(ratio: Tensor, log_weights: Tensor) -> Tensor:
    """KL(p‖r) over the last axis, estimated: ratio log ζ, normalised log s; (…,K) → (…)."""
    log_prior = torch.log_softmax(log_weights + ratio, dim=-1)
    normaliser = weighted_logsumexp(ratio, log_weights).unsqueeze(-1)
    return (log_prior.exp() * (ratio - normaliser)).sum(dim=-1)

"""The exact Rényi variational bound over an enumerable set of documents, and its gradient in score space.

It is what the estimator estimates, and what evaluation computes: nothing is sampled here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from retrieve.train.vod.objective.means import normalised, renyi_mean


def exact_bound(scores: Tensor, *, reader: Tensor, sampler_scores: Tensor, alpha: float) -> Tensor:
    """L_α = (1−α)⁻¹ log E_r[w^(1−α)], w = p(a|d)·p(d|q) / r(d), of each of B queries (arXiv 2210.06345, section 2).

    `scores` f_θ (B,P) and `sampler_scores` f_φ (B,P): p(d|q) and r are their softmax (eq. 8a, 8b); `reader` (B,P) is
    log p(a|d,q). −inf in the sampler's scores masks a document. α = 0 is log p(a|q), α = 1 the ELBO; α < 0 is an upper
    bound.
    """
    sampler = normalised(sampler_scores)
    prior = torch.log_softmax(scores.masked_fill(~sampler.kept, -torch.inf), dim=-1)
    values = sampler.filled(reader) + sampler.filled(prior) - sampler.filled(sampler.log_weights)
    return renyi_mean(values, sampler.log_weights, alpha)


def score_gradient(scores: Tensor, *, reader: Tensor, sampler_scores: Tensor, alpha: float) -> Tensor:
    """∂L_α/∂f_θ(d) = ω_α(d) − p(d|q), ω_α ∝ r^α · p(d|a,q)^(1−α); (B,P), arguments as in `exact_bound` (derived).

    0 where masked. α = 1 pulls the retriever to the sampler, α = 0 the prior to the posterior.
    """
    sampler = normalised(sampler_scores)
    prior = torch.log_softmax(scores.masked_fill(~sampler.kept, -torch.inf), dim=-1)
    posterior = sampler.filled(prior) + sampler.filled(reader)
    log_target = alpha * sampler.filled(sampler.log_weights) + (1.0 - alpha) * posterior
    target = torch.softmax(log_target.masked_fill(~sampler.kept, -torch.inf), dim=-1)
    return sampler.filled(target - prior.exp())

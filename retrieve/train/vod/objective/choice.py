"""Multiple choice: M options with documents of their own, D = (d_1 … d_M), and a reader that compares the options.

p(D|Q) is a product over options and so are weights and ratios, but the reader's softmax is not: a sum over all K^M
combinations. `integral.py` makes one integral of it; the grid of combinations is the oracle in tests, and the way
between α = .99 and 1, where a tiny error of the integral would be divided by 1 − α.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from retrieve.errors import UsageError
from retrieve.train.vod.objective import integral
from retrieve.train.vod.objective.estimator import Diagnostics, prior_divergence
from retrieve.train.vod.objective.means import normalised, renyi_mean, weighted_logsumexp

MOST_CELLS = 2**20
GRID_FROM = 0.99


class Choices(NamedTuple):
    """A batch of B questions with up to M options of K documents each, all (B,M,K).

    Fresh `scores` f_θ(d_j, q_j), the cached `sampler_scores` f_φ, the reader's g(d_j, q_j), and raw `log_weights` log s̄
    of `priority_sample`. −inf in the last masks a place; an option that is masked as a whole is not there.
    """

    scores: Tensor
    sampler_scores: Tensor
    reader: Tensor
    log_weights: Tensor


class _Parts(NamedTuple):
    """Normalised log s, log ζ and g (B,M,K); options (B,M) that are there; Σ_j log Σ_k s·ζ (B,)."""

    log_weights: Tensor
    ratio: Tensor
    reader: Tensor
    present: Tensor
    normaliser: Tensor


def choice_estimate(choices: Choices, answers: Tensor, *, alpha: float) -> Tensor:
    """L̂_α (B,) of the right answers (B,) int64 (derived; arXiv 2210.06345, section 2.4, has the sum over all D).

    With s = s̄/Σs̄ of each option and ζ = exp(f_θ − f_φ),
    L̂_α = (1−α)⁻¹ log Σ_D Π_j s_j ζ_j^(1−α) p(a|D)^(1−α) − Σ_j log Σ_k s_jk ζ_jk, p(a|D) = softmax_j g(d_j, q_j).
    Raises `UsageError` between α = .99 and 1 where K^M is above 2²⁰.
    """
    parts = _parts(choices)
    if alpha == 1:
        return _elbo(parts, answers) - parts.normaliser
    if alpha > GRID_FROM:
        return _grid(parts, answers, alpha)
    power = 1.0 - alpha
    total = integral.log_expected_power(
        parts.log_weights + power * parts.ratio, parts.reader, answers, parts.present, power=power
    )
    return total / power - parts.normaliser


def grid_estimate(choices: Choices, answers: Tensor, *, alpha: float) -> Tensor:
    """`choice_estimate` by all K^M combinations. Raises `UsageError` where they are more than 2²⁰."""
    return _grid(_parts(choices), answers, alpha)


def log_probabilities(scores: Tensor, reader: Tensor) -> Tensor:
    """log p(a|Q) (B,M) of every option, exact over all documents given: L_0; −inf for an option that is not there.

    Scores and g are (B,M,P), masked by −inf in the scores. The options' probabilities add up to 1 as they are.
    """
    prior = normalised(scores)
    choices = Choices(scores, scores, reader, prior.log_weights.masked_fill(~prior.kept, -torch.inf))
    parts = _parts(choices)
    rows = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
    options = (rows + option for option in range(scores.shape[1]))
    each = [
        integral.log_expected_power(parts.log_weights, parts.reader, option, parts.present, power=1.0)
        for option in options
    ]
    return torch.stack(each, dim=1).masked_fill(~parts.present, -torch.inf)


@torch.no_grad()
def choice_diagnostics(choices: Choices, answers: Tensor, *, alpha: float) -> Diagnostics:
    """Of each of B questions; the effective size is of combinations, the divergence the sum over options (derived).

    Raises `UsageError` for α above 1, of which there is no integral.
    """
    if alpha > 1:
        raise UsageError(f"the effective size has no integral where α is {alpha}, wanted at most 1: lower it")
    parts = _parts(choices)
    at_zero = choice_estimate(choices, answers, alpha=0.0)
    at_one = choice_estimate(choices, answers, alpha=1.0)
    return Diagnostics(
        _effective_size(parts, answers, 1.0 - alpha),
        (prior_divergence(parts.ratio, parts.log_weights) * parts.present).sum(dim=-1),
        at_zero - at_one,
    )


def _parts(choices: Choices) -> _Parts:
    sample = normalised(choices.log_weights)
    ratio = sample.filled(choices.scores) - sample.filled(choices.sampler_scores)
    present = sample.kept.any(dim=-1)
    normaliser = (weighted_logsumexp(ratio, sample.log_weights) * present).sum(dim=-1)
    return _Parts(sample.log_weights, ratio, sample.filled(choices.reader), present, normaliser)


def _elbo(parts: _Parts, answers: Tensor) -> Tensor:
    """Σ_D Π s · (Σ_j log ζ_j + g_a − log Σ_j exp g_j): the last term is an integral too."""
    weights = parts.log_weights.exp()
    rows = torch.arange(len(answers), device=answers.device)
    ratios = ((weights * parts.ratio).sum(dim=-1) * parts.present).sum(dim=-1)
    right = (weights * parts.reader).sum(dim=-1)[rows, answers]
    return ratios + right - integral.expected_logsumexp(parts.log_weights, parts.reader, parts.present)


def _effective_size(parts: _Parts, answers: Tensor, power: float) -> Tensor:
    """(Σω)²/Σω² over all D of ω = Π_j s_j ζ_j^b · p(a|D)^b: both sums are integrals, of powers b and 2b."""
    if power == 0:
        squares = (2 * parts.log_weights).exp().sum(dim=-1)
        return torch.where(parts.present, 1 / squares, torch.ones_like(squares)).prod(dim=-1)
    each = parts.log_weights + power * parts.ratio
    first = integral.log_expected_power(each, parts.reader, answers, parts.present, power=power)
    second = integral.log_expected_power(2 * each, parts.reader, answers, parts.present, power=2 * power)
    return torch.exp(2 * first - second)


def _grid(parts: _Parts, answers: Tensor, alpha: float) -> Tensor:
    found = []
    for row, present in enumerate(parts.present):
        options = torch.nonzero(present).squeeze(-1)
        count, width = len(options), parts.log_weights.shape[-1]
        if width**count > MOST_CELLS:
            raise UsageError(
                f"the grid of {count} options with {width} documents each has {width**count:,} cells, wanted at most "
                f"{MOST_CELLS:,}: lower k to {int(MOST_CELLS ** (1 / count) + 1e-9)}, or take an α up to {GRID_FROM}"
            )
        log_weights, ratio, reader = (
            _combined(values[row, options]) for values in (parts.log_weights, parts.ratio, parts.reader)
        )
        answer = int(torch.nonzero(options == answers[row]).squeeze())
        values = ratio.sum(dim=-1) + torch.log_softmax(reader, dim=-1)[:, answer]
        found.append(renyi_mean(values, log_weights.sum(dim=-1), alpha))
    return torch.stack(found) - parts.normaliser


def _combined(values: Tensor) -> Tensor:
    """(M,K) → (K^M,M): every combination of one place from each row."""
    return torch.cartesian_prod(*values) if len(values) > 1 else values.T

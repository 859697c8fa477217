"""The multiple-choice sum over K^M combinations as one integral over u, at the cost of K·M for each of some 200 nodes.

From S^(−b) = Γ(b)⁻¹ ∫ t^(b−1) e^(−tS) dt with S = Σ_j exp g_j and t = e^u, by parts (derived):
    Σ_D Π_j c_j · p(a|D)^b = Γ(1+b)⁻¹ ∫ e^(bu) (−dF_a/du) du,   F_a = A_a Π_{j≠a} B_j,
    B_j(u) = Σ_k c_jk exp(−e^(u+g_jk)), and A_a the same with a factor exp(b·g_ak).
The integrand falls off at both ends faster than any power, so equal steps are exact to rounding. In float64 whatever
is given: the arrays are small, and the limits below are for it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

STEP = 0.25
LOWEST = -38.0
BEYOND = 4.0
"""e^(−e^4) is 2·10⁻²⁴."""

_ABSENT = -1e4
"""The g of an option that is not there: exp g is 0, and so is all that it adds."""
_TOP = 60.0
"""Beyond, exp(−e^x) is 0 and e^x would only overflow."""


def log_expected_power(
    log_coefficients: Tensor, reader: Tensor, answers: Tensor, present: Tensor, *, power: float
) -> Tensor:
    """log Σ_D Π_j c_j · p(a|D)^b (B,), b = `power` > 0.

    log c (B,M,K), −inf where masked; g (B,M,K), finite; `answers` (B,); `present` (B,M): options that are there.
    """
    kept = (log_coefficients > -torch.inf) & present.unsqueeze(-1)
    coefficients, g = _prepared(log_coefficients, reader, present, kept)
    at_answer = torch.zeros_like(present)
    at_answer[torch.arange(len(answers), device=answers.device), answers] = True
    coefficients = coefficients + torch.where(at_answer.unsqueeze(-1) & kept, power * g, torch.zeros_like(g))
    nodes = _nodes(g, kept)
    exponents = (nodes + g.unsqueeze(-1)).clamp(max=_TOP)  # (B,M,K,N)
    terms = coefficients.unsqueeze(-1) - exponents.exp()
    logs = torch.logsumexp(terms, dim=2)  # log B_j, or log A_a: (B,M,N)
    slopes = torch.logsumexp(terms + exponents, dim=2) - logs
    integrand = power * nodes + logs.sum(dim=1) + torch.logsumexp(slopes, dim=1)
    total = torch.logsumexp(integrand, dim=-1) + math.log(STEP) - math.lgamma(1.0 + power)
    return total.to(reader.dtype)


def expected_logsumexp(log_weights: Tensor, reader: Tensor, present: Tensor) -> Tensor:
    """Σ_D Π_j s_j · log Σ_j exp g_j (B,), Σ_k s_jk = 1.

    From log S = ∫ (e^(−t) − e^(−tS)) dt/t (Frullani), t = e^u; arguments as in `log_expected_power`.
    """
    kept = (log_weights > -torch.inf) & present.unsqueeze(-1)
    weights, g = _prepared(log_weights, reader, present, kept)
    highest = _highest(reader, kept)
    nodes = _nodes(g, kept, least=BEYOND)  # e^(−t) is there whatever S is, and S is up to M
    exponents = (nodes + g.unsqueeze(-1)).clamp(max=_TOP)
    logs = torch.logsumexp(weights.unsqueeze(-1) - exponents.exp(), dim=2)
    difference = torch.exp(-nodes.clamp(max=_TOP).exp()) - logs.sum(dim=1).exp()
    total = difference.sum(dim=-1) * STEP + highest
    return total.to(reader.dtype)


def _prepared(
    log_coefficients: Tensor, reader: Tensor, present: Tensor, kept: Tensor
) -> tuple[Tensor, Tensor]:
    """log c and g less its highest, in float64; an option that is not there multiplies by 1."""
    there = present.unsqueeze(-1)
    first = torch.zeros_like(kept)
    first[..., 0] = True
    absent = torch.where(
        first, torch.zeros_like(log_coefficients), torch.full_like(log_coefficients, -torch.inf)
    )
    coefficients = torch.where(there, log_coefficients, absent).double()
    highest = _highest(reader, kept)[:, None, None]
    g = torch.where(kept, reader.double() - highest, torch.full_like(reader, _ABSENT).double())
    return coefficients, torch.where(there & ~kept, torch.zeros_like(g), g)


def _highest(reader: Tensor, kept: Tensor) -> Tensor:
    """(B,) the highest g of each question: a constant that is taken off and added again, without gradient."""
    return reader.detach().double().masked_fill(~kept, -torch.inf).flatten(1).amax(dim=1)


def _nodes(g: Tensor, kept: Tensor, *, least: float = LOWEST) -> Tensor:
    """(N,) places of u for a whole batch, to where e^(−tS) is 0 and at least to `least`; the highest g (B,M,K) is 0."""
    lowest = g.detach().masked_fill(~kept, torch.inf).amin(dim=-1)
    lowest = torch.where(lowest < torch.inf, lowest, torch.full_like(lowest, _ABSENT))
    last = max(least, BEYOND - float(torch.logsumexp(lowest, dim=-1).min()))
    count = math.ceil((last - LOWEST) / STEP) + 1
    return LOWEST + STEP * torch.arange(count, dtype=torch.float64, device=g.device)

"""What a head is trained to do: pure functions of codes and vectors, each giving a loss and what to watch beside it.

A code is a winner mask with a straight-through gradient, so every score here is a count of shared winners; counts are
divided by √(m_q·m_d) and scaled before any softmax, because at m = 512 a softmax over bare counts is a maximum and most
queries would get no gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.05
"""Of the softmax over cosines: what MiniLM and its like were trained with (scale 20)."""


class Objective(NamedTuple):
    """A scalar `loss` to minimise, and detached scalars by name."""

    loss: Tensor
    diagnostics: dict[str, Tensor]


def overlap(*, queries: Tensor, documents: Tensor) -> Tensor:
    """Codes (B,D) and (C,D) of 0 and 1 → shared winners by √(m_q·m_d) (B,C), in [0, 1]: the cosine of the codes.

    The numbers of winners are what they are, no way to learn: no gradient flows through the divisor. A code without
    winners scores 0.
    """
    winners = queries.detach().sum(dim=1)[:, None] * documents.detach().sum(dim=1)[None, :]
    return queries @ documents.T / winners.sqrt().clamp_min(1)


def info_nce(scores: Tensor, *, scale: float) -> Objective:
    """Scores (B,B) whose diagonal are the positives → the mean cross-entropy of scale·scores by row.

    Diagnostic `first`: the share of rows whose positive scores highest.
    """
    logits = scale * scores
    target = torch.arange(len(logits), device=logits.device)
    first = (logits.detach().argmax(dim=1) == target).float().mean()
    return Objective(functional.cross_entropy(logits, target), {"first": first})


def distillation(scores: Tensor, *, teacher: Tensor, scale: float) -> Objective:
    """KL from the softmax of the teacher's cosines (B,C) at `TEMPERATURE` to that of scale·scores (B,C); row mean.

    Diagnostic `agreed`: the share of rows whose highest score is the teacher's highest.
    """
    target = (teacher / TEMPERATURE).log_softmax(dim=1)
    loss = functional.kl_div(
        (scale * scores).log_softmax(dim=1), target, reduction="batchmean", log_target=True
    )
    agreed = (scores.detach().argmax(dim=1) == teacher.argmax(dim=1)).float().mean()
    return Objective(loss, {"agreed": agreed})


def usage_imbalance(codes: Tensor) -> Objective:
    """Codes (B,D) → log D − entropy of the dimensions' shares of all winners: 0 where all are used alike.

    Diagnostic `unused`: the share of dimensions without a winner in the batch.
    """
    used = codes.sum(dim=0)
    share = used / used.sum().clamp_min(1)
    entropy = torch.special.entr(share.clamp_min(0)).sum()
    unused = (used.detach() == 0).float().mean()
    return Objective(torch.log(torch.tensor(float(len(used)))) - entropy, {"unused": unused})


def overlap_slope(scores: Tensor, cosines: Tensor) -> float:
    """By how much `overlap` (B,C) grows with the cosine (B,C) of the vectors, by least squares: about .26 untrained.

    A student scale of 1 / (`TEMPERATURE` · slope) then gives the untrained head the teacher's spread. Raises
    `ValueError` if the two do not rise together.
    """
    x = cosines.double().flatten() - cosines.double().mean()
    y = scores.double().flatten() - scores.double().mean()
    slope = float((x @ y) / (x @ x).clamp_min(torch.finfo(torch.float64).tiny))
    if not slope > 0:
        raise ValueError(f"overlap does not rise with cosine (slope {slope:.3f})")
    return slope

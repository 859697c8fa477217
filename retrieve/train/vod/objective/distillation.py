"""Distillation of the sampler into a retriever that knows the question alone: KL(r ‖ p) with p over the whole corpus.

Normalised over the sampler's documents only, p would be free to put everything else above them, and search does worse
than before.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from retrieve.train.vod.objective.means import normalised


def divergence(scores: Tensor, *, target: Tensor, places: Tensor) -> Tensor:
    """KL(r ‖ p) = Σ r(d)·(log r(d) − log p(d|q)) of each of B questions, ≥ 0, and 0 where p = r (derived).

    p is the softmax of `scores` (B,N), over the whole corpus; r that of `target` (B,P), whose documents are at `places`
    (B,P) int64 of the corpus, each at most once. −inf masks in both; a row of `target` that is nothing else has no
    target: its divergence is 0, and so is its gradient.
    """
    wanted = normalised(target)
    log_prior = torch.log_softmax(scores, dim=-1).gather(-1, places)
    terms = wanted.log_weights.exp() * (wanted.filled(wanted.log_weights) - wanted.filled(log_prior))
    return terms.sum(dim=-1)


def divergence_gradient(scores: Tensor, *, target: Tensor, places: Tensor) -> Tensor:
    """∂KL/∂scores = p(d|q) − r(d), (B,N), with r 0 beside its own documents; arguments of `divergence` (derived)."""
    wanted = normalised(target)
    r = wanted.filled(wanted.log_weights.exp())
    p = torch.softmax(scores, dim=-1) * wanted.kept.any(dim=-1, keepdim=True)
    return p.scatter_add(-1, places, -r)


def uniform_target(places: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """`target` (B,P) and `places` (B,P) of a target that is the same on all documents of a list: KL with it is the mean
    cross-entropy of the gold documents, less a constant. B lists of places; P is the length of the longest.
    """
    width = max((len(each) for each in places), default=0) or 1
    target = torch.full((len(places), width), -torch.inf)
    at = torch.zeros((len(places), width), dtype=torch.long)
    for row, each in enumerate(places):
        target[row, : len(each)] = 0.0
        at[row, : len(each)] = torch.as_tensor(each, dtype=torch.long)
    return target, at

"""What training makes small, one value for each document: pure functions of logits and targets, no model.

A loss is the mean over a document's labels, so that a document counts alike in any batch; who trains takes the mean
over documents, or their sum where gradients of several batches are added up.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from retrieve.classify.preset import LossName
from retrieve.errors import RecipeError
from retrieve.types import Task

_MOST_WEIGHT = 10.0


def document_losses(
    logits: Tensor,
    targets: Tensor,
    *,
    task: Task,
    loss: LossName = "cross-entropy",
    weights: Tensor | None = None,
) -> Tensor:
    """Losses (N,) float32 of logits (N,L) with targets (N,L): 0 or 1, one of them 1 (multiclass), or values (ordinal).

    `weights` (L,) multiply what positives cost. An ordinal task has the squared error. Raises `RecipeError` for a loss
    that the task does not have.
    """
    check_loss(task, loss)
    logits, targets = logits.float(), targets.float()
    if task == "ordinal":
        return (logits - targets).square().mean(dim=1)
    if task == "multiclass":
        return _softmax_loss(logits, targets, 2.0 if loss == "focal" else 0.0, weights)
    cells = {"cross-entropy": _binary, "focal": _focal, "asymmetric": _asymmetric}[loss](logits, targets)
    if weights is not None:
        cells = cells * torch.where(targets > 0, weights, torch.ones_like(weights))
    return cells.mean(dim=1)


def check_loss(task: Task, loss: LossName) -> None:
    """Raise `RecipeError` for a loss that the task does not have."""
    if (task == "ordinal" and loss != "cross-entropy") or (task == "multiclass" and loss == "asymmetric"):
        raise RecipeError(f'loss = "{loss}" does not go with a task that is {task}: take "cross-entropy"')


def class_weights(targets: Tensor) -> Tensor:
    """Weights (L,) of positives, of targets (N,L): the square root of negatives over positives, from 1 to 10."""
    positives = targets.float().sum(dim=0)
    return ((len(targets) - positives) / positives.clamp(min=1)).sqrt().clamp(1.0, _MOST_WEIGHT)


def _binary(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def _softmax_loss(logits: Tensor, targets: Tensor, gamma: float, weights: Tensor | None) -> Tensor:
    """Cross-entropy of a softmax, with the focal factor (1 − p)^γ, 1 for γ = 0."""
    own = (functional.log_softmax(logits, dim=1) * targets).sum(dim=1)
    factor = (1 - own.exp()).clamp(min=1e-12) ** gamma
    weight = 1.0 if weights is None else (targets * weights).sum(dim=1)
    return -own * factor * weight


def _focal(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    """−(1 − p_t)^γ log p_t (Lin et al. 2017, equation 4); its α is what class weights are here."""
    cost = _binary(logits, targets)
    missed = (-torch.expm1(-cost)).clamp(min=1e-12)  # 1 − p_t
    return cost * missed**gamma


def _asymmetric(logits: Tensor, targets: Tensor, gamma: float = 4.0, margin: float = 0.05) -> Tensor:
    """Asymmetric loss (Ridnik et al. 2021, equations 4 to 6), γ+ = 0: easy negatives cost little, below `margin` none.

    A negative costs −p_m^γ log(1 − p_m) with p_m = max(p − margin, 0).
    """
    shifted = (torch.sigmoid(logits) - margin).clamp(min=0)
    negative = -(shifted**gamma) * torch.log1p(-shifted)
    return torch.where(targets > 0, functional.softplus(-logits), negative)

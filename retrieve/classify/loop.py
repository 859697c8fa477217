"""The training loop over frozen rows: AdamW, early stopping on the validation loss, the best weights kept.

It is our own because there is so little of it: rows fit in memory and an epoch takes seconds. All chance comes from one
seed, and torch's own generator is left as it was found.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from retrieve.classify.losses import class_weights, document_losses
from retrieve.classify.preset import Training
from retrieve.classify.rows import DocumentRows, joined
from retrieve.errors import TrainingError
from retrieve.types import Progress, Task

_POOL = 16
"""Batches whose documents are sorted by length among themselves, so that a batch has documents of similar length."""


class Material(NamedTuple):
    """N documents to learn from or to judge by: rows, targets (N,L) and ids."""

    rows: DocumentRows
    targets: npt.NDArray[np.float32]
    ids: Sequence[str]


def together(pieces: Sequence[Material]) -> Material:
    """The documents of all pieces, one piece after the other."""
    return Material(
        joined([piece.rows for piece in pieces]),
        np.concatenate([piece.targets for piece in pieces]),
        [each for piece in pieces for each in piece.ids],
    )


class Trained(NamedTuple):
    """`curves`: for each epoch its number, loss and validation loss; `best`: the epoch whose weights were kept."""

    curves: list[dict[str, float]]
    best: int


def train(
    network: nn.Module,
    settings: Training,
    task: Task,
    material: Material,
    validation: Material,
    *,
    seed: int,
    device: torch.device,
    progress: Progress | None = None,
) -> Trained:
    """Train `network` in place. Without validation documents all epochs are run, and the last weights are kept.

    Raises `TrainingError` for a loss that is no number. Dropout draws from torch's generator: see `seeded`.
    """
    weights = class_weights(torch.from_numpy(material.targets)).to(device) if settings.class_weights else None
    if task == "ordinal":
        weights = None
    judge = _Judge(task, settings, weights, device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    draws = np.random.default_rng(seed)
    curves: list[dict[str, float]] = []
    best, least, kept = settings.epochs, math.inf, None
    for epoch in range(1, settings.epochs + 1):
        summed = 0.0
        network.train()
        for number, batch in enumerate(_batches(material.rows.counts, settings.batch, draws), start=1):
            losses = judge(network, material, batch)
            loss = losses.mean()
            if not bool(torch.isfinite(loss)):
                raise TrainingError(_no_number(losses, epoch, number, [material.ids[row] for row in batch]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            summed += float(losses.detach().sum())
        curves.append({"epoch": float(epoch), "loss": summed / len(material.ids)})
        if progress is not None:
            progress("training", epoch, settings.epochs)
        if not len(validation.ids):
            continue
        curves[-1]["validation_loss"] = found = judge.mean_loss(network, validation)
        if found < least:
            best, least, kept = epoch, found, copy.deepcopy(network.state_dict())
        elif settings.patience and epoch - best >= settings.patience:
            break
    if kept is not None:
        network.load_state_dict(kept)
    return Trained(curves, best)


class _Judge:
    def __init__(self, task: Task, settings: Training, weights: Tensor | None, device: torch.device) -> None:
        self._task: Task = task
        self._loss = settings.loss
        self._weights = weights
        self._device = device

    def __call__(self, network: nn.Module, material: Material, batch: Sequence[int]) -> Tensor:
        """Losses (B,) of a batch of documents."""
        logits = network(material.rows.ragged(batch, self._device))
        targets = torch.from_numpy(material.targets[list(batch)]).to(self._device)
        return document_losses(logits, targets, task=self._task, loss=self._loss, weights=self._weights)

    def mean_loss(self, network: nn.Module, material: Material) -> float:
        network.eval()
        with torch.no_grad():
            found = [self(network, material, batch).double().sum() for batch in material.rows.batches()]
        loss = float(torch.stack(found).sum()) / len(material.ids)
        if not math.isfinite(loss):
            raise TrainingError(f"the validation loss is {loss}: lower training.lr")
        return loss


def _batches(counts: npt.NDArray[np.int64], size: int, draws: np.random.Generator) -> Iterator[list[int]]:
    """All documents once, in batches of similar length, in random order."""
    order = draws.permutation(len(counts))
    pools = [order[start : start + _POOL * size] for start in range(0, len(order), _POOL * size)]
    batches = [
        pool[start : start + size]
        for pool in (pool[np.argsort(counts[pool], kind="stable")] for pool in pools)
        for start in range(0, len(pool), size)
    ]
    for number in draws.permutation(len(batches)):
        yield batches[number].tolist()


def _no_number(losses: Tensor, epoch: int, batch: int, ids: Sequence[str]) -> str:
    wrong = [name for name, fine in zip(ids, torch.isfinite(losses).tolist(), strict=True) if not fine] or ids
    shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    return (
        f"the loss is {float(losses.detach().mean())} in epoch {epoch}, batch {batch}, of documents {shown}: lower "
        "training.lr, or look at these documents"
    )

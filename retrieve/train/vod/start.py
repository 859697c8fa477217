"""The weights that a reader starts from: those of the retrieval scores that make training answers likeliest.

Three numbers, fitted with the exact log-likelihood before the first step, so that training never begins from chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from retrieve.train.vod.material import Material
from retrieve.train.vod.model import VodModel
from retrieve.train.vod.objective.choice import log_probabilities
from retrieve.train.vod.readers.scores import in_units

_QUESTIONS = 192
_DOCUMENTS = 16


def fit_start(network: VodModel, train: Material, *, seed: int) -> None:
    """Fit `reader.start` in place on a sample of training questions; nothing where the reader has none."""
    reader: Any = network.reader
    start = getattr(reader, "start", None)
    if start is None or train.candidates is None:
        return
    chosen = np.sort(np.random.default_rng([seed, 0x57]).permutation(len(train))[:_QUESTIONS]).tolist()
    parts = [_parts(network, train, chosen[at : at + 32]) for at in range(0, len(chosen), 32)]
    weights = torch.full((3,), 1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        likelihoods = [_likelihood(f, in_units(scores) @ weights, *more) for f, scores, *more in parts]
        loss = -torch.cat(likelihoods).mean() + 1e-3 * (weights**2).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        start.weights.copy_(weights)


def _parts(network: VodModel, train: Material, numbers: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """f_θ (B,J,P) and the retrieval scores (B,M,P,3) of some questions' best documents, the options (B,M) that are
    there, and the answers (B,).
    """
    training = network.training
    network.eval()
    try:
        batch = train.batch(numbers, step=None, fresh=network.reader_tower is not None)
        with torch.no_grad():
            scores, read = network.inputs(batch, fresh=False)
    finally:
        network.train(training)
    return (
        scores[..., :_DOCUMENTS].cpu(),
        read.scores[..., :_DOCUMENTS, :].double().cpu(),
        batch.present,
        batch.answers,
    )


def _likelihood(scores: Tensor, reader: Tensor, present: Tensor, answers: Tensor) -> Tensor:
    """log p(a|Q) (B,) of the right answers."""
    rows = torch.arange(len(answers))
    if scores.shape[1] == reader.shape[1]:
        return log_probabilities(scores, reader)[rows, answers]
    there = reader.masked_fill(~present.unsqueeze(-1), -torch.inf)
    log_reader = torch.log_softmax(there, dim=1)[rows, answers]
    return torch.logsumexp(torch.log_softmax(scores[:, 0], dim=-1) + log_reader, dim=-1)

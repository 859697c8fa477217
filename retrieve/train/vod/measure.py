"""Questions answered by all their candidates, exactly: how a checkpoint is judged, and what a model says.

The probabilities of a question's options add up to one as they are. What a test does not have is not used: the right
answers decide neither the documents nor the draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from retrieve.train.vod.material import Batch, Material
from retrieve.train.vod.model import VodModel
from retrieve.types import Progress

FloatArray = npt.NDArray[np.float64]
_AT_ONCE = 16
_CELLS = 32
"""M·K documents of a question in a draw (arXiv 2210.06345, section 4)."""


class Answered(NamedTuple):
    """Of one question: probabilities (M,), keys (J,P) and weights (J,P) of its documents given the likeliest option."""

    probabilities: FloatArray
    keys: npt.NDArray[np.int64]
    weights: FloatArray


class Judged(NamedTuple):
    """Of questions with answers: mean log p(a|Q), the share answered right, and the share with a helpful document among
    their candidates (None where nobody says which help).
    """

    log_likelihood: float
    accuracy: float
    hit_rate: float | None


def answered(
    network: VodModel,
    material: Material,
    *,
    draws: int = 0,
    weights: bool = False,
    stage: str = "questions answered",
    progress: Progress | None = None,
) -> list[Answered]:
    """All questions. `draws`: see `TrainingSection`; `weights`: of documents too, which only the exact form has."""
    training = network.training
    network.eval()
    found: list[Answered] = []
    try:
        for start in range(0, len(material), _AT_ONCE):
            numbers = list(range(start, min(start + _AT_ONCE, len(material))))
            found += (
                _drawn(network, material, numbers, draws)
                if draws
                else _exact(network, material, numbers, weights)
            )
            if progress is not None:
                progress(stage, len(found), len(material))
    finally:
        network.train(training)
    return found


def judged(found: list[Answered], material: Material) -> Judged:
    """Figures of answered questions; all must have an answer."""
    questions = material.questions
    logs = [
        float(np.log(max(each.probabilities[question.answer or 0], 1e-300)))
        for each, question in zip(found, questions, strict=True)
    ]
    right = [
        int(each.probabilities.argmax()) == question.answer
        for each, question in zip(found, questions, strict=True)
    ]
    known = [number for number, question in enumerate(questions) if question.facts]
    hits = [bool(material.gold(number)) for number in known] if material.candidates is not None else []
    return Judged(float(np.mean(logs)), float(np.mean(right)), float(np.mean(hits)) if hits else None)


def _exact(network: VodModel, material: Material, numbers: list[int], weights: bool) -> list[Answered]:
    batch = material.batch(
        numbers, step=None, fresh=network.reader_tower is not None, texts=network.reads_texts
    )
    with torch.set_grad_enabled(weights):
        log_probabilities, scores = network.exact(batch)
        posterior = _posterior(log_probabilities, scores) if weights else torch.zeros(0)
    probabilities = log_probabilities.detach().exp().cpu().numpy()
    return [
        Answered(
            probabilities[b][batch.present[b].numpy()],
            batch.keys[b],
            posterior[b].cpu().numpy() if weights else np.zeros(0),
        )
        for b in range(len(numbers))
    ]


def _posterior(log_probabilities: Tensor, scores: Tensor) -> Tensor:
    """p(d_j | a, Q) (B,J,P) of the likeliest option a: its prior and the derivative of log p(a|Q) in its score."""
    best = log_probabilities.max(dim=1).values.sum()
    (slope,) = torch.autograd.grad(best, scores)
    prior = torch.softmax(scores.detach(), dim=-1)
    there = torch.isfinite(scores.detach())
    return torch.where(there, torch.nan_to_num(prior) + slope, torch.zeros_like(slope)).clamp(min=0)


@torch.no_grad()
def _drawn(network: VodModel, material: Material, numbers: list[int], draws: int) -> list[Answered]:
    """Probabilities averaged over draws of K documents an option, M·K = 32."""
    found: list[Answered] = []
    for number in numbers:
        options = len(material.questions[number].choices)
        total = np.zeros(options)
        for draw in range(draws):
            batch: Batch = material.batch(
                [number],
                step=draw,
                k=max(1, min(_CELLS // options, _depth(material))),
                fresh=network.wants_documents,
                texts=network.reads_texts,
            )
            total += network(batch).log_probabilities[0].exp().cpu().numpy()
        found.append(Answered(total / draws, np.zeros((0, 0), np.int64), np.zeros(0)))
    return found


def _depth(material: Material) -> int:
    return 1 if material.candidates is None else int(material.candidates.keys.shape[1])

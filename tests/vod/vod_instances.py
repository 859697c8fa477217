"""Instances of VOD that can be enumerated, formulas as the paper has them, and samplers that are wrong on purpose.

The formulas take no care of overflow or cancellation, so that nothing of the code under test is in them. A wrong
sampler has the arguments of `priority_sample`, so that a property can be seen to fail with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp
from torch import Tensor

from retrieve.train.vod.objective.sampling import Sample, priority_sample

Array = NDArray[np.float64]

ALPHAS = (0.0, 0.5, 1.0)


class Instance(NamedTuple):
    """Scores f_θ, the sampler's f_φ and log p(a|d,q), each (P,) or (B,P)."""

    scores: Tensor
    sampler_scores: Tensor
    reader: Tensor

    @property
    def others(self) -> dict[str, Tensor]:
        """All but the scores, as the functions want them."""
        return {"sampler_scores": self.sampler_scores, "reader": self.reader}


def instance(seed: int, *shape: int, noise: float = 0.5) -> Instance:
    """f_θ ~ N(0,1), f_φ = f_θ + `noise`·ε, log p = log σ(N(0,1))."""
    draws = torch.Generator().manual_seed(seed)

    def normal() -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=draws)

    scores = normal()
    return Instance(scores, scores + noise * normal(), torch.nn.functional.logsigmoid(normal()))


def with_posterior(given: Instance) -> Instance:
    """The same with r the posterior p(d|a,q)."""
    return given._replace(sampler_scores=given.scores + given.reader)


def log_likelihood(given: Instance) -> Tensor:
    """log Σ p(a|d,q)·p(d|q) over the last axis."""
    return (torch.softmax(given.scores, dim=-1) * given.reader.exp()).sum(dim=-1).log()


def plain_bound(given: Instance, alpha: float) -> Tensor:
    """L_α over the last axis as it is written in the paper."""
    r = torch.softmax(given.sampler_scores, dim=-1)
    w = given.reader.exp() * torch.softmax(given.scores, dim=-1) / r
    if alpha == 1:
        return (r * w.log()).sum(dim=-1)
    return (r * w ** (1 - alpha)).sum(dim=-1).log() / (1 - alpha)


class Sampler(Protocol):
    """What `priority_sample` is, and its mutations are."""

    def __call__(self, log_probabilities: Array, k: int, *, uniforms: Array) -> Sample:
        """K of P documents of each row."""


def sampled(
    given: Instance, k: int, draws: int, *, seed: int = 0, sampler: Sampler = priority_sample
) -> tuple[Tensor, Tensor]:
    """K of the P documents of an instance (P,) in so many draws: indices and log s̄, (draws,K)."""
    log_r = torch.log_softmax(given.sampler_scores, dim=-1).numpy()
    shape = draws, len(log_r)
    sample = sampler(np.broadcast_to(log_r, shape), k, uniforms=1 - np.random.default_rng(seed).random(shape))
    return torch.from_numpy(sample.indices), torch.from_numpy(np.array(sample.log_weights))


def at(given: Instance, indices: Tensor) -> Instance:
    """What is at the indices (B,K) of an instance (P,)."""
    return Instance(*(values[indices] for values in given))


def equal_weights(log_probabilities: Array, k: int, *, uniforms: Array) -> Sample:
    """Mutation: s = 1/K."""
    sample = priority_sample(log_probabilities, k, uniforms=uniforms)
    return sample._replace(log_weights=np.full(sample.indices.shape, -np.log(k)))


def without_threshold(log_probabilities: Array, k: int, *, uniforms: Array) -> Sample:
    """Mutation: s̄ = r, not max(r, τ)."""
    sample = priority_sample(log_probabilities, k, uniforms=uniforms)
    return sample._replace(log_weights=np.take_along_axis(log_probabilities, sample.indices, axis=-1))


def already_normalised(log_probabilities: Array, k: int, *, uniforms: Array) -> Sample:
    """Mutation: s = s̄/Σs̄ is returned in the place of s̄."""
    sample = priority_sample(log_probabilities, k, uniforms=uniforms)
    return sample._replace(log_weights=log_softmax(sample.log_weights, axis=-1))


def lowest_keys(log_probabilities: Array, k: int, *, uniforms: Array) -> Sample:
    """Mutation: the K lowest keys are kept, not the highest."""
    keys = log_probabilities - np.log(uniforms)
    order = np.argsort(keys, axis=-1)
    log_r, log_keys = (
        np.take_along_axis(values, order[:, : k + 1], axis=-1) for values in (log_probabilities, keys)
    )
    return Sample(order[:, :k], np.maximum(log_r[:, :k], log_keys[:, -1:]))


def truncated(scores: Array, p: int, *, lowest: bool = False) -> Array:
    """log r (N,) over the top p documents by their scores, −inf elsewhere. `lowest` is the mutation: the last p."""
    order = np.argsort(scores if lowest else -scores)[:p]
    found = np.full(len(scores), -np.inf)
    found[order] = log_softmax(scores[order])
    return found


class Option(NamedTuple):
    """One option's K documents: f_θ, f_φ, g and log s̄, each (K,); options of one question may differ in K."""

    scores: Array
    sampler_scores: Array
    reader: Array
    log_weights: Array


class Enumerated(NamedTuple):
    """What a sum over all K^M combinations says of one question."""

    value: float
    effective_size: float
    divergence: float


def enumerated(options: Sequence[Option], answer: int, alpha: float) -> Enumerated:
    """L̂_α of the right answer, its effective sample size, and KL(p‖r), combination by combination."""
    log_s, log_ratio, log_p = [], [], []
    weights = [log_softmax(option.log_weights) for option in options]
    for places in itertools.product(*(range(len(option.scores)) for option in options)):
        each = list(zip(options, places, strict=True))
        log_s.append(sum(own[place] for own, place in zip(weights, places, strict=True)))
        log_ratio.append(sum(option.scores[place] - option.sampler_scores[place] for option, place in each))
        log_p.append(log_softmax([option.reader[place] for option, place in each])[answer])
    s, ratio, reader = np.array(log_s), np.array(log_ratio), np.array(log_p)
    normaliser = logsumexp(s + ratio)
    if alpha == 1:
        bound = np.sum(np.exp(s) * (ratio + reader))
    else:
        bound = logsumexp(s + (1 - alpha) * (ratio + reader)) / (1 - alpha)
    log_omega = log_softmax(s + (1 - alpha) * (ratio + reader))
    prior = s + ratio - normaliser
    return Enumerated(
        float(bound - normaliser),
        float(np.exp(-logsumexp(2 * log_omega))),
        float(np.sum(np.exp(prior) * (prior - s))),
    )


def options_of(chance: np.random.Generator, counts: Sequence[int], *, spread: float = 1.0) -> list[Option]:
    """Options of so many documents each; `spread` of g, f_θ and f_φ are near each other."""
    found = []
    for count in counts:
        scores = chance.normal(size=count)
        sampler = scores + 0.5 * chance.normal(size=count)
        found.append(Option(scores, sampler, spread * chance.normal(size=count), chance.normal(size=count)))
    return found


def padded(questions: Sequence[Sequence[Option]], m: int, k: int, fill: float = -np.inf) -> dict[str, Any]:
    """The questions' options as tensors (B,M,K) by their names in `Choices`, `fill` where there is nothing."""
    found = {}
    for name in Option._fields:
        values = np.full((len(questions), m, k), -np.inf if name == "log_weights" else fill)
        for row, options in enumerate(questions):
            for column, option in enumerate(options):
                own = getattr(option, name)
                values[row, column, : len(own)] = own
        found[name] = torch.from_numpy(values)
    return found

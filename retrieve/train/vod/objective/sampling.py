"""Priority sampling: K of P documents without replacement, with weights that keep every sum unbiased.

Draws are a function of seed, step and question, never of a generator's state, so that neither worker processes nor a
resumed training can change them.
"""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError

Float64s: TypeAlias = npt.NDArray[np.float64]
Variant: TypeAlias = Literal["priority", "exponential"]


class Sample(NamedTuple):
    """K of P documents: indices (N,K) int64, and raw log s̄ (N,K), −inf where fewer than K had any probability."""

    indices: npt.NDArray[np.int64]
    log_weights: Float64s


def uniforms(seed: int, step: int, question: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Numbers in (0, 1] that depend on nothing but the arguments."""
    digest = hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    drawn = np.random.default_rng([seed, step, int.from_bytes(digest, "little")])
    return 1.0 - drawn.random(shape)


def priority_sample(
    log_probabilities: Float64s, k: int, *, uniforms: Float64s, variant: Variant = "priority"
) -> Sample:
    """K of P documents of each of N rows; log r (N,P) normalised, −inf where there is none, and `uniforms` (N,P).

    The K largest keys r/u are kept; τ is the next key (0 where there is none), s̄ = max(r, τ), and Σ s̄·h is an unbiased
    estimate of Σ r·h (Duffield, Lund, Thorup, J. ACM 54(6), 2007, section 2). "exponential": keys r/e with e
    exponential, which is sampling without replacement, and s̄ = r / (1 − exp(−r/τ)) (Kool, van Hoof, Welling,
    arXiv 1903.06059). With K = P log s̄ is log r, bit for bit. Raises `UsageError` for K above P.
    """
    count = log_probabilities.shape[-1]
    if not 1 <= k <= count:
        raise UsageError(
            f"k is {k} with {count} documents for a question: wanted 1 to {count}; lower k or raise p"
        )
    with np.errstate(divide="ignore"):  # a u of 1 is an exponential of 0, whose key is infinite and kept
        chance = np.log(uniforms) if variant == "priority" else np.log(-np.log(uniforms))
    keys = log_probabilities - chance
    order = np.argsort(-keys, axis=-1, kind="stable")
    indices = order[..., :k]
    log_r = np.take_along_axis(log_probabilities, indices, axis=-1)
    if k == count:
        return Sample(indices, log_r)
    log_tau = np.take_along_axis(keys, order[..., k : k + 1], axis=-1)
    if variant == "priority":
        return Sample(indices, np.where(np.isneginf(log_r), log_r, np.maximum(log_r, log_tau)))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        spread = log_r - np.log(-np.expm1(-np.exp(log_r - log_tau)))
    return Sample(indices, np.where(np.isneginf(log_tau) | np.isneginf(log_r), log_r, spread))

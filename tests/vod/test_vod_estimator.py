"""The estimator from K of P documents: properties 3, 4, 6, 8, 9, 10 and 12, and what is reported of a step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from vod_instances import (
    ALPHAS,
    Instance,
    at,
    instance,
    log_likelihood,
    plain_bound,
    sampled,
    with_posterior,
)

from retrieve.train.vod.objective.bounds import exact_bound, score_gradient
from retrieve.train.vod.objective.estimator import diagnose, estimate, surrogate

SEVERAL = (0.0, 0.3, 0.5, 0.9, 0.99, 0.999, 1.0)
P = 12


def of(sample: Instance, log_weights: Tensor, alpha: float) -> Tensor:
    return estimate(sample.scores, **sample.others, log_weights=log_weights, alpha=alpha)


@given(st.integers(0, 2**32), st.sampled_from((-1.0, *SEVERAL, 1.5)))
def test_all_documents_give_the_exact_bound_and_its_gradient(seed: int, alpha: float) -> None:
    """Property 3, with 12 of 40 documents kept: the truncated bound."""
    whole = instance(seed, 40)
    own = Instance(*(values[whole.sampler_scores.topk(P).indices] for values in whole))
    indices, log_weights = sampled(own, P, 3, seed=seed)
    scores = own.scores.clone().requires_grad_()
    found = of(at(own._replace(scores=scores), indices), log_weights, alpha)
    exact = exact_bound(own.scores, **own.others, alpha=alpha)
    torch.testing.assert_close(found, exact.expand(3), rtol=0, atol=1e-10)
    torch.testing.assert_close(exact, plain_bound(own, alpha), rtol=0, atol=1e-10)
    (gradient,) = torch.autograd.grad(found[0], scores)
    prior, posterior = torch.softmax(own.scores, 0), torch.softmax(own.scores + own.reader, 0)
    sampler = torch.softmax(own.sampler_scores, 0)
    omega = sampler**alpha * posterior ** (1 - alpha)
    torch.testing.assert_close(gradient, omega / omega.sum() - prior, rtol=0, atol=1e-8)
    if alpha in (0, 1):
        target = sampler if alpha == 1 else posterior
        torch.testing.assert_close(gradient, target - prior, rtol=0, atol=1e-8)


@given(st.integers(0, 2**32), st.integers(1, P), st.sampled_from((-1.0, *SEVERAL, 1.5)))
def test_the_papers_surrogate_has_the_gradient_of_the_estimate(seed: int, k: int, alpha: float) -> None:
    """Property 4."""
    own = instance(seed, P, noise=2.0)
    indices, log_weights = sampled(own, k, 5, seed=seed)
    gradients = []
    for function in (estimate, surrogate):
        scores, reader = (values.clone().requires_grad_() for values in (own.scores, own.reader))
        sample = at(own._replace(scores=scores, reader=reader), indices)
        value = function(sample.scores, **sample.others, log_weights=log_weights, alpha=alpha)
        gradients.append(torch.autograd.grad(value.sum(), (scores, reader)))
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("seed", range(3))
def test_its_error_falls_with_k(seed: int, alpha: float) -> None:
    """Property 6."""
    own = instance(seed, P)
    exact = exact_bound(own.scores, **own.others, alpha=alpha)
    errors = []
    for k in (4, 8, P - 1, P):
        indices, log_weights = sampled(own, k, 4_000)
        errors.append(float((of(at(own, indices), log_weights, alpha) - exact).square().mean().sqrt()))
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 1e-12


@given(st.integers(0, 2**32), st.integers(1, P - 1))
def test_with_the_posterior_as_sampler_it_is_the_same_at_every_alpha(seed: int, k: int) -> None:
    """Property 8."""
    own = with_posterior(instance(seed, P))
    indices, log_weights = sampled(own, k, 5, seed=seed)
    sample = at(own, indices)
    at_zero = of(sample, log_weights, 0.0)
    for alpha in SEVERAL:
        torch.testing.assert_close(of(sample, log_weights, alpha), at_zero, rtol=0, atol=1e-12)


def test_it_is_no_bound() -> None:
    """Property 8: with the posterior as sampler as with another, draws lie above the likelihood and below."""
    for own in (instance(0, P), with_posterior(instance(0, P))):
        indices, log_weights = sampled(own, 4, 2_000)
        for alpha in ALPHAS:
            over = (of(at(own, indices), log_weights, alpha) > log_likelihood(own) + 1e-3).double().mean()
            assert 0.05 < float(over) < 0.95


@given(
    st.integers(0, 2**32),
    st.integers(1, P),
    st.tuples(*[st.floats(-20, 20)] * 3),
    st.sampled_from([*SEVERAL, 0.9999, 0.99999]),
)
def test_constants_change_nothing(
    seed: int, k: int, constants: tuple[float, float, float], alpha: float
) -> None:
    """Property 9."""
    own = instance(seed, P)
    indices, log_weights = sampled(own, k, 5, seed=seed)
    sample = at(own, indices)
    moved = sample._replace(
        scores=sample.scores + constants[0], sampler_scores=sample.sampler_scores + constants[1]
    )
    found = of(moved, log_weights + constants[2], alpha)
    tolerance = 1e-12 if alpha <= 0.999 or alpha == 1 else 1e-9
    torch.testing.assert_close(found, of(sample, log_weights, alpha), rtol=0, atol=tolerance)


@given(st.integers(0, 2**32), st.integers(1, P), st.sampled_from([0.0, 0.5, 3.0, 20.0]))
def test_of_one_sample_it_falls_with_alpha(seed: int, k: int, noise: float) -> None:
    """Property 9; noise of 20 takes every form of the mean."""
    own = instance(seed, P, noise=noise)
    indices, log_weights = sampled(own, k, 5, seed=seed)
    sample = at(own, indices)
    alphas = (-1.0, -0.4, *SEVERAL[:-1], 0.9999, 0.99999, 1.0, 1.00001, 1.01, 1.5)
    found = torch.stack([of(sample, log_weights, alpha) for alpha in alphas])
    assert (found.diff(dim=0) <= 1e-10).all()


@given(st.integers(0, 2**32), st.integers(1, P))
def test_with_the_prior_as_sampler_it_is_the_weighted_mean_of_the_readers_probabilities(
    seed: int, k: int
) -> None:
    """Property 10."""
    own = instance(seed, P, noise=0.0)
    indices, log_weights = sampled(own, k, 5, seed=seed)
    sample = at(own, indices)
    wanted = (torch.softmax(log_weights, dim=1) * sample.reader.exp()).sum(dim=1).log()
    torch.testing.assert_close(of(sample, log_weights, 0.0), wanted, rtol=0, atol=1e-12)


@given(
    st.integers(0, 2**32),
    st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4),
    st.sampled_from((-1.0, *SEVERAL, 0.99999, 1.5)),
)
def test_padding_changes_nothing(seed: int, kept: list[list[bool]], alpha: float) -> None:
    """Property 12, with places masked anywhere; a row without any document gives 0 and no gradient."""
    own = instance(seed, len(kept), 6)
    mask = torch.tensor(kept)
    log_weights = own.scores.cos().masked_fill(~mask, -torch.inf)
    scores, sampler, reader = (values.masked_fill(~mask, -torch.inf).requires_grad_() for values in own)
    given_to = {"reader": reader, "sampler_scores": sampler, "log_weights": log_weights, "alpha": alpha}
    found = estimate(scores, **given_to)
    gradients = torch.autograd.grad(found.sum(), (scores, reader))
    others = torch.autograd.grad(surrogate(scores, **given_to).sum(), (scores, reader))
    for gradient, other in zip(gradients, others, strict=True):
        assert torch.isfinite(gradient).all()
        assert not gradient[~mask].any()
        torch.testing.assert_close(gradient, other, rtol=0, atol=1e-8)
    seen = diagnose(scores, **given_to)
    for row, places in enumerate(mask):
        if not places.any():
            assert found[row] == 0
            assert [float(part[row]) for part in seen] == [1, 0, 0]
            continue
        short = Instance(*(values[row, places] for values in own))
        leaf = short.scores.requires_grad_()
        weights = log_weights[row, places]
        value = of(short, weights, alpha)
        torch.testing.assert_close(found[row], value, rtol=0, atol=1e-12)
        (gradient,) = torch.autograd.grad(value, leaf)
        torch.testing.assert_close(gradients[0][row, places], gradient, rtol=0, atol=1e-12)
        alone = diagnose(leaf, **short.others, log_weights=weights, alpha=alpha)
        for part, wanted in zip(seen, alone, strict=True):
            torch.testing.assert_close(part[row], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 1.0])
def test_what_is_reported_is_that_of_the_formula(alpha: float) -> None:
    own = instance(5, P, noise=1.0)
    indices, log_weights = sampled(own, P, 1)
    sample = at(own, indices)
    seen = diagnose(sample.scores, **sample.others, log_weights=log_weights, alpha=alpha)
    prior = torch.softmax(own.scores, 0)
    sampler = torch.softmax(own.sampler_scores, 0)
    omega = score_gradient(own.scores, **own.others, alpha=alpha) + prior
    torch.testing.assert_close(seen.effective_size[0], 1 / omega.square().sum())
    torch.testing.assert_close(seen.divergence[0], (prior * (prior / sampler).log()).sum())
    torch.testing.assert_close(seen.gap[0], plain_bound(own, 0.0) - plain_bound(own, 1.0))

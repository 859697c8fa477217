"""The exact Rényi bound against the paper's formula: properties 1 and 2, its gradient, and masks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vod_instances import Instance, instance, log_likelihood, plain_bound, with_posterior

from retrieve.train.vod.objective.bounds import exact_bound, score_gradient
from retrieve.train.vod.objective.means import renyi_mean

RANGE = (-1.0, 0.0, 0.1, 0.5, 0.9, 0.999, 1.0, 1.5)


def bound(own: Instance, alpha: float) -> torch.Tensor:
    return exact_bound(own.scores, **own.others, alpha=alpha)


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 3.0]))
def test_it_falls_with_alpha_and_is_the_likelihood_at_0(seed: int, noise: float) -> None:
    own = instance(seed, 4, 12, noise=noise)
    found = torch.stack([bound(own, alpha) for alpha in RANGE])
    assert (found.diff(dim=0) <= 1e-12).all()
    torch.testing.assert_close(bound(own, 0.0), log_likelihood(own), rtol=0, atol=1e-10)
    for alpha, value in zip(RANGE, found, strict=True):
        torch.testing.assert_close(value, plain_bound(own, alpha), rtol=0, atol=1e-10)


@given(st.integers(0, 2**32))
def test_with_the_posterior_as_sampler_it_is_the_likelihood_at_every_alpha(seed: int) -> None:
    own = with_posterior(instance(seed, 4, 12))
    for alpha in RANGE:
        torch.testing.assert_close(bound(own, alpha), log_likelihood(own), rtol=0, atol=1e-10)


@given(st.integers(0, 2**32), st.sampled_from(RANGE))
def test_its_gradient_is_the_one_derived(seed: int, alpha: float) -> None:
    own = instance(seed, 4, 12, noise=2.0)
    scores = own.scores.requires_grad_()
    (found,) = torch.autograd.grad(bound(own, alpha).sum(), scores)
    wanted = score_gradient(scores.detach(), **own.others, alpha=alpha)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-8)


def test_its_gradient_pulls_to_the_sampler_at_1_and_to_the_posterior_at_0() -> None:
    own = instance(3, 12)
    prior = torch.softmax(own.scores, dim=0)
    posterior = torch.softmax(own.scores + own.reader, dim=0)
    at_zero, at_one = (score_gradient(own.scores, **own.others, alpha=alpha) for alpha in (0.0, 1.0))
    torch.testing.assert_close(at_zero, posterior - prior)
    torch.testing.assert_close(at_one, torch.softmax(own.sampler_scores, dim=0) - prior)


@given(st.integers(0, 2**32), st.lists(st.integers(1, 6), min_size=1, max_size=4), st.sampled_from(RANGE))
def test_padding_changes_nothing(seed: int, counts: list[int], alpha: float) -> None:
    """Property 12, of the exact bound; also where the padding of all but the sampler is any number."""
    own = instance(seed, len(counts), 7)
    outside = torch.arange(7) >= torch.tensor(counts).unsqueeze(1)
    masked = own.sampler_scores.masked_fill(outside, -torch.inf)
    for fill in (-torch.inf, 50.0):
        scores = own.scores.masked_fill(outside, fill).requires_grad_()
        reader = own.reader.masked_fill(outside, fill).requires_grad_()
        found = exact_bound(scores, reader=reader, sampler_scores=masked, alpha=alpha)
        gradients = torch.autograd.grad(found.sum(), (scores, reader))
        slope = score_gradient(scores.detach(), reader=reader.detach(), sampler_scores=masked, alpha=alpha)
        for gradient in (*gradients, slope):
            assert torch.isfinite(gradient).all()
            assert not gradient[outside].any()
        for row, count in enumerate(counts):
            short = Instance(*(values[row, :count] for values in own))
            torch.testing.assert_close(found[row], bound(short, alpha), rtol=0, atol=1e-12)
            wanted = score_gradient(short.scores, **short.others, alpha=alpha)
            torch.testing.assert_close(slope[row, :count], wanted, rtol=0, atol=1e-12)
            torch.testing.assert_close(gradients[0][row, :count], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_below_the_likelihood_are_the_exact_bound_and_the_mean_of_independent_draws(alpha: float) -> None:
    """Property 8: the mean over all pairs of documents of L_α from their two importance weights, each not."""
    own = instance(1, 12, noise=1.0)
    log_p = float(log_likelihood(own))
    r = torch.softmax(own.sampler_scores, dim=0)
    log_w = own.reader + torch.log_softmax(own.scores, dim=0) - r.log()
    pairs = torch.cartesian_prod(torch.arange(12), torch.arange(12))
    values = log_w[pairs]
    each = renyi_mean(values, torch.full_like(values, 0.5).log(), alpha)
    assert float((r[pairs].prod(dim=1) * each).sum()) < log_p
    assert float(bound(own, alpha)) <= log_p + 1e-12
    assert float(each.max()) > log_p

"""Property 13: the Rényi mean near α = 1 in single precision, and where weights or values are far apart.

Seen to fail from α = .999 on: the naive form (1−α)⁻¹ log Σ s·exp((1−α)·x).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from retrieve.train.vod.objective.means import normalised, renyi_mean

NEAR = (0.99, 0.999, 0.9999, 0.99999)


def naive(values: Tensor, log_weights: Tensor, alpha: float) -> Tensor:
    """Mutation: the form that cancels."""
    return torch.logsumexp(log_weights + (1 - alpha) * values, dim=-1) / (1 - alpha)


def worst(mean: Callable[[Tensor, Tensor, float], Tensor], alpha: float) -> float:
    """Of 3,000 samples with x between a and a + 10, the largest error in single precision."""
    draws = torch.Generator().manual_seed(0)
    found = 0.0
    for k in (2, 8, 100):
        spread = 10 * torch.rand(1_000, 1, generator=draws)
        values = spread * torch.rand(1_000, k, generator=draws) - 5
        raw = torch.randn(1_000, k, generator=draws)
        single = mean(values, normalised(raw).log_weights, alpha)
        double = renyi_mean(values.double(), normalised(raw.double()).log_weights, alpha)
        found = max(found, float((single - double).abs().max()))
    return found


@pytest.mark.parametrize("alpha", [*NEAR, 1.0, 1.0001, 0.6, 0.0])
def test_single_precision_is_enough(alpha: float) -> None:
    assert worst(renyi_mean, alpha) < 1e-5


@pytest.mark.parametrize("alpha", NEAR[1:])
def test_the_naive_form_is_seen(alpha: float) -> None:
    assert worst(naive, alpha) > 1e-5


@pytest.mark.parametrize("alpha", NEAR)
@pytest.mark.parametrize("spread", [1e-3, 1.0, 90.0, 1e4, 1e7])
def test_both_forms_are_the_logarithm_of_the_mean(alpha: float, spread: float) -> None:
    """On both sides of the change of form, in double precision, where the naive form has ten digits."""
    draws = torch.Generator().manual_seed(1)
    values = spread * torch.rand(200, 9, dtype=torch.float64, generator=draws)
    log_weights = torch.log_softmax(torch.randn(200, 9, dtype=torch.float64, generator=draws), dim=1)
    found = renyi_mean(values, log_weights, alpha)
    torch.testing.assert_close(found, naive(values, log_weights, alpha), rtol=1e-10, atol=1e-10)
    mean = (log_weights.exp() * values).sum(dim=1)
    assert (found >= mean - 1e-12 * spread).all()
    assert (found <= values.amax(dim=1) + 1e-12 * spread).all()


@pytest.mark.parametrize("alpha", [0.0, 0.6, *NEAR, 1.0, 1.5])
def test_a_value_without_weight_does_not_matter(alpha: float) -> None:
    """However far out it is, it decides neither the form nor the gradient."""
    draws = torch.Generator().manual_seed(2)
    values = torch.randn(6, 5, dtype=torch.float64, generator=draws)
    log_weights = torch.log_softmax(torch.randn(6, 5, dtype=torch.float64, generator=draws), dim=1)
    wider = torch.cat([values, torch.full((6, 1), 1e6, dtype=torch.float64)], dim=1).requires_grad_()
    with_none = torch.cat([log_weights, torch.full((6, 1), -torch.inf, dtype=torch.float64)], dim=1)
    found = renyi_mean(wider, with_none, alpha)
    torch.testing.assert_close(found, renyi_mean(values, log_weights, alpha), rtol=0, atol=1e-13)
    (gradient,) = torch.autograd.grad(found.sum(), wider)
    assert torch.isfinite(gradient).all()
    assert not gradient[:, -1].any()


@pytest.mark.parametrize("alpha", [0.0, 0.6, *NEAR, 1.0])
@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_gradients_are_the_weights(alpha: float, spread: float) -> None:
    """∂/∂x = softmax(log s + (1−α)·x)."""
    draws = torch.Generator().manual_seed(3)
    values = (spread * torch.randn(20, 7, dtype=torch.float64, generator=draws)).requires_grad_()
    log_weights = torch.log_softmax(torch.randn(20, 7, dtype=torch.float64, generator=draws), dim=1)
    (gradient,) = torch.autograd.grad(renyi_mean(values, log_weights, alpha).sum(), values)
    wanted = torch.softmax(log_weights + (1 - alpha) * values.detach(), dim=1)
    torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-10)


def test_weights_add_up_to_one_and_a_row_of_none_has_one_at_its_first_place() -> None:
    raw = torch.tensor([[-torch.inf, 3.0, 5.0], [-torch.inf] * 3])
    found = normalised(raw)
    assert found.kept.tolist() == [[False, True, True], [False] * 3]
    torch.testing.assert_close(found.log_weights.exp().sum(dim=1), torch.ones(2))
    assert found.log_weights[1].tolist() == [0, -torch.inf, -torch.inf]
    assert found.filled(torch.full((2, 3), torch.nan), 7.0)[1].tolist() == [7, 7, 7]

"""KL(r ‖ p) over a whole corpus against its enumeration, its gradient, masks, and why p is not truncated."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from retrieve.train.vod.objective.distillation import divergence, divergence_gradient, uniform_target


def case(seed: int, b: int = 3, n: int = 12, p: int = 5) -> tuple[Tensor, dict[str, Tensor]]:
    """Scores (B,N), and r's scores (B,P) at P different places."""
    draws = torch.Generator().manual_seed(seed)
    places = torch.stack([torch.randperm(n, generator=draws)[:p] for _ in range(b)])
    target = 2 * torch.randn(b, p, dtype=torch.float64, generator=draws)
    return torch.randn(b, n, dtype=torch.float64, generator=draws), {"target": target, "places": places}


def enumerated(scores: Tensor, target: Tensor, places: Tensor) -> float:
    """Of one question, document by document."""
    total = sum(math.exp(each) for each in scores.tolist())
    of_target = sum(math.exp(each) for each in target.tolist())
    found = 0.0
    for score, place in zip(target.tolist(), places.tolist(), strict=True):
        if (r := math.exp(score) / of_target) > 0:
            found += r * (math.log(r) - math.log(math.exp(scores[place]) / total))
    return found


@given(st.integers(0, 2**32))
def test_it_is_what_enumeration_says_and_not_below_0(seed: int) -> None:
    scores, how = case(seed)
    found = divergence(scores, **how)
    assert (found >= 0).all()
    for row, value in enumerate(found.tolist()):
        assert value == pytest.approx(
            enumerated(scores[row], how["target"][row], how["places"][row]), abs=1e-12
        )


@given(st.integers(0, 2**32))
def test_its_gradient_is_p_less_r(seed: int) -> None:
    scores, how = case(seed)
    scores.requires_grad_()
    (found,) = torch.autograd.grad(divergence(scores, **how).sum(), scores)
    r = torch.zeros_like(found).scatter(1, how["places"], torch.softmax(how["target"], dim=1))
    torch.testing.assert_close(found, torch.softmax(scores.detach(), dim=1) - r, rtol=0, atol=1e-12)
    torch.testing.assert_close(divergence_gradient(scores.detach(), **how), found, rtol=0, atol=1e-12)


def test_it_is_0_where_the_retriever_is_the_sampler() -> None:
    scores, how = case(4, n=7, p=7)
    same = scores.scatter(1, how["places"], how["target"] + 3.0)  # a constant changes nothing
    torch.testing.assert_close(divergence(same, **how), torch.zeros(3, dtype=torch.float64))
    assert float(divergence_gradient(same, **how).abs().max()) < 1e-12


def test_documents_beside_the_samplers_own_count() -> None:
    """Normalised over the sampler's documents alone, the divergence would be blind for what else is found."""
    scores, how = case(5, b=1)
    others = torch.ones(12, dtype=torch.bool).scatter(0, how["places"][0], value=False)
    lifted = scores.masked_fill(others, 9.0)
    assert float(divergence(lifted, **how)) > float(divergence(scores, **how)) + 5
    assert (divergence_gradient(lifted, **how)[0][others] > 0).all()


@given(st.integers(0, 2**32))
def test_padding_changes_nothing_and_a_row_of_it_asks_for_nothing(seed: int) -> None:
    scores, how = case(seed)
    gap = torch.full((3, 2), -torch.inf, dtype=torch.float64)
    padded = {
        "target": torch.cat([how["target"], gap], dim=1),
        "places": torch.cat([how["places"], torch.zeros(3, 2, dtype=torch.long)], dim=1),
    }
    padded["target"][1] = -torch.inf
    own = torch.cat([scores, gap], dim=1).requires_grad_()  # documents that are masked, too
    found = divergence(own, **padded)
    (slope,) = torch.autograd.grad(found.sum(), own)
    wanted, wanted_slope = divergence(scores, **how), divergence_gradient(scores, **how)
    wanted[1], wanted_slope[1] = 0, 0
    torch.testing.assert_close(found.detach(), wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(slope[:, :12], wanted_slope, rtol=0, atol=1e-12)
    torch.testing.assert_close(divergence_gradient(own.detach(), **padded), slope, rtol=0, atol=1e-12)
    assert not slope[:, 12:].any()


def test_the_uniform_target_is_the_cross_entropy_of_the_facts() -> None:
    scores, _ = case(6)
    target, places = uniform_target([[2, 7, 3], [], [5]])
    found = divergence(scores, target=target.double(), places=places)
    log_p = torch.log_softmax(scores, dim=1)
    wanted = [-float(log_p[0, [2, 7, 3]].mean()) - math.log(3), 0.0, -float(log_p[2, 5])]
    assert found.tolist() == pytest.approx(wanted, abs=1e-12)
    assert uniform_target([[]])[0].shape == (1, 1)

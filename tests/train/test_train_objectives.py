"""Objectives against closed forms and the plain formulas in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from retrieve.train.objectives import (
    TEMPERATURE,
    distillation,
    info_nce,
    overlap,
    overlap_slope,
    usage_imbalance,
)


def masks(count: int, dimensions: int, winners: int, seed: int) -> torch.Tensor:
    noise = torch.rand(count, dimensions, generator=torch.Generator().manual_seed(seed))
    return torch.zeros(count, dimensions).scatter_(1, noise.topk(winners, dim=1).indices, 1.0)


def test_overlap_counts_shared_winners() -> None:
    queries, documents = masks(5, 40, 4, 0), masks(7, 40, 9, 1)
    found = overlap(queries=queries, documents=documents)
    for query in range(5):
        for document in range(7):
            shared = int((queries[query].bool() & documents[document].bool()).sum())
            assert found[query, document] == pytest.approx(shared / math.sqrt(4 * 9))
    assert torch.allclose(overlap(queries=queries, documents=queries).diagonal(), torch.ones(5))


def test_overlap_of_no_winners_is_zero_and_its_divisor_has_no_gradient() -> None:
    queries = torch.zeros(1, 6, requires_grad=True)
    documents = masks(3, 6, 2, 0)
    assert overlap(queries=queries, documents=documents).tolist() == [[0, 0, 0]]
    codes = masks(1, 6, 2, 1).requires_grad_()
    overlap(queries=codes, documents=documents).sum().backward()
    assert torch.allclose(codes.grad, documents.sum(dim=0, keepdim=True) / 2)


def test_info_nce_of_equal_scores_is_log_b_and_of_a_sure_choice_zero() -> None:
    assert info_nce(torch.full((8, 8), 0.3), scale=20).loss.item() == pytest.approx(math.log(8))
    sure = info_nce(torch.eye(8) * 5, scale=20)
    assert sure.loss.item() == pytest.approx(0, abs=1e-6)
    assert sure.diagnostics["first"].item() == 1
    # Two rows, positives ahead by .1: log(1 + e^(−2)).
    scores = torch.tensor([[0.4, 0.3], [0.1, 0.2]])
    assert info_nce(scores, scale=20).loss.item() == pytest.approx(math.log1p(math.exp(-2)))


def test_distillation_is_the_divergence_and_zero_for_a_perfect_student() -> None:
    rng = np.random.default_rng(0)
    teacher, scores = rng.uniform(-0.2, 0.9, (6, 9)), rng.uniform(0, 0.4, (6, 9))

    def softmax(values: np.ndarray) -> np.ndarray:
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    p, q = softmax(teacher / TEMPERATURE), softmax(76 * scores)
    wanted = (p * np.log(p / q)).sum(axis=1).mean()
    found = distillation(torch.from_numpy(scores), teacher=torch.from_numpy(teacher), scale=76)
    assert found.loss.item() == pytest.approx(wanted)
    assert found.diagnostics["agreed"].item() == pytest.approx((p.argmax(1) == q.argmax(1)).mean())
    # A student whose overlap is .26 · cosine + a constant has the teacher's softmax at scale 1 / (.05 · .26).
    perfect = distillation(
        torch.from_numpy(0.26 * teacher + 0.06),
        teacher=torch.from_numpy(teacher),
        scale=1 / (TEMPERATURE * 0.26),
    )
    assert perfect.loss.item() == pytest.approx(0, abs=1e-9)


def test_usage_is_balanced_when_all_win_alike_and_log_n_when_one_does() -> None:
    assert usage_imbalance(torch.eye(16)).loss.item() == pytest.approx(0, abs=1e-6)
    one = torch.zeros(4, 16)
    one[:, 3] = 1
    worst = usage_imbalance(one)
    assert worst.loss.item() == pytest.approx(math.log(16))
    assert worst.diagnostics["unused"].item() == 15 / 16


def test_the_slope_is_that_of_the_line() -> None:
    cosines = torch.rand(20, 30, generator=torch.Generator().manual_seed(0))
    assert overlap_slope(0.26 * cosines + 0.06, cosines) == pytest.approx(0.26)
    with pytest.raises(ValueError, match="does not rise"):
        overlap_slope(1 - cosines, cosines)

"""Multiple choice: property 11, property 12 with options and documents that are not there, and what is reported.

Everything is held against a sum over all combinations of documents, one after the other.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from torch import Tensor
from vod_instances import Option, enumerated, options_of, padded

from retrieve.errors import UsageError
from retrieve.train.vod.objective.choice import (
    GRID_FROM,
    MOST_CELLS,
    Choices,
    choice_diagnostics,
    choice_estimate,
    grid_estimate,
    log_probabilities,
)
from retrieve.train.vod.objective.estimator import estimate

SEVERAL = (0.0, 0.3, 0.5, 0.9, 0.99, 1.0)
Questions = list[list[Option]]


def choices_of(questions: Questions, m: int | None = None, k: int | None = None) -> Choices:
    m = m or max(len(options) for options in questions)
    k = k or max(len(option.scores) for options in questions for option in options)
    return Choices(**padded(questions, m, k))


def close(found: Tensor, wanted: object, tolerance: float) -> None:
    torch.testing.assert_close(
        found, torch.as_tensor(wanted, dtype=torch.float64), rtol=tolerance, atol=tolerance
    )


# A batch of questions: the numbers of documents of each of their options.
shapes = st.lists(
    st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda counts: np.prod(counts) <= 200),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("alpha", SEVERAL)
def test_integral_grid_and_factors_are_one(alpha: float) -> None:
    """Property 11. The factors: the estimate of `estimator.py` with each combination as one document."""
    questions = [options_of(np.random.default_rng(seed), [5, 5, 5]) for seed in range(20)]
    choices = choices_of(questions)
    answers = torch.arange(20) % 3
    found = choice_estimate(choices, answers, alpha=alpha)
    close(found, grid_estimate(choices, answers, alpha=alpha), 1e-10)
    places = torch.cartesian_prod(*[torch.arange(5)] * 3)
    scores, sampler, reader, weights = (
        torch.stack([values[:, option, places[:, option]] for option in range(3)], dim=1)
        for values in choices
    )
    log_p = torch.log_softmax(reader, dim=1)[torch.arange(20), answers]
    factors = estimate(
        scores.sum(1), reader=log_p, sampler_scores=sampler.sum(1), log_weights=weights.sum(1), alpha=alpha
    )
    close(found, factors, 1e-10)


def test_the_options_probabilities_add_up_to_one() -> None:
    """Property 11: of samples as of all documents."""
    questions = [options_of(np.random.default_rng(seed), [5, 5, 5], spread=3) for seed in range(20)]
    choices = choices_of(questions)
    each = [choice_estimate(choices, torch.full((20,), option), alpha=0.0).exp() for option in range(3)]
    close(sum(each, torch.zeros(())), torch.ones(20), 1e-12)
    close(log_probabilities(choices.scores, choices.reader).exp().sum(dim=1), torch.ones(20), 1e-12)


@given(st.integers(0, 2**32), shapes, st.sampled_from((-1.0, *SEVERAL)), st.sampled_from([0.1, 1.0, 20.0]))
def test_it_is_the_sum_over_combinations(
    seed: int, counts: list[list[int]], alpha: float, spread: float
) -> None:
    """Values, and what is reported of a step."""
    chance = np.random.default_rng(seed)
    questions = [options_of(chance, own, spread=spread) for own in counts]
    answers = [int(chance.integers(len(own))) for own in counts]
    wanted = [enumerated(*pair, alpha) for pair in zip(questions, answers, strict=True)]
    gaps = [
        enumerated(*pair, 0.0).value - enumerated(*pair, 1.0).value
        for pair in zip(questions, answers, strict=True)
    ]
    choices = choices_of(questions)
    close(
        choice_estimate(choices, torch.tensor(answers), alpha=alpha), [each.value for each in wanted], 1e-10
    )
    close(grid_estimate(choices, torch.tensor(answers), alpha=alpha), [each.value for each in wanted], 1e-10)
    seen = choice_diagnostics(choices, torch.tensor(answers), alpha=alpha)
    close(seen.effective_size, [each.effective_size for each in wanted], 1e-9)
    close(seen.divergence, [each.divergence for each in wanted], 1e-10)
    close(seen.gap, gaps, 1e-10)


@given(st.integers(0, 2**32), shapes, st.sampled_from([0.1, 1.0, 20.0]))
def test_probabilities_are_the_sum_over_combinations(
    seed: int, counts: list[list[int]], spread: float
) -> None:
    chance = np.random.default_rng(seed)
    # With p as sampler and its probabilities as weights, L̂_0 over all documents is L_0.
    questions = [
        [
            option._replace(sampler_scores=option.scores, log_weights=option.scores)
            for option in options_of(chance, own, spread=spread)
        ]
        for own in counts
    ]
    choices = choices_of(questions)
    found = log_probabilities(choices.scores, choices.reader)
    close(found.exp().sum(dim=1), torch.ones(len(counts)), 1e-12)
    for row, options in enumerate(questions):
        wanted = [enumerated(options, answer, 0.0).value for answer in range(len(options))]
        assert abs(logsumexp(wanted)) < 1e-12
        close(found[row, : len(options)], wanted, 1e-10)
        assert (found[row, len(options) :] == -torch.inf).all()


@pytest.mark.parametrize("alpha", [*SEVERAL, 0.995])
def test_two_to_five_options_in_one_batch_are_those_one_by_one(alpha: float) -> None:
    """Property 11; the batch has a question with an option that is missing in the middle, too."""
    chance = np.random.default_rng(0)
    questions = [options_of(chance, [4] * m) for m in (2, 3, 4, 5)]
    answers = torch.tensor([1, 0, 3, 2])
    values = [each.requires_grad_() for each in choices_of(questions)]
    found = choice_estimate(Choices(*values), answers, alpha=alpha)
    gradients = torch.autograd.grad(found.sum(), values[:3])
    for row, options in enumerate(questions):
        own = [each.requires_grad_() for each in choices_of([options])]
        alone = choice_estimate(Choices(*own), answers[row : row + 1], alpha=alpha)
        close(found[row : row + 1], alone, 1e-12)
        for mine, theirs in zip(torch.autograd.grad(alone.sum(), own[:3]), gradients, strict=True):
            close(theirs[row, : len(options)], mine[0], 1e-12)
    middle = Choices(*(torch.cat([each[:, :1], each[:, -1:], each[:, 1:]], dim=1) for each in values))
    assert torch.isinf(middle.log_weights[0, 1]).all()
    moved = torch.where(answers > 0, answers + 1, answers)
    close(choice_estimate(middle, moved, alpha=alpha)[:3], found[:3], 1e-12)
    probabilities = log_probabilities(middle.scores, middle.reader)
    assert probabilities[0, 1] == -torch.inf
    close(probabilities[0].exp().sum(), 1.0, 1e-12)


@given(st.integers(0, 2**32), shapes, st.sampled_from((*SEVERAL, 0.995)))
def test_padding_changes_nothing(seed: int, counts: list[list[int]], alpha: float) -> None:
    """Property 12: a wider and longer array with −inf in all four; values, gradients and what is reported."""
    chance = np.random.default_rng(seed)
    questions = [options_of(chance, own) for own in counts]
    answers = torch.tensor([int(chance.integers(len(own))) for own in counts])
    m, k = max(len(own) for own in counts), max(max(own) for own in counts)
    short = [each.requires_grad_() for each in choices_of(questions)]
    wide = [each.requires_grad_() for each in choices_of(questions, m + 2, k + 3)]
    found, wanted = (choice_estimate(Choices(*each), answers, alpha=alpha) for each in (wide, short))
    close(found, wanted, 1e-12)
    ours, theirs = (
        torch.autograd.grad(value.sum(), given[:3]) for value, given in ((found, wide), (wanted, short))
    )
    for mine, other, values in zip(ours, theirs, wide, strict=False):
        assert torch.isfinite(mine).all()
        assert not mine[torch.isinf(values)].any()
        close(mine[:, :m, :k], other, 1e-12)
    seen, alone = (choice_diagnostics(Choices(*each), answers, alpha=alpha) for each in (wide, short))
    for mine, other in zip(seen, alone, strict=True):
        close(mine, other, 1e-12)
    scores, reader = wide[0], wide[2]
    probabilities = log_probabilities(scores, reader)
    close(probabilities[:, :m], log_probabilities(short[0], short[2]), 1e-12)
    gradients = torch.autograd.grad(probabilities[torch.arange(len(counts)), answers].sum(), (scores, reader))
    assert all(bool(torch.isfinite(each).all()) for each in gradients)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 1.0])
def test_gradients_are_those_of_the_grid(alpha: float) -> None:
    questions = [options_of(np.random.default_rng(seed), [8] * 4) for seed in range(3)]
    answers = torch.tensor([0, 3, 1])
    found = []
    for function in (choice_estimate, grid_estimate):
        values = [each.requires_grad_() for each in choices_of(questions)]
        found.append(torch.autograd.grad(function(Choices(*values), answers, alpha=alpha).sum(), values[:3]))
    for mine, grid in zip(*found, strict=True):
        close(mine, grid, 1e-12)


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from([*SEVERAL, 0.995, 0.999, 0.9999, 0.99999]),
)
def test_constants_change_nothing(seed: int, counts: list[int], alpha: float) -> None:
    """Property 9: on f_θ, f_φ and log s̄ of each option its own, on g the same for all options."""
    chance = np.random.default_rng(seed)
    options = options_of(chance, counts)
    on_g = 10 * chance.normal()
    moved = []
    for option in options:
        on_scores, on_sampler, on_weights = 10 * chance.normal(size=3)
        moved.append(
            Option(
                option.scores + on_scores,
                option.sampler_scores + on_sampler,
                option.reader + on_g,
                option.log_weights + on_weights,
            )
        )
    answer = torch.tensor([int(chance.integers(len(counts)))])
    found, wanted = (choice_estimate(choices_of([each]), answer, alpha=alpha) for each in (moved, options))
    close(found, wanted, 1e-12 if alpha <= 0.999 or alpha == 1 else 1e-9)


@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_of_one_sample_it_falls_with_alpha(seed: int, counts: list[int]) -> None:
    """Property 9, over the change from the integral to the grid."""
    choices = choices_of([options_of(np.random.default_rng(seed), counts)])
    alphas = (-1.0, *SEVERAL[:-1], 0.9901, 0.999, 0.99999, 1.0)
    found = torch.cat([choice_estimate(choices, torch.tensor([0]), alpha=alpha) for alpha in alphas])
    assert (found.diff() <= 1e-10).all()


def test_options_that_are_nearly_alike_have_an_exact_elbo() -> None:
    """An untrained reader: log S is near log M, and the integral needs the nodes up to where e^(−t) is 0."""
    for m in range(2, 9):
        options = options_of(np.random.default_rng(m), [2] * m, spread=1e-3)
        found = choice_estimate(choices_of([options]), torch.tensor([0]), alpha=1.0)
        close(found, [enumerated(options, 0, 1.0).value], 1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_a_reader_that_is_sure_has_finite_gradients(alpha: float) -> None:
    """Differences of g beyond what an exponential holds, of which a neighbour in the batch has none."""
    chance = np.random.default_rng(0)
    questions = [options_of(chance, [2, 3, 2], spread=1_500), options_of(chance, [2, 2, 2])]
    values = [each.requires_grad_() for each in choices_of(questions)]
    found = choice_estimate(Choices(*values), torch.tensor([0, 1]), alpha=alpha)
    wanted = [enumerated(options, row, alpha).value for row, options in enumerate(questions)]
    close(found, wanted, 1e-10)
    for gradient in torch.autograd.grad(found.sum(), values[:3]):
        assert torch.isfinite(gradient).all()


def test_an_effective_size_above_1_is_refused() -> None:
    choices = choices_of([options_of(np.random.default_rng(0), [2, 2])])
    with pytest.raises(UsageError, match=r"α is 1\.5, wanted at most 1"):
        choice_diagnostics(choices, torch.tensor([0]), alpha=1.5)


@pytest.mark.parametrize("m", range(2, 8))
def test_a_grid_too_large_is_refused_with_the_largest_k_that_fits(m: int) -> None:
    largest = next(k for k in range(1, 2_000) if (k + 1) ** m > MOST_CELLS)
    zeros = torch.zeros(1, m, largest + 1, dtype=torch.float64)
    choices = Choices(zeros, zeros, zeros, zeros)
    wanted = rf"{m} options with {largest + 1} documents each has {(largest + 1) ** m:,} cells.*lower k to {largest},"
    for function, alpha in ((grid_estimate, 0.5), (choice_estimate, 0.995)):
        with pytest.raises(UsageError, match=wanted):
            function(choices, torch.tensor([0]), alpha=alpha)
    # The integral has no such limit, and options that are not there do not count.
    found = choice_estimate(choices, torch.tensor([0]), alpha=GRID_FROM)
    close(found, [-np.log(m)], 1e-10)
    two = choices._replace(log_weights=zeros.index_fill(1, torch.arange(2, m), -torch.inf))
    if m > 2:
        close(choice_estimate(two, torch.tensor([0]), alpha=0.995), [-np.log(2)], 1e-10)


def test_the_largest_grid_is_computed() -> None:
    chance = np.random.default_rng(0)
    questions = [options_of(chance, [1024, 1024])]
    answer = torch.tensor([1])
    found = grid_estimate(choices_of(questions), answer, alpha=0.5)
    close(found, choice_estimate(choices_of(questions), answer, alpha=0.5), 1e-10)


def test_single_precision_comes_back_as_it_was_given() -> None:
    questions = [options_of(np.random.default_rng(0), [5] * 3)]
    double = choices_of(questions)
    single = Choices(*(each.float() for each in double))
    for alpha in (0.0, 0.9, 0.9999, 1.0):
        found = choice_estimate(single, torch.tensor([1]), alpha=alpha)
        assert found.dtype == torch.float32
        close(found.double(), choice_estimate(double, torch.tensor([1]), alpha=alpha), 2e-5)

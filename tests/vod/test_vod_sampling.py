"""Property 5: priority sampling is unbiased, pair by pair too, and draws depend on seed, step and question alone.

Seen to fail: equal weights (s = 1/K), s̄ without max(·, τ), normalised s returned in the place of s̄, the K lowest keys
kept, and a truncation that keeps the lowest P documents.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from vod_instances import (
    Array,
    Sampler,
    already_normalised,
    equal_weights,
    lowest_keys,
    truncated,
    without_threshold,
)

from retrieve.errors import UsageError
from retrieve.train.vod.objective.sampling import Sample, Variant, priority_sample, uniforms

P = 12
DRAWS = 400_000
LOG_R: Array = log_softmax(np.random.default_rng(0).normal(size=P))
VARIANTS: tuple[Variant, ...] = ("priority", "exponential")


def exponential(log_probabilities: Array, k: int, *, uniforms: Array) -> Sample:
    return priority_sample(log_probabilities, k, uniforms=uniforms, variant="exponential")


def draw(log_r: Array, k: int, draws: int, sampler: Sampler = priority_sample) -> Sample:
    shape = draws, len(log_r)
    given = 1 - np.random.default_rng(1).random(shape)
    return sampler(np.broadcast_to(log_r, shape), k, uniforms=given)


def faults(sampler: Sampler, k: int) -> set[str]:
    """What of the property does not hold, means within 4.5 standard errors and 1e-4."""
    sample = draw(LOG_R, k, DRAWS, sampler)
    weights = np.zeros((DRAWS, P))
    np.put_along_axis(weights, sample.indices, np.exp(sample.log_weights), axis=1)
    r = np.exp(LOG_R)
    found = set()

    def off(mean: Array, square: Array, wanted: Array) -> Array:
        error = np.sqrt(np.maximum(square - mean**2, 0) / DRAWS)
        return np.abs(mean - wanted) >= 4.5 * error + 1e-4

    total = weights.sum(axis=1)
    if off(total.mean(), np.square(total).mean(), np.ones(())):
        found.add("total")
    if off(weights.mean(axis=0), np.square(weights).mean(axis=0), r).any():
        found.add("mean")
    squares = np.square(weights)
    pairs = off(weights.T @ weights / DRAWS, squares.T @ squares / DRAWS, np.outer(r, r))
    if pairs[~np.eye(P, dtype=bool)].any():
        found.add("pairs")
    if (np.diff(np.sort(sample.indices, axis=1)) == 0).any():
        found.add("distinct")
    return found


@pytest.mark.parametrize("k", [4, 8])
@pytest.mark.parametrize("sampler", [priority_sample, exponential])
def test_weights_are_unbiased(sampler: Sampler, k: int) -> None:
    assert faults(sampler, k) == set()


@pytest.mark.parametrize("k", [4, 8])
@pytest.mark.parametrize(
    ("mutation", "wanted"),
    [
        (equal_weights, {"mean", "pairs"}),  # whose total is 1
        (without_threshold, {"total", "mean", "pairs"}),
        (already_normalised, {"mean", "pairs"}),
        (lowest_keys, {"total", "mean", "pairs"}),
    ],
)
def test_a_wrong_sampler_is_seen(mutation: Sampler, wanted: set[str], k: int) -> None:
    assert faults(mutation, k) == wanted


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_documents_have_their_probabilities_bit_for_bit(variant: Variant) -> None:
    given = 1 - np.random.default_rng(2).random((50, P))
    log_r = np.broadcast_to(LOG_R, given.shape)
    sample = priority_sample(log_r, P, uniforms=given, variant=variant)
    assert np.array_equal(np.sort(sample.indices), np.broadcast_to(np.arange(P), given.shape))
    assert np.array_equal(sample.log_weights, LOG_R[sample.indices])
    for mutation in (equal_weights, already_normalised):
        wrong = mutation(log_r, P, uniforms=given)
        assert not np.array_equal(wrong.log_weights, LOG_R[wrong.indices])


@pytest.mark.parametrize("sampler", [priority_sample, exponential])
def test_only_documents_of_the_truncated_set_are_drawn_and_all_of_them(sampler: Sampler) -> None:
    scores = np.random.default_rng(3).normal(size=40)
    top = set(np.argsort(scores)[-P:].tolist())
    for k in (4, 8, P):
        sample = draw(truncated(scores, P), k, 4_000, sampler)
        assert set(sample.indices.ravel().tolist()) == top
        assert np.isfinite(sample.log_weights).all()
    wrong = draw(truncated(scores, P, lowest=True), 4, 4_000, sampler)
    assert not set(wrong.indices.ravel().tolist()) & top


@given(st.integers(0, 2**32), st.lists(st.booleans(), min_size=1, max_size=9).filter(any), st.data())
def test_where_fewer_have_any_probability_all_are_kept_with_it(
    seed: int, kept: list[bool], data: st.DataObject
) -> None:
    k, variant = data.draw(st.integers(1, len(kept))), data.draw(st.sampled_from(VARIANTS))
    chance = np.random.default_rng(seed)
    mask = np.array(kept)
    log_r = np.full(len(kept), -np.inf)
    log_r[mask] = log_softmax(chance.normal(size=mask.sum()))
    sample = priority_sample(log_r[None], k, uniforms=1 - chance.random((1, len(kept))), variant=variant)
    (indices,), (log_weights,) = sample
    there = mask[indices]
    assert len(set(indices.tolist())) == k
    assert there.sum() == min(k, mask.sum())
    assert (log_weights[~there] == -np.inf).all()
    assert (log_weights[there] >= log_r[indices[there]]).all()
    if k >= mask.sum():
        assert np.array_equal(log_weights, log_r[indices])


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_do_not_depend_on_their_neighbours(variant: Variant) -> None:
    chance = np.random.default_rng(4)
    log_r = log_softmax(3 * chance.normal(size=(6, P)), axis=1)
    given = 1 - chance.random((6, P))
    together = priority_sample(log_r, 5, uniforms=given, variant=variant)
    for row in range(6):
        alone = priority_sample(log_r[row : row + 1], 5, uniforms=given[row : row + 1], variant=variant)
        for mine, theirs in zip(alone, together, strict=True):
            assert np.array_equal(mine[0], theirs[row])


def test_numbers_of_one_let_everything_through() -> None:
    """The largest number there is, which makes a key r itself, and an exponential of 0."""
    for variant in VARIANTS:
        sample = priority_sample(LOG_R[None], 4, uniforms=np.ones((1, P)), variant=variant)
        assert len(set(sample.indices[0].tolist())) == 4
        assert not np.isnan(sample.log_weights).any()


@pytest.mark.parametrize("k", [0, P + 1])
def test_more_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(UsageError, match=rf"k is {k} with {P} documents .* wanted 1 to {P}; lower k"):
        priority_sample(LOG_R[None], k, uniforms=np.full((1, P), 0.5))


@given(st.integers(0, 2**32), st.integers(0, 2**20), st.text("q1 é\0", max_size=5))
def test_draws_depend_on_seed_step_and_question_alone(seed: int, step: int, question: str) -> None:
    first = uniforms(seed, step, question, (2, 3))
    np.random.seed(seed % 7)  # noqa: NPY002 (a state that must not matter)
    uniforms(seed, step, question + "?", (50,))
    assert np.array_equal(first, uniforms(seed, step, question, (2, 3)))
    for other in ((seed + 1, step, question), (seed, step + 1, question), (seed, step, question + "?")):
        assert not np.isin(first, uniforms(*other, (2, 3))).any()
    assert ((first > 0) & (first <= 1)).all()


def test_draws_stay_those_they_were() -> None:
    """Another digest or generator would make a resumed training go on with other draws."""
    wanted = [0.20975557866032724, 0.5779938938833574, 0.2868793844852344]
    assert uniforms(1, 2, "q3", (3,)).tolist() == wanted
    assert uniforms(0, 0, "\ud800", (1,)).shape == (1,)

"""Fusion against its definition, and its edges: missing documents, equal scores, empty views, bad weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import InputError, UsageError
from retrieve.measures.fuse import convex, fuse_runs, rrf, z
from retrieve.trec import Run, as_run, ordered

Pool = Mapping[int, float]
pools = st.lists(
    st.dictionaries(
        st.integers(0, 9),
        st.sampled_from([-2.0, 0.0, 0.5, 1.0, 1e6, 1e-9]) | st.floats(-1e9, 1e9),
        max_size=8,
    ),
    min_size=1,
    max_size=4,
)
runs = st.lists(
    st.dictionaries(
        st.sampled_from("12"), st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0.0, 1.0, 2.0]))
    ),
    min_size=1,
    max_size=3,
)


def slow_convex(pools: Sequence[Pool], weights: Sequence[float]) -> dict[int, float]:
    fused = {}
    for key in {key for pool, weight in zip(pools, weights, strict=True) if weight for key in pool}:
        total = 0.0
        for pool, weight in zip(pools, weights, strict=True):
            if not pool:
                continue
            low, high = min(pool.values()), max(pool.values())
            normal = 1.0 if low == high and key in pool else 0.0
            if low < high:
                normal = (pool.get(key, low) - low) / (high - low)
            total += weight / sum(weights) * normal
        fused[key] = total
    return fused


def slow_z(pools: Sequence[Pool], weights: Sequence[float]) -> dict[int, float]:
    fused = {}
    for key in {key for pool, weight in zip(pools, weights, strict=True) if weight for key in pool}:
        total = 0.0
        for pool, weight in zip(pools, weights, strict=True):
            if not pool or min(pool.values()) == max(pool.values()):
                continue
            exact = [Fraction(score) for score in pool.values()]
            mean = sum(exact) / len(exact)
            variance = sum((score - mean) ** 2 for score in exact) / len(exact)
            score = Fraction(pool.get(key, min(pool.values())))
            sign = 1 if score > mean else -1
            total += weight / sum(weights) * sign * math.sqrt((score - mean) ** 2 / variance)
        fused[key] = total
    return fused


def slow_rrf(pools: Sequence[Pool], weights: Sequence[float], constant: float) -> dict[int, float]:
    def rank(pool: Pool, key: int) -> int:
        return 1 + sum((-score, other) < (-pool[key], key) for other, score in pool.items())

    return {
        key: sum(
            w / (constant + rank(pool, key)) for pool, w in zip(pools, weights, strict=True) if key in pool
        )
        for key in {key for pool, weight in zip(pools, weights, strict=True) if weight for key in pool}
    }


@settings(max_examples=150, deadline=None)
@given(pools, st.data())
def test_all_are_their_definitions(pools: list[Pool], data: st.DataObject) -> None:
    weights = data.draw(
        st.lists(st.floats(0, 10), min_size=len(pools), max_size=len(pools)).filter(lambda w: sum(w) > 1e-3)
    )
    fused = convex(pools, weights)
    assert fused == pytest.approx(slow_convex(pools, weights))
    assert all(-1e-12 <= score <= 1 + 1e-12 for score in fused.values())
    assert z(pools, weights) == pytest.approx(slow_z(pools, weights), abs=1e-9)
    constant = data.draw(st.sampled_from([0, 1, 60]))
    assert rrf(pools, weights, constant) == pytest.approx(slow_rrf(pools, weights, constant))
    ones = [1.0] * len(pools)
    assert convex(pools) == convex(pools, ones)
    assert z(pools) == z(pools, ones) == z([dict(reversed(pool.items())) for pool in pools])
    assert rrf(pools) == rrf(pools, ones, 60)


def test_convex_by_hand() -> None:
    fused = convex([{"a": 30.0, "b": 20.0, "c": 10.0}, {"b": 0.9, "d": 0.5}, {}], [2, 1, 1])
    assert fused == {"a": 0.5, "b": 0.5, "c": 0.0, "d": 0.0}


def test_z_by_hand() -> None:
    """Of 30 and 10 the mean is 20 and the deviation 10; `c` is in one pool alone, and stands with the other's least."""
    fused = z([{"a": 30.0, "b": 10.0}, {"b": 0.75, "c": 0.25}], [3, 1])
    assert fused == {"a": 0.5, "b": -0.5, "c": -1.0}
    assert z([{"a": -7.0}, {"a": 3.0, "b": 3.0}, {}]) == {"a": 0.0, "b": 0.0}


def test_one_hit_or_equal_scores_count_as_full_and_missing_as_nothing() -> None:
    assert convex([{"a": -7.0}, {"a": 3.0, "b": 3.0}]) == {"a": 1.0, "b": 0.5}


def test_a_views_scale_and_shift_change_nothing() -> None:
    pool = {"a": 3.0, "b": 2.0, "c": 1.0}
    other = {"b": 5.0, "d": 1.0}
    moved = {key: 8 * score - 100 for key, score in pool.items()}
    assert convex([moved, other]) == convex([pool, other])
    assert z([moved, other]) == z([pool, other])


def test_rrf_by_hand() -> None:
    fused = rrf([{"b": 1.0, "a": 1.0}, {"b": 0.5}])
    assert fused == {"a": 1 / 61, "b": pytest.approx(1 / 62 + 1 / 61)}


@pytest.mark.parametrize("fuse", [convex, z, rrf])
@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, math.nan], [1.0, math.inf]])
def test_bad_weights(fuse: object, weights: list[float]) -> None:
    assert callable(fuse)
    with pytest.raises(UsageError, match="weights"):
        fuse([{"a": 1.0}, {"a": 1.0}], weights)


@pytest.mark.parametrize("fuse", [convex, z, rrf])
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_bad_scores_name_their_document(fuse: object, score: float) -> None:
    assert callable(fuse)
    with pytest.raises(InputError, match=f"document 'b' has score {score}"):
        fuse([{"a": 1.0, "b": score, "c": 0.0}])


@pytest.mark.parametrize("fuse", [convex, z])
def test_scores_too_far_apart_are_not_nan_in_silence(fuse: Any) -> None:
    with pytest.raises(InputError, match="too far apart"):
        fuse([{"a": 1e308, "b": -1e308}])
    far = fuse([{"a": 1e200, "b": -1e200}])
    assert far["a"] - far["b"] == (1 if fuse is convex else 2)


def test_bad_calls() -> None:
    with pytest.raises(UsageError, match="constant is -1"):
        rrf([{"a": 1.0}], constant=-1)
    with pytest.raises(UsageError, match="no runs"):
        fuse_runs([])
    with pytest.raises(UsageError, match="'sum' does not exist: choose one of convex, z, rrf"):
        fuse_runs([{}], method="sum")
    with pytest.raises(UsageError, match="depth is 0"):
        fuse_runs([{}], depth=0)


@settings(max_examples=150, deadline=None)
@given(runs, st.sampled_from(["convex", "z", "rrf"]), st.integers(1, 5))
def test_runs_are_fused_query_by_query_from_pools_cut_in_our_order(
    runs: list[Run], method: str, depth: int
) -> None:
    fused = fuse_runs(runs, method, depth=depth)
    assert {query for query, _ in fused} == {query for run in runs for query in run}
    for query, ranking in fused:
        pools = [dict(ordered(run.get(query, {}))[:depth]) for run in runs]
        assert ranking == ordered({"convex": convex, "z": z, "rrf": rrf}[method](pools))


def test_queries_come_in_order_of_first_appearance() -> None:
    fused = fuse_runs([{"9": {"a": 1.0}}, {"1": {"a": 1.0}, "9": {"b": 1.0}}])
    assert fused == [("9", [("a", 0.5), ("b", 0.5)]), ("1", [("a", 0.5)])]


def test_ties_of_a_written_run_are_ties_when_it_is_fused() -> None:
    tied, other = [("a", 0.2), ("b", 0.2), ("d", 0.2)], [("d", 0.9), ("b", 0.7), ("a", 0.5)]
    runs = [as_run([("q", ranking)]) for ranking in (tied, other)]
    assert len(set(runs[0]["q"].values())) == 3
    fused = dict(fuse_runs(runs)[0][1])
    assert fused == pytest.approx(convex([dict(tied), dict(other)]), abs=1e-6)

"""select_top against sorting everything."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import UsageError
from retrieve.index.select import select_top

# Few values, so that ties are the rule.
values = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 0.5, 1.0, 2.0, 3.0, math.inf, math.nan])


def by_sorting(
    scores: np.ndarray, k: int, groups: list[int], live: list[bool], floor: float
) -> list[tuple[int, int, float]]:
    best: dict[int, tuple[float, int]] = {}
    for row, score in enumerate(scores.tolist()):
        if live[row] and score > floor and (groups[row] not in best or score > best[groups[row]][0]):
            best[groups[row]] = (score, row)
    ordered = sorted(best, key=lambda group: (-best[group][0], group))
    return [(group, best[group][1], best[group][0]) for group in ordered[:k]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(values, st.integers(0, 2), st.booleans()), max_size=60),
    st.integers(1, 70),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([np.int32, np.uint32, None]),
    st.booleans(),
    st.sampled_from([-math.inf, 0.0, 0.5]),
)
def test_selects_what_sorting_selects(rows, k, dtype, group_type, masked, floor) -> None:
    scores = np.array([score for score, _, _ in rows], dtype)
    groups = np.cumsum([step for _, step, _ in rows], dtype=np.int64)
    live = np.array([alive for _, _, alive in rows], bool)
    found = select_top(
        scores,
        k,
        groups=None if group_type is None else groups.astype(group_type),
        live=live if masked else None,
        floor=floor,
    )
    expected = by_sorting(
        scores,
        k,
        list(range(len(rows))) if group_type is None else groups.tolist(),
        live.tolist() if masked else [True] * len(rows),
        floor,
    )
    assert list(zip(*(array.tolist() for array in found), strict=True)) == expected
    assert [array.dtype for array in found] == [np.int64, np.int64, np.float64]


def test_many_rows_and_prefixes() -> None:
    random = np.random.default_rng(1)
    scores = random.integers(0, 5_000, 50_000).astype(np.float32)
    groups = np.sort(random.integers(0, 20_000, len(scores))).astype(np.uint32)
    expected = by_sorting(scores, 1_000, groups.tolist(), [True] * len(scores), -math.inf)
    for k in (1, 10, 999, 1_000):
        found = select_top(scores, k, groups=groups)
        assert list(zip(*(array.tolist() for array in found), strict=True)) == expected[:k]


def test_groups_beyond_two_billion() -> None:
    groups = np.array([1, 2**31 + 5, 2**32 - 1], np.uint32)
    found, _, _ = select_top(np.array([1.0, 2.0, 2.0]), 3, groups=groups)
    assert found.tolist() == [2**31 + 5, 2**32 - 1, 1]


@pytest.mark.parametrize("k", [0, -1])
def test_refuses_to_select_nothing(k: int) -> None:
    with pytest.raises(UsageError, match=f"k is {k}"):
        select_top(np.zeros(1), k)


def test_refuses_arrays_of_different_length() -> None:
    with pytest.raises(ValueError, match="live has 2 rows, scores 1"):
        select_top(np.zeros(1), 1, live=np.ones(2, bool))
    with pytest.raises(ValueError, match="groups has 2 rows, scores 1"):
        select_top(np.zeros(1), 1, groups=np.zeros(2, np.uint32))


def test_a_group_of_many_chunks_counts_once() -> None:
    """Long groups hold the largest scores of several chunks of 32 rows, which must not pass for several groups."""
    random = np.random.default_rng(8)
    for _ in range(200):
        groups = np.cumsum(random.random(400) < random.choice([0.01, 0.03, 0.1]))
        scores = random.integers(0, 4, groups[-1] + 1)[groups] * 1.0 + random.random(400) // 0.5
        k = int(random.integers(1, 8))
        found = select_top(scores, k, groups=groups.astype(np.uint32), floor=0.0)
        expected = by_sorting(scores, k, groups.tolist(), [True] * 400, 0.0)
        assert list(zip(*(array.tolist() for array in found), strict=True)) == expected

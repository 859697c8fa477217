"""The best groups of scored rows and the merging of rankings, in every form, against sorting everything."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
from best_by_sorting import best_by_sorting
from core_forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st

NOBODY = np.empty(0, bool)
ALONE = np.empty(0, np.uint32)

# Few values, so that ties are the rule.
values = st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.5, 1.0, math.inf, math.nan])
floors = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, math.inf])


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def core(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def check(
    core: ModuleType, scores: np.ndarray, k: int, groups: np.ndarray, live: np.ndarray, floor: float
) -> None:
    found, rows = core.best_groups(scores, k, groups, live, floor)
    expected = best_by_sorting(scores, k, groups, live, floor)
    rising = sorted(expected, key=lambda pair: pair[1])
    assert list(zip(found.tolist(), rows.tolist(), strict=True)) == rising
    assert (found.dtype, rows.dtype) == (np.float64, np.int64)


@pytest.mark.parametrize("core", FORMS.values())
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(values, st.integers(0, 1), st.booleans()), max_size=150),
    st.integers(1, 200),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.booleans(),
    floors,
)
def test_few_values(core: ModuleType, rows, k, dtype, grouped, masked, floor) -> None:
    scores = np.array([score for score, _, _ in rows], dtype)
    groups = np.cumsum([step for _, step, _ in rows], dtype=np.uint32) if grouped else ALONE
    live = np.array([alive for _, _, alive in rows], bool) if masked else NOBODY
    check(core, scores, k, groups, live, floor)


@pytest.mark.parametrize("rows", [31, 32, 33, 65_535, 65_536, 65_537, 140_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_and_their_edges(core: ModuleType, rows: int, dtype: type) -> None:
    random = np.random.default_rng(rows)
    scores = random.normal(size=rows).astype(dtype)
    scores[random.random(rows) < 0.1] = math.nan
    scores[random.random(rows) < 0.3] = 1.0
    groups = np.cumsum(random.random(rows) < 0.05, dtype=np.uint32)
    live = random.random(rows) < 0.5
    for k in (1, 100, 2_000, 10**9):
        for some in (ALONE, groups, groups + np.uint32(2**32 - 1 - groups[-1])):
            check(core, scores, k, some, NOBODY, -math.inf)
            check(core, scores, k, some, live, 0.0)


@pytest.mark.parametrize("shape", ["rising", "falling", "equal", "waves", "infinite"])
def test_orders_that_make_choosing_hard(core: ModuleType, shape: str) -> None:
    rows = np.arange(20_000.0)
    scores = {
        "rising": rows,
        "falling": -rows,
        "equal": rows * 0,
        "waves": rows % 97,
        "infinite": np.where(rows % 3 == 0, math.inf, rows),
    }[shape]
    for k in (1, 7, 1_000, 19_999, 20_000):
        check(core, scores, k, ALONE, NOBODY, -math.inf)


def test_forms_choose_alike() -> None:
    random = np.random.default_rng(3)
    scores = random.integers(0, 9_000, 150_000) / 7.0
    groups = np.cumsum(random.random(len(scores)) < 0.4, dtype=np.uint32)
    for k in (10, 1_000, 40_000):
        for array in (scores, scores.astype(np.float32)):
            answers = {
                b"".join(part.tobytes() for part in core.best_groups(array, k, groups, NOBODY, 0.5))
                for core in FORMS.values()
            }
            assert len(answers) == 1


def test_scores_of_another_type_are_refused(core: ModuleType) -> None:
    for wrong in (np.zeros(3, np.float16), np.zeros(3, np.int64), np.zeros(6)[::2], np.zeros((3, 1))):
        with pytest.raises(TypeError):
            core.best_groups(wrong, 1, ALONE, NOBODY, 0.0)


rankings = st.lists(
    st.tuples(st.integers(0, 99), values.filter(lambda value: not math.isnan(value))), max_size=9
)


@pytest.mark.parametrize("core", FORMS.values())
@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(rankings, rankings, floors), max_size=4), st.integers(1, 12))
def test_merged_rankings_are_those_of_both(core: ModuleType, queries, k: int) -> None:
    def ranked(lists: list[list[tuple[int, float]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flat = [pair for one in lists for pair in one]
        bounds = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        return (
            np.array([key for key, _ in flat], np.int64),
            np.array([score for _, score in flat], float),
            bounds,
        )

    def falling(pairs: list[tuple[int, float]]) -> list[tuple[int, float]]:
        return sorted(pairs, key=lambda pair: -pair[1])

    firsts = [falling(one) for one, _, _ in queries]
    seconds = [falling(other) for _, other, _ in queries]
    own = np.array([floor for _, _, floor in queries], float)
    keys, scores, bounds = core.merge_ranked(k, *ranked(firsts), *ranked(seconds), own)
    assert len(bounds) == len(queries) + 1
    for q, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        expected = falling(first + second)
        floor = queries[q][2]
        if len(expected) >= k:
            last = expected[k - 1][1]
            expected = [pair for pair in expected if pair[1] >= last]
            floor = max(floor, math.nextafter(last, -math.inf))
        part = slice(bounds[q], bounds[q + 1])
        assert list(zip(keys[part].tolist(), scores[part].tolist(), strict=True)) == expected
        assert own[q] == floor

"""Counted lists against brute force: storing, counting, the best rows, ties, filters, groups and batches."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_codes import Matrix, as_codes, index, layouts, matrices, same, stored, winners

from retrieve.errors import IndexCorrupt, UsageError
from retrieve.index.code_postings import Counted, CountedBuilder, Live
from retrieve.index.codes import Codes
from retrieve.index.select import select_top


@settings(max_examples=120, deadline=None)
@given(
    matrices(), layouts, st.sampled_from([0.02, 0.3, 1.0]), st.integers(1, 700), st.booleans(), st.booleans()
)
def test_counts_and_best_are_brute_force(
    drawn: tuple[Matrix, np.random.Generator],
    layout: str,
    share: float,
    k: int,
    grouped: bool,
    masked: bool,
) -> None:
    matrix, random = drawn
    rows, n = matrix.shape
    query = random.random(n) < share
    expected = matrix[:, query].sum(axis=1)
    counts = index(matrix, layout).count(winners(query))
    assert counts.at(np.arange(rows)).tolist() == expected.tolist()
    groups = random.integers(0, 2, rows).cumsum().astype(np.uint32) if grouped else None
    live = random.random(rows) < random.random() if masked else None
    wanted = select_top(expected.astype(np.float64), k, groups=groups, live=live, floor=0.0)
    for mask in [None] if live is None else [live, Live(live)]:
        for found, array in zip(counts.top(k, groups=groups, live=mask), wanted, strict=True):
            assert found.dtype == np.int64
            assert found.tolist() == array.tolist()


@settings(max_examples=40, deadline=None)
@given(matrices(), layouts, st.integers(1, 70), st.integers(1, 20))
def test_a_batch_is_its_queries(
    drawn: tuple[Matrix, np.random.Generator], layout: str, size: int, k: int
) -> None:
    matrix, random = drawn
    counted = index(matrix, layout)
    queries = [winners(random.random(matrix.shape[1]) < random.random()) for _ in range(size)]
    answers = counted.count_many(queries)
    assert len(answers) == size
    for query, counts in zip(queries, answers, strict=True):
        expected = matrix[:, query].sum(axis=1)
        assert counts.at(np.arange(len(matrix))).tolist() == expected.tolist()
        _, rows, found = counts.top(k)
        order = np.lexsort((np.arange(len(matrix)), -expected))[:k]
        order = order[expected[order] > 0]
        assert (rows.tolist(), found.tolist()) == (order.tolist(), expected[order].tolist())


@settings(max_examples=60, deadline=None)
@given(matrices(), layouts, st.lists(st.floats(0, 1), max_size=4))
def test_rows_come_back_and_the_cuts_between_them_do_not_matter(
    drawn: tuple[Matrix, np.random.Generator], layout: str, cuts: list[float]
) -> None:
    matrix, random = drawn
    whole = stored([as_codes(matrix)], matrix.shape[1], layout)
    bounds = [0, *sorted(int(cut * len(matrix)) for cut in cuts), len(matrix)]
    parts = [as_codes(matrix[bounds[i] : bounds[i + 1]]) for i in range(len(bounds) - 1)]
    same(stored(parts, matrix.shape[1], layout), whole)
    counted = Counted.from_arrays(whole)
    assert (counted.rows, counted.dimensions) == matrix.shape
    assert counted.nonzeros == matrix.sum()
    assert counted.usage().tolist() == matrix.sum(axis=0).tolist()
    first, end = np.sort(random.integers(0, len(matrix) + 1, 2))
    for found, expected in zip(counted.codes(first, end), as_codes(matrix[first:end]), strict=True):
        assert found.dtype == expected.dtype
        assert found.tolist() == expected.tolist()


def test_several_blocks_of_many_rows() -> None:
    """Whole blocks of lists and bitmaps, the last row of a block and the first of the next, and ties across them."""
    random = np.random.default_rng(3)
    matrix = random.random((2 * 65_536 + 700, 40)) < np.linspace(0, 0.3, 40) ** 2
    matrix[[65_535, 65_536, 131_071, 131_072, 131_771]] = True
    query = random.random(40) < 0.9
    expected = matrix[:, query].sum(axis=1)
    for layout in ("fast", "small"):
        counts = index(matrix, layout).count(winners(query))
        assert (counts.at(np.arange(len(matrix))) == expected).all()
        for k in (1, 3, 5, 6, 1_000, 200_000):
            order = np.lexsort((np.arange(len(matrix)), -expected))[:k]
            order = order[expected[order] > 0]
            assert counts.top(k)[1].tolist() == order.tolist()


@pytest.mark.parametrize("winning", [1, 15, 16, 17, 255, 256, 1_023, 1_024, 65_535])
def test_counts_reach_every_plane(winning: int) -> None:
    """A row that shares all, one that shares all but one, one that shares none."""
    matrix = np.zeros((700, winning), bool)
    matrix[3] = matrix[699] = True
    matrix[640, 1:] = True
    counts = index(matrix).count(np.arange(winning, dtype=np.uint32))
    assert counts.at(np.array([3, 4, 640, 699])).tolist() == [winning, 0, winning - 1, winning]
    best = [(3, winning), (699, winning), (640, winning - 1)][: 3 if winning > 1 else 2]
    assert list(zip(*(array.tolist() for array in counts.top(9)[1:]), strict=True)) == best


@pytest.mark.parametrize("winning", [255, 256, 2_000])
def test_dense_rows_reach_every_plane(winning: int) -> None:
    """The same with bitmaps."""
    matrix = np.random.default_rng(0).random((600, winning)) < 0.5
    matrix[7], matrix[9] = True, False
    counts = index(matrix).count(np.arange(winning, dtype=np.uint32))
    assert counts.at(np.arange(600)).tolist() == matrix.sum(axis=1).tolist()


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_rows_and_queries_without_winners(rows: int) -> None:
    counted = index(np.zeros((rows, 6), bool))
    for query in ([], [0, 5]):
        counts = counted.count(np.array(query, np.uint32))
        assert counts.at(np.arange(rows)).tolist() == [0] * rows
        for groups in (None, np.arange(rows, dtype=np.uint32)):
            assert [array.tolist() for array in counts.top(3, groups=groups)] == [[], [], []]
    assert index(np.ones((4, 6), bool)).count(np.empty(0, np.uint32)).top(3)[0].tolist() == []


def test_many_rows_of_few_groups() -> None:
    """The best rows are all of one group: the search goes on until there are k groups."""
    matrix = np.random.default_rng(1).random((5_000, 30)) < 0.2
    matrix[1_000:4_000] = True
    groups = np.repeat([7, 2**31 + 5, 2**32 - 1], [1_000, 3_000, 1_000]).astype(np.uint32)
    counts = index(matrix).count(np.arange(30, dtype=np.uint32))
    for k in (1, 2, 3, 4):
        wanted = select_top(matrix.sum(axis=1).astype(float), k, groups=groups, floor=0.0)
        assert [a.tolist() for a in counts.top(k, groups=groups)] == [a.tolist() for a in wanted]


def test_a_caller_may_use_its_arrays_again() -> None:
    """Rows that wait for their block are the builder's own."""
    matrix = np.random.default_rng(4).random((70_000, 5)) < 0.2
    arrays: dict[str, np.ndarray] = {}
    builder = CountedBuilder(5, "fast", arrays.__setitem__)
    for first in (0, 30_000, 60_000):
        codes = as_codes(matrix[first : first + 30_000])
        builder.add(codes)
        codes.dims[:] = 0
    builder.finish()
    same(arrays, stored([as_codes(matrix)], 5))


def test_threads_do_not_disturb_one_another() -> None:
    random = np.random.default_rng(5)
    matrix = random.random((30_000, 200)) < random.random(200) * 0.3
    counted, queries = index(matrix), [winners(random.random(200) < 0.4) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for query, counts in zip(queries, pool.map(counted.count, queries), strict=True):
            assert (counts.at(np.arange(len(matrix))) == matrix[:, query].sum(axis=1)).all()


def test_no_queries_no_answers() -> None:
    assert index(np.ones((3, 4), bool)).count_many([]) == []


def test_a_space_of_two_billion_dimensions() -> None:
    random = np.random.default_rng(2)
    dims = np.unique(random.integers(0, 2**31, 60)).astype(np.uint32)
    dims[-1] = 2**31 - 1
    matrix = random.random((900, len(dims))) < random.random(len(dims)) ** 3
    narrow = as_codes(matrix)
    counted = Counted.from_arrays(stored([Codes(narrow.starts, dims[narrow.dims])], 2**31))
    query = random.random(len(dims)) < 0.5
    expected = matrix[:, query].sum(axis=1)
    absent = np.setdiff1d(np.array([5, 77, 2**31 - 2], np.uint32), dims)
    counts = counted.count(np.sort(np.concatenate([dims[query], absent])))
    assert counts.at(np.arange(900)).tolist() == expected.tolist()
    assert counted.codes(3, 800).dims.tolist() == dims[as_codes(matrix[3:800]).dims].tolist()


def test_layouts_differ_in_bytes_only() -> None:
    """A list at the limit takes what the bitmap takes; one row more, and it is a bitmap."""
    matrix = np.zeros((1_024, 3), bool)
    matrix[:20, 0] = matrix[:64, 1] = matrix[:65, 2] = True
    fast, small = (stored([as_codes(matrix)], 3, layout) for layout in ("fast", "small"))
    assert fast["0.sizes"].tolist() == [20, -64, -65]
    assert small["0.sizes"].tolist() == [20, 64, -65]
    assert (len(small["0.lists"]), len(small["0.bitmaps"])) == (84, 16)
    assert sum(a.nbytes for a in small.values()) <= sum(a.nbytes for a in fast.values())


def test_survives_the_disk_as_read_only_maps(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).random((1_500, 50)) < np.linspace(0, 0.2, 50)
    for name, array in stored([as_codes(matrix)], 50).items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=False)
    mapped = {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in tmp_path.glob("*.npy")}
    counts = Counted.from_arrays(mapped).count(np.arange(50, dtype=np.uint32))
    assert counts.at(np.arange(1_500)).tolist() == matrix.sum(axis=1).tolist()


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer's shadow is paged in too")
def test_opening_a_large_index_reads_little_of_it(tmp_path: Path) -> None:
    """A gigabyte of bitmaps, nearly all holes of a sparse file: what is read of them would show as page faults."""
    resource = pytest.importorskip("resource")
    blocks, dimensions = 16, 8_192
    dims = np.arange(dimensions, dtype=np.uint32)
    arrays: dict[str, np.ndarray] = {"header": np.array([dimensions, blocks << 16, blocks * dimensions])}
    for block in range(blocks):
        bitmaps = np.lib.format.open_memmap(
            tmp_path / f"{block}.npy", mode="w+", dtype=np.uint64, shape=(dimensions << 10,)
        )
        arrays[f"{block}.dims"], arrays[f"{block}.sizes"] = dims, np.full(dimensions, -1, np.int32)
        arrays[f"{block}.lists"], arrays[f"{block}.bitmaps"] = np.empty(0, np.uint16), bitmaps
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    counted = Counted.from_arrays(arrays)
    assert (counted.rows, counted.usage()[7]) == (1 << 20, blocks)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 4_000


def test_opening_names_the_broken_array() -> None:
    good = stored([as_codes(np.random.default_rng(0).random((600, 20)) < np.linspace(0, 0.4, 20))], 20)
    assert len(good["0.lists"]) > 0 < len(good["0.bitmaps"])
    for name, array in good.items():
        with pytest.raises(IndexCorrupt, match=f"'{name}' is missing"):
            Counted.from_arrays({key: value for key, value in good.items() if key != name})
        with pytest.raises(IndexCorrupt, match=f"'{name}' is float32"):
            Counted.from_arrays({**good, name: array.astype(np.float32)})
        with pytest.raises(IndexCorrupt, match=rf"'(0\.)?{name.removeprefix('0.')}'|'0\.sizes' is"):
            Counted.from_arrays({**good, name: array[:-1]})
    for name, array in {
        "0.dims": good["0.dims"][::-1].copy(),
        "0.sizes": good["0.sizes"] * 0,
        "header": good["header"] + [0, 0, 1],
    }.items():
        with pytest.raises(IndexCorrupt, match=f"'{name}'"):
            Counted.from_arrays({**good, name: array})
    for header in ([10, 600, 5], [-1, 600, 5], [20, -1, 5], [20, 100, 5]):
        with pytest.raises(IndexCorrupt, match="array '"):
            Counted.from_arrays({**good, "header": np.array(header)})


def test_refusals() -> None:
    counted = index(np.ones((4, 9), bool))
    with pytest.raises(UsageError, match="k is 0"):
        counted.count(np.arange(3, dtype=np.uint32)).top(0)
    with pytest.raises(UsageError, match="a query of 65536 winners: wanted 65535 at most"):
        counted.count(np.arange(65_536, dtype=np.uint32))
    for dims in ([3, 3], [4, 2], [9]):
        with pytest.raises(ValueError, match="wanted dimensions below 9, strictly rising"):
            counted.count(np.array(dims, np.uint32))
        with pytest.raises(ValueError, match="wanted dimensions below 9, strictly rising"):
            counted.count_many([np.array([1], np.uint32), np.array(dims, np.uint32)])
        with pytest.raises(ValueError, match="winners of row 1 are"):
            stored([Codes(np.array([0, 1, 1 + len(dims)]), np.array([0, *dims], np.uint32))], 9)
    for starts in ([], [0, 2], [1, 1], [0, 2, 1]):
        with pytest.raises(ValueError, match="starts must rise from 0 to the 1 winners"):
            stored([Codes(np.array(starts, np.int64), np.array([0], np.uint32))], 9)
    counts = counted.count(np.array([1], np.uint32))
    for rows in ([-1], [4]):
        with pytest.raises(ValueError, match="of 4"):
            counts.at(np.array(rows))
    with pytest.raises(ValueError, match="groups has 3 rows, counts 4"):
        counts.top(1, groups=np.zeros(3, np.uint32))
    with pytest.raises(ValueError, match="live has 5 rows, counts 4"):
        counts.top(1, live=np.ones(5, bool))
    with pytest.raises(ValueError, match="rows 2 to 5 of 4"):
        counted.codes(2, 5)
    for dimensions in (0, 2**31 + 1):
        with pytest.raises(UsageError, match=f"{dimensions} dimensions"):
            CountedBuilder(dimensions, "fast", lambda name, array: None)
    with pytest.raises(UsageError, match="layout 'tiny': wanted one of fast, small"):
        CountedBuilder(5, "tiny", lambda name, array: None)  # type: ignore[arg-type]

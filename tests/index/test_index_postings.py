"""Postings against plain counting, BM25 against a slow oracle of its own and bm25s, merging against rebuilding."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import IndexCorrupt
from retrieve.index.assembly import assemble, assemble_weighted
from retrieve.index.idf import bm25_idf
from retrieve.index.merged_postings import merge_postings
from retrieve.index.postings import Postings
from retrieve.index.select import select_top
from retrieve.index.strings import SortedStrings

Rows = list[list[str]]
BLOCK = 65_536

# A word may be repeated past the escape at 255.
occurrences = st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([1, 1, 1, 2, 3, 254, 255, 256, 700]))
rows_of_words = st.lists(
    st.lists(occurrences, max_size=5).map(lambda row: [word for word, n in row for _ in range(n)]),
    max_size=12,
)


def index(rows: Rows) -> Postings:
    vocabulary = SortedStrings.build(sorted({word for row in rows for word in row}))
    ids = vocabulary.find_many([word for row in rows for word in row]).astype(np.uint32)
    return assemble(vocabulary, ids, np.cumsum([0, *map(len, rows)], dtype=np.int64))


def equal(one: Postings, other: Postings) -> None:
    left, right = one.arrays(), other.arrays()
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.dtype == right[name].dtype, name
        np.testing.assert_array_equal(array, right[name], err_msg=name)


def oracle(rows: Rows, query: list[str], k1: float, b: float) -> list[float]:
    """BM25 word by word over dictionaries: Lucene's formula as it is printed, nothing shared with the engine."""
    counts = [Counter(row) for row in rows]
    mean = sum(map(len, rows)) / len(rows)
    scores = []
    for row, count in zip(rows, counts, strict=True):
        score = 0.0
        for word in query:
            df = sum(word in other for other in counts)
            idf = math.log(1 + (len(rows) - df + 0.5) / (df + 0.5))
            if count[word]:
                score += idf * count[word] / (count[word] + k1 * (1 - b + b * len(row) / mean))
        scores.append(score)
    return scores


def engine(parts: list[Postings], query: list[str], k1: float, b: float) -> np.ndarray:
    """Scores over several parts, with statistics summed over them."""
    n = sum(part.rows for part in parts)
    mean = sum(int(part.lengths.sum()) for part in parts) / n
    words = Counter(query)
    df = np.zeros(len(words), np.int64)
    ids = [part.lookup(list(words)) for part in parts]
    for part, found in zip(parts, ids, strict=True):
        df[found >= 0] += part.frequencies[found[found >= 0]]
    weights = bm25_idf(df, n) * np.array(list(words.values()), float)
    scores = [
        part.bm25_scores(found, weights, k1=k1, b=b, average_length=mean)
        for part, found in zip(parts, ids, strict=True)
    ]
    return np.concatenate(scores)


@settings(max_examples=60, deadline=None)
@given(rows_of_words.filter(bool), st.lists(st.sampled_from("abcdefghz"), max_size=6), st.data())
def test_bm25_is_the_formula_however_the_rows_are_cut(
    rows: Rows, query: list[str], data: st.DataObject
) -> None:
    k1, b = data.draw(st.sampled_from([(0.9, 0.4), (1.2, 0.75), (0.0, 0.0), (2.0, 1.0)]))
    whole = engine([index(rows)], query, k1, b)
    if any(rows):
        np.testing.assert_allclose(whole, oracle(rows, query, k1, b), rtol=1e-12, atol=1e-13)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    bounds = [0, *cuts, len(rows)]
    parts = [index(rows[start:end]) for start, end in pairwise(bounds)]
    assert engine(parts, query, k1, b).tobytes() == whole.tobytes()


def test_one_or_seventeen_parts_and_several_blocks_score_alike() -> None:
    random = np.random.default_rng(3)
    rows = 2 * BLOCK + 500
    lengths = random.integers(0, 5, rows)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = (30 * random.random(starts[-1]) ** 2).astype(np.uint32)
    vocabulary = SortedStrings.build(sorted(f"w{i:02}" for i in range(30)))

    def cut(count: int) -> list[Postings]:
        bounds = np.linspace(0, rows, count + 1).astype(int)
        return [
            assemble(vocabulary, ids[starts[a] : starts[z]], starts[a : z + 1] - starts[a])
            for a, z in pairwise(bounds)
        ]

    query = ["w00", "w07", "w29", "w07", "w11", "absent"]
    whole = engine(cut(1), query, 0.9, 0.4)
    for count in (3, 17):
        assert engine(cut(count), query, 0.9, 0.4).tobytes() == whole.tobytes()
    mean = starts[-1] / rows
    presence = np.zeros((rows, 30), np.int64)
    np.add.at(presence, (np.repeat(np.arange(rows), lengths), ids), 1)
    expected = np.zeros(rows)
    for word in query[:-1]:
        tf = presence[:, int(word[1:])]
        df = np.count_nonzero(tf)
        expected += (
            math.log(1 + (rows - df + 0.5) / (df + 0.5)) * tf / (tf + 0.9 * (0.6 + 0.4 * lengths / mean))
        )
    np.testing.assert_allclose(whole, expected, rtol=1e-12)


def test_bm25_agrees_with_bm25s() -> None:
    bm25s = pytest.importorskip("bm25s")
    random = np.random.default_rng(5)
    for _ in range(20):
        rows = [[f"w{int(40 * x * x)}" for x in random.random(random.integers(1, 40))] for _ in range(50)]
        peer = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
        peer.index(rows, show_progress=False)
        query = sorted({rows[0][0], rows[7][-1], rows[20][0]})
        np.testing.assert_allclose(engine([index(rows)], query, 0.9, 0.4), peer.get_scores(query), rtol=1e-5)


@pytest.mark.parametrize("tf", [1, 253, 254, 255, 256, 1_700, 70_000])
def test_large_frequencies_are_exact(tf: int) -> None:
    postings = index([["a"], ["b", *["a"] * tf, "b"], ["c"] * 300])
    assert postings.lengths.tolist() == [1, tf + 2, 300]
    assert postings.frequencies.tolist() == [2, 1, 1]
    ids = postings.lookup(["a"])
    scores = postings.bm25_scores(ids, np.ones(1), k1=1.0, b=0.0, average_length=1.0)
    assert scores.tolist() == [0.5, tf / (tf + 1), 0.0]
    assert len(postings.arrays()["overflow_positions"]) == (tf >= 255) + 1


@settings(max_examples=80, deadline=None)
@given(st.lists(rows_of_words, max_size=4), st.randoms(use_true_random=False))
def test_merging_is_rebuilding(parts: list[Rows], random) -> None:
    kept = [(i, row) for i, part in enumerate(parts) for row in range(len(part)) if random.random() < 0.7]
    random.shuffle(kept)
    maps = [np.full(len(part), -1, np.int64) for part in parts]
    for new_row, (i, row) in enumerate(kept):
        maps[i][row] = new_row
    merged = merge_postings([index(part) for part in parts], maps, len(kept))
    equal(merged, index([parts[i][row] for i, row in kept]))


def test_merging_is_rebuilding_across_blocks() -> None:
    random = np.random.default_rng(11)
    sizes = [BLOCK + 7, 300, BLOCK // 2]
    vocabulary = SortedStrings.build(sorted(f"w{i:03}" for i in range(200)))
    counts = [random.integers(0, 4, size) for size in sizes]
    starts = [np.concatenate([[0], np.cumsum(count)]) for count in counts]
    ids = [(200 * random.random(start[-1]) ** 3).astype(np.uint32) for start in starts]
    owner = np.repeat(np.arange(3), sizes)
    order = random.permutation(len(owner))[: BLOCK + 20_000]
    maps = [np.full(size, -1, np.int64) for size in sizes]
    first = np.cumsum([0, *sizes])
    for new_row, old in enumerate(order):
        maps[owner[old]][old - first[owner[old]]] = new_row
    parts = [assemble(vocabulary, i, s) for i, s in zip(ids, starts, strict=True)]
    lengths = np.concatenate(counts)
    rows = [ids[owner[old]][starts[owner[old]][old - first[owner[old]]] :][: lengths[old]] for old in order]
    fresh_starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    equal(
        merge_postings(parts, maps, len(order)),
        assemble(vocabulary, np.concatenate(rows), fresh_starts),
    )


@pytest.mark.parametrize("bad", [[0, 0], [0, 2], [-2, 0], [1, -1], [0]])
def test_merge_refuses_a_wrong_map(bad: list[int]) -> None:
    with pytest.raises(ValueError, match=r"map of|not filled exactly once"):
        merge_postings([index([["a"], ["b"]])], [np.array(bad, np.int64)], 2)


@settings(max_examples=60, deadline=None)
@given(rows_of_words, st.randoms(use_true_random=False))
def test_deleted_frequencies_are_those_of_the_deleted_rows(rows: Rows, random) -> None:
    postings = index(rows)
    deleted = np.array([random.random() < 0.4 for _ in rows], bool)
    terms, counts = postings.deleted_frequencies(deleted)
    gone = Counter(word for row, dead in zip(rows, deleted, strict=True) if dead for word in set(row))
    assert dict(zip(postings.terms.get_many(terms), counts.tolist(), strict=True)) == gone
    assert terms.tolist() == sorted(terms.tolist())


def test_unused_words_leave_the_vocabulary_and_empty_rows_stay() -> None:
    vocabulary = SortedStrings.build(["a", "b", "c", "d"])
    postings = assemble(vocabulary, np.array([3, 1, 3], np.uint32), np.array([0, 0, 3, 3]))
    assert list(postings.terms) == ["b", "d"]
    assert postings.lookup(["a", "b", "c", "d"]).tolist() == [-1, 0, -1, 1]
    assert (postings.rows, postings.lengths.tolist()) == (3, [0, 3, 0])
    equal(postings, index([[], ["d", "b", "d"], []]))


def test_no_live_term_means_no_score() -> None:
    scores = index([["a"]]).bm25_scores(np.zeros(1, np.int64), np.ones(1), k1=0.9, b=0.4, average_length=0.0)
    assert scores.tolist() == [0.0]


@pytest.mark.parametrize(
    ("ids", "starts"), [([0, 5], [0, 2]), ([0], [0, 2]), ([0], [1, 1]), ([0, 0], [0, 2, 1, 2]), ([], [])]
)
def test_build_refuses(ids: list[int], starts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"starts must rise|term id 5"):
        assemble(SortedStrings.build(["a"]), np.array(ids, np.uint32), np.array(starts, np.int64))


@pytest.mark.parametrize("change", [{"k1": -1.0}, {"b": 1.5}, {"average_length": math.nan}, {"k1": math.inf}])
def test_scoring_refuses_parameters(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="wanted k1"):
        index([["a"]]).bm25_scores(
            np.zeros(1, np.int64), np.ones(1), **{"k1": 0.9, "b": 0.4, "average_length": 1.0, **change}
        )


def test_scoring_refuses_a_foreign_term() -> None:
    with pytest.raises(ValueError, match="1 terms"):
        index([["a"]]).bm25_scores(np.ones(1, np.int64), np.ones(1), k1=0.9, b=0.4, average_length=1.0)


@pytest.mark.parametrize("rows", [[], [[]], [["a", "b"], [], ["b"] * 600]])
def test_survives_the_disk_as_read_only_maps(tmp_path: Path, rows: Rows) -> None:
    postings = index(rows)
    for name, array in postings.arrays().items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=False)
    mapped = {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in tmp_path.glob("*.npy")}
    again = Postings.from_arrays(mapped)
    equal(again, postings)
    if any(rows):
        assert engine([again], ["b"], 0.9, 0.4).tobytes() == engine([postings], ["b"], 0.9, 0.4).tobytes()


def test_from_arrays_names_the_broken_array() -> None:
    good = index([["a", "b"], ["b"] * 300]).arrays()
    for name, array in good.items():
        with pytest.raises(IndexCorrupt, match=f"'{name}' is missing"):
            Postings.from_arrays({key: value for key, value in good.items() if key != name})
        with pytest.raises(IndexCorrupt, match=f"'{name}' is float32"):
            Postings.from_arrays({**good, name: array.astype(np.float32)})
    broken = {
        "entry_starts": good["entry_starts"][::-1],
        "block_starts": good["block_starts"] + 1,
        "block_terms": good["block_terms"] + 9,
        "tfs": good["tfs"][1:],
        "overflow_values": good["overflow_values"][1:],
        "terms_offsets": good["terms_offsets"] + 1,
    }
    for name, array in broken.items():
        with pytest.raises(IndexCorrupt, match=f"'{name}'"):
            Postings.from_arrays({**good, name: array})


def test_idf_is_positive_and_lucenes() -> None:
    assert bm25_idf([0, 1, 10], 10).tolist() == pytest.approx(
        [math.log(22), math.log(1 + 9.5 / 1.5), math.log(1 + 0.5 / 10.5)]
    )
    assert (bm25_idf(np.arange(11), 10) > 0).all()


@settings(max_examples=60, deadline=None)
@given(rows_of_words)
def test_weighted_rows_are_rows_with_repetitions(rows: Rows) -> None:
    vocabulary = SortedStrings.build(sorted({word for row in rows for word in row}))
    counts = [Counter(row) for row in rows]
    ids = vocabulary.find_many([word for count in counts for word in count]).astype(np.uint32)
    impacts = np.array([n for count in counts for n in count.values()], np.uint32)
    starts = np.cumsum([0, *map(len, counts)], dtype=np.int64)
    equal(assemble_weighted(vocabulary, ids, impacts, starts), index(rows))


@pytest.mark.parametrize(
    ("ids", "impacts", "starts", "said"),
    [
        ([0, 1], [3], [0, 2], "1 impacts for 2 terms"),
        ([0, 1], [3, 0], [0, 2], "each at least 1"),
        ([0, 1, 0], [3, 1, 1], [0, 3], "term id 0 stands twice"),
        ([0, 1], [2**32 - 1, 1], [0, 2], "a row of length 4294967296"),
        ([0, 2], [1, 1], [0, 2], "term id 2"),
    ],
)
def test_weighted_rows_refused(ids: list[int], impacts: list[int], starts: list[int], said: str) -> None:
    vocabulary = SortedStrings.build(["a", "b"])
    with pytest.raises(ValueError, match=said):
        assemble_weighted(
            vocabulary, np.array(ids, np.uint32), np.array(impacts, np.uint32), np.array(starts)
        )


def many_rows(rows: int, seed: int) -> tuple[Postings, np.ndarray]:
    """Rows of 0 to 4 words out of 30, some with large frequencies, over several blocks; and their counts (rows,30)."""
    random = np.random.default_rng(seed)
    dense = np.zeros((rows, 30), np.uint32)
    places = np.repeat(np.arange(rows), random.integers(0, 5, rows))
    values = random.choice([1, 1, 1, 2, 17, 254, 255, 256, 5_000], len(places))
    np.maximum.at(dense, (places, (30 * random.random(len(places)) ** 2).astype(int)), values)
    at = np.nonzero(dense)
    starts = np.searchsorted(at[0], np.arange(rows + 1))
    vocabulary = SortedStrings.build(f"w{i:02}" for i in range(30))
    return assemble_weighted(vocabulary, at[1].astype(np.uint32), dense[at], starts), dense


def test_impacts_are_a_matrix_product() -> None:
    postings, dense = many_rows(BLOCK + 900, seed=2)
    ids = np.array([29, -1, 0, 7, 3], np.int64)
    weights = np.array([3, 5, 1, 254, 77], float)
    expected = dense[:, [29, 0, 7, 3]].astype(np.int64) @ np.array([3, 1, 254, 77])
    assert postings.impact_scores(ids, weights).tolist() == expected.tolist()


@pytest.mark.parametrize("k", [1, 10, 1_000, 200_000])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_best_are_those_of_all_scores(k: int, grouped: bool, masked: bool) -> None:
    postings, dense = many_rows(2 * BLOCK + 900, seed=4)
    random = np.random.default_rng(k)
    how = {"k1": 0.9, "b": 0.4, "average_length": float(postings.lengths.mean())}
    groups = np.cumsum(random.random(postings.rows) < 0.02, dtype=np.uint32) if grouped else None
    live = random.random(postings.rows) < 0.5 if masked else None
    for ids in ([0, 5, -1, 29], [12], [3, 3, 4, 5, 6, 7], [-1], []):
        terms, weights = np.array(ids, np.int64), random.choice([0.5, 1.0, 4.0], len(ids))
        scores = postings.bm25_scores(terms, weights, **how)
        tf = dense[:, [i for i in ids if i >= 0]]
        norm = 0.9 * (0.6 + 0.4 * postings.lengths[:, None] / how["average_length"])
        with np.errstate(invalid="ignore"):
            expected = np.nan_to_num(tf / (tf + norm)) @ weights[np.array(ids, int) >= 0]
        np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-13)
        found = postings.bm25_top(terms, weights, k, groups=groups, live=live, **how)
        alive = scores if live is None else np.where(live, scores, 0)
        own = np.arange(postings.rows) if groups is None else groups
        order = np.lexsort((np.arange(postings.rows), -alive))
        order = order[alive[order] > 0]
        order = order[np.sort(np.unique(own[order], return_index=True)[1])][:k]
        assert found[0].tolist() == own[order].tolist()
        assert found[1].tolist() == order.tolist()
        assert found[2].tobytes() == scores[order].tobytes()
        for ours, plain in zip(
            found, select_top(scores, k, groups=groups, live=live, floor=0.0), strict=True
        ):
            assert ours.tobytes() == plain.tobytes()


@pytest.mark.parametrize("length", [254, 255, 256, 4_094, 4_095, 4_096, 70_000])
def test_long_rows_score_as_short_ones_do(length: int) -> None:
    """However a length is held: the formula's value, to the last bit that the division gives."""
    postings = index([["a", *["b"] * (length - 1)], ["a"]])
    scores = postings.bm25_scores(postings.lookup(["a"]), np.ones(1), k1=0.9, b=0.4, average_length=100.0)
    base, slope = 0.9 * (1 - 0.4), 0.9 * 0.4 / 100.0
    assert scores.tolist() == [1 / (1 + (base + slope * length)), 1 / (1 + (base + slope))]


@settings(max_examples=60, deadline=None)
@given(rows_of_words.filter(any), st.data())
def test_scores_of_some_rows_are_those_among_all(rows: Rows, data: st.DataObject) -> None:
    postings = index(rows)
    wanted = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8)), np.int64)
    terms = np.array(data.draw(st.lists(st.integers(-1, len(postings.terms) - 1), max_size=5)), np.int64)
    weights = np.array(data.draw(st.lists(st.floats(0, 9), min_size=len(terms), max_size=len(terms))))
    k1, b = data.draw(st.sampled_from([(0.9, 0.4), (0.0, 0.0), (2.0, 1.0)]))
    how = {"k1": k1, "b": b, "average_length": data.draw(st.sampled_from([0.0, 2.5]))}
    some = postings.bm25_at(wanted, terms, weights, **how)
    assert some.tobytes() == postings.bm25_scores(terms, weights, **how)[wanted].tobytes()


def test_scores_of_some_rows_across_blocks_and_lengths() -> None:
    postings, _ = many_rows(2 * BLOCK + 900, seed=6)
    wanted = np.random.default_rng(1).integers(0, postings.rows, 3_000)
    terms, weights = np.array([0, 29, -1, 7, 0]), np.array([1.0, 0.3, 2.0, 4.0, 0.7])
    how = {"k1": 0.9, "b": 0.4, "average_length": float(postings.lengths.mean())}
    for rows in (wanted, np.sort(wanted), np.array([BLOCK - 1, BLOCK, 2 * BLOCK, postings.rows - 1])):
        some = postings.bm25_at(rows, terms, weights, **how)
        assert some.tobytes() == postings.bm25_scores(terms, weights, **how)[rows].tobytes()
    for beyond in (-1, postings.rows):
        with pytest.raises(IndexError, match=f"of {postings.rows}"):
            postings.bm25_at(np.array([3, beyond]), terms, weights, **how)


@settings(max_examples=60, deadline=None)
@given(rows_of_words, st.data())
def test_queries_together_are_queries_alone(rows: Rows, data: st.DataObject) -> None:
    postings = index(rows)
    term = st.tuples(st.integers(-1, len(postings.terms) - 1), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
    drawn = data.draw(st.lists(st.lists(term, max_size=4), max_size=5))
    queries = [
        (np.array([number for number, _ in query], np.int64), np.array([weight for _, weight in query]))
        for query in drawn
    ]
    k = data.draw(st.integers(1, 14))
    groups = np.cumsum(data.draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows))))
    live = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    how = {"k1": 0.9, "b": 0.4, "average_length": data.draw(st.sampled_from([0.0, 2.5]))}
    own = data.draw(st.sampled_from([{}, {"groups": groups.astype(np.uint32)}, {"live": live}]))
    together = postings.bm25_top_many(queries, k, **own, **how)
    assert len(together) == len(queries)
    for found, query in zip(together, queries, strict=True):
        expected = select_top(postings.bm25_scores(*query, **how), k, floor=0.0, **own)
        for ours, plain in zip(found, expected, strict=True):
            assert ours.dtype == plain.dtype
            assert ours.tobytes() == plain.tobytes()


def test_queries_together_need_a_weight_for_each_term() -> None:
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="as many weights"):
        index([["a"]]).bm25_top_many(
            [(one, np.ones(2)), (two, np.ones(1))], 3, k1=0.9, b=0.4, average_length=1.0
        )


@pytest.mark.parametrize("masked", [False, True])
def test_rare_and_common_terms_leave_nothing_behind(masked: bool) -> None:
    """Blocks with few postings are scored another way; queries of both kinds share one array of scores."""
    postings, _ = many_rows(BLOCK + 900, seed=7)
    random = np.random.default_rng(2)
    groups = np.cumsum(random.random(postings.rows) < 0.1, dtype=np.uint32)
    live = random.random(postings.rows) < 0.5 if masked else None
    how = {"k1": 0.9, "b": 0.4, "average_length": float(postings.lengths.mean())}
    drawn = ([29], [0, 1, 2], [28], [29, 27], [], [0, 29], [29])
    queries = [(np.array(ids, np.int64), random.choice([0.5, 2.0], len(ids))) for ids in drawn]
    for k in (5, 3_000):
        together = postings.bm25_top_many(queries, k, groups=groups, live=live, **how)
        for found, query in zip(together, queries, strict=True):
            expected = select_top(postings.bm25_scores(*query, **how), k, groups=groups, live=live, floor=0.0)
            for ours, plain in zip(found, expected, strict=True):
                assert ours.tobytes() == plain.tobytes()


@given(rows_of_words, st.data())
def test_terms_of_rows_are_what_they_were_built_of(rows: Rows, data: st.DataObject) -> None:
    postings = index(rows)
    wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)) if rows else []
    found = postings.terms_of(np.array(wanted, np.int64))
    told = [dict(zip(postings.terms.get_many(ids), counts.tolist(), strict=True)) for ids, counts in found]
    assert told == [dict(Counter(rows[row])) for row in wanted]
    assert all((np.diff(ids) > 0).all() for ids, _ in found)


def test_terms_of_rows_in_several_blocks_and_of_large_frequencies() -> None:
    rows = [[f"t{number % 7}", "everywhere"] for number in range(70_000)]
    rows[69_999] = ["large"] * 300 + ["everywhere"] * 254
    found = index(rows).terms_of(np.array([69_999, 3, 69_999]))
    assert [counts.tolist() for _, counts in found] == [[254, 300], [1, 1], [254, 300]]
    with pytest.raises(IndexError, match="rows 3 to 70000 of 70000"):
        index(rows).terms_of(np.array([70_000, 3]))

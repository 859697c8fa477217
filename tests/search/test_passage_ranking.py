"""Passages ranked in arrays, against plain Python over every passage; keys, and how long they hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tiny_models import tiny_encoder_folder
from toy_index import DIMENSIONS, corpus, make_index, stored, toy_recipe, unit_vectors

from retrieve import Document, Index
from retrieve.errors import BadVectors, DimensionMismatch, UsageError
from retrieve.search.passage_rankings import PassageRanking
from retrieve.search.searcher import GROUP

UHD = {"model": "none", "hidden": DIMENSIONS, "dimensions": 64, "winners": 8, "segments": 8}
SIZE = 6
VECTORS = unit_vectors(4, seed=20)
Place = tuple[str, int]


class Toy(NamedTuple):
    """An index, and of each live passage its words and its vector as it was given."""

    index: Index
    words: dict[Place, list[str]]
    vectors: dict[Place, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """Three views over 70 documents in four segments, some deleted, every ninth a twin of another.

    Ids fall as segments rise, so that ties across segments go against the order of rows.
    """
    documents, vectors = corpus(70, seed=5)
    documents = [replace(document, id=str(99 - number)) for number, document in enumerate(documents)]
    folder = tmp_path_factory.mktemp("passages") / "i"
    recipe = toy_recipe() | {"uhd": UHD}
    gone = {"96", "85", "81", "60"}
    with make_index(folder, documents, vectors, recipe, commits=4) as index:
        index.delete(gone)
        words, kept = {}, {}
        for document, own in zip(documents, vectors, strict=True):
            if document.id in gone:
                continue
            split = document.text.split()
            for position, vector in enumerate(own):
                words[document.id, position] = split[position * SIZE : (position + 1) * SIZE]
                kept[document.id, position] = vector
        yield Toy(index, words, kept)


def bm25(toy: Toy, text: str) -> dict[Place, float]:
    """Every passage's score by the formula, k1 = .9, b = .4, over the live passages."""
    average = sum(map(len, toy.words.values())) / len(toy.words)
    scores = dict.fromkeys(toy.words, 0.0)
    for term, asked in Counter(text.split()).items():
        frequency = sum(term in words for words in toy.words.values())
        idf = math.log(1 + (len(toy.words) - frequency + 0.5) / (frequency + 0.5))
        for place, words in toy.words.items():
            times = words.count(term)
            norm = 0.9 * (0.6 + 0.4 * len(words) / average)
            scores[place] += asked * idf * times / (times + norm)
    return scores


def cosines(toy: Toy, vector: np.ndarray[Any, Any]) -> dict[Place, float]:
    return {place: float(stored(own) @ vector.astype(np.float64)) for place, own in toy.vectors.items()}


def raw(index: Index, view: str, **query: Any) -> dict[Place, float]:
    """A view's scores of all passages that it finds, to the bit, as a search for passages has them."""
    hits = index.search(k=10_000, using=view, unit="passage", **query)
    return {(hit.doc_id, hit.passages[0].position): hit.score for hit in hits}


def places(index: Index, ranking: PassageRanking) -> list[list[Place]]:
    found = iter(index.passages_at(ranking))
    rows = [[next(found) for _ in row] for row in ranking.keys]
    return [[(item.doc_id, item.position) for item in row if item is not None] for row in rows]


def ranked(scores: Mapping[Place, float], k: int) -> list[Place]:
    return sorted(scores, key=lambda place: (-scores[place], *place))[:k]


QUERIES = ["wing heat", "court act law law", "gene", "unheard of"]
EACH = [{"bm25": text, "dense": vector, "uhd": vector} for text, vector in zip(QUERIES, VECTORS, strict=True)]


@pytest.mark.parametrize("k", [1, 7, 400])
@pytest.mark.parametrize("depth", [5, 1000])
def test_a_sum_is_exact_for_whatever_a_view_found(toy: Toy, k: int, depth: int) -> None:
    weights = {"bm25": 1.5, "dense": 20.0, "uhd": 0.25}
    ranking = toy.index.rank_passages(EACH, k, fusion="sum", weights=weights, depth=depth)
    assert ranking.keys.shape == ranking.scores.shape == (4, k)
    assert (ranking.keys.dtype, ranking.scores.dtype) == (np.int64, np.float32)
    for row, (query, found) in enumerate(zip(EACH, places(toy.index, ranking), strict=True)):
        views = {
            "bm25": raw(toy.index, "bm25", query=query["bm25"]),
            "dense": raw(toy.index, "dense", vector=query["dense"]),
            "uhd": raw(toy.index, "uhd", vector=query["uhd"]),
        }
        union = {place for scores in views.values() for place in ranked(scores, max(k, depth))}
        total = {
            place: sum((weights[name] * scores.get(place, 0.0) for name, scores in views.items()), 0.0)
            for place in union
        }
        assert found == ranked(total, k)
        count = len(found)
        assert np.array_equal(ranking.scores[row, :count], np.float32([total[place] for place in found]))
        for name, scores in views.items():
            own = np.float32([scores.get(place, 0.0) for place in found])
            assert np.array_equal(ranking.by_view[name][row, :count], own)
        for values in (ranking.scores, *ranking.by_view.values()):
            assert (values[row, count:] == -np.inf).all()
        assert (ranking.keys[row, count:] == -1).all()


def test_views_own_scores_are_their_formulas(toy: Toy) -> None:
    ranking = toy.index.rank_passages(EACH, 400, fusion="sum")
    for row, (query, found) in enumerate(zip(EACH, places(toy.index, ranking), strict=True)):
        assert set(found) == set(toy.words)
        for name, scores in (("bm25", bm25(toy, query["bm25"])), ("dense", cosines(toy, query["dense"]))):
            own = ranking.by_view[name][row, : len(found)]
            assert own == pytest.approx([scores[place] for place in found], abs=1e-5)


@pytest.mark.parametrize("fusion", ["convex", "z", "rrf"])
@pytest.mark.parametrize("using", [("bm25",), ("dense",), ("bm25", "dense"), ("uhd", "bm25", "dense")])
@pytest.mark.parametrize("depth", [4, 1000])
def test_other_fusions_are_those_of_a_search_for_passages(
    toy: Toy, fusion: Any, using: tuple[str, ...], depth: int
) -> None:
    weights = {name: weight for name, weight in {"bm25": 2.0, "dense": 0.5}.items() if name in using}
    options: dict[str, Any] = {"weights": weights, "depth": depth, "where": {"kind": {"ne": "b"}}}
    ranking = toy.index.rank_passages(EACH, 9, fusion=fusion, using=using, **options)
    vectors = VECTORS if using != ("bm25",) else None
    hits = toy.index.search_many(
        QUERIES, 9, vectors=vectors, fusion=fusion, using=using, unit="passage", **options
    )
    assert set(ranking.by_view) == set(using)
    for row, (own, found) in enumerate(zip(hits, places(toy.index, ranking), strict=True)):
        assert found == [(hit.doc_id, hit.passages[0].position) for hit in own]
        assert np.array_equal(ranking.scores[row, : len(own)], np.float32([hit.score for hit in own]))


@pytest.mark.parametrize("fusion", ["sum", "convex", "z", "rrf"])
@pytest.mark.parametrize("using", ["bm25", "dense", "uhd", ("bm25", "dense", "uhd")])
def test_ties_across_segments_go_by_id_where_a_pool_or_a_ranking_is_cut(
    tmp_path: Path, fusion: Any, using: Any
) -> None:
    """Twelve twins in four segments, whose ids fall as the segments rise, and three better and three worse ones."""
    texts = ["wing heat"] * 3 + ["wing gene law"] * 12 + ["gene law act court wing"] * 3
    alike = [VECTORS[0], VECTORS[0] + VECTORS[1], VECTORS[1]]
    ids = [f"{99 - number}" for number in range(len(texts))]
    order_in = np.random.default_rng(0).permutation(len(texts))
    kinds = np.repeat([0, 1, 2], [3, 12, 3])[order_in]
    documents = [
        Document(id=name, text=texts[number]) for name, number in zip(ids, order_in.tolist(), strict=True)
    ]
    vectors = [alike[kind][None] for kind in kinds]
    query = {"bm25": "wing heat", "dense": VECTORS[0], "uhd": VECTORS[0]}
    wanted = [name for kind in range(3) for name in sorted(np.array(ids)[kinds == kind].tolist())]
    with make_index(tmp_path / "i", documents, vectors, toy_recipe() | {"uhd": UHD}, commits=4) as index:
        for k in range(1, len(texts) + 1):
            ranking = index.rank_passages([query] * 3, k, fusion=fusion, using=using, depth=1)
            for found in places(index, ranking):
                assert [name for name, _ in found] == wanted[:k]


def test_the_default_fusion_is_the_recipes(toy: Toy) -> None:
    default = toy.index.rank_passages(EACH, 9)
    convex = toy.index.rank_passages(EACH, 9, fusion="convex")
    assert np.array_equal(default.keys, convex.keys) and np.array_equal(default.scores, convex.scores)


def test_weighted_texts_add_up(toy: Toy) -> None:
    """What a sampler asks of BM25: the question once, the answer β times."""
    question, answer, beta = "wing heat heat", "law act wing", 1.75
    ranking = toy.index.rank_passages([{"bm25": {question: 1.0, answer: beta, "gene": 0}}], 400)
    parts = bm25(toy, question), bm25(toy, answer)
    wanted = {place: parts[0][place] + beta * parts[1][place] for place in toy.words}
    found = places(toy.index, ranking)[0]
    assert set(found) == {place for place, score in wanted.items() if score}
    assert ranking.scores[0, : len(found)] == pytest.approx([wanted[place] for place in found], rel=1e-5)
    one = toy.index.rank_passages([{"bm25": {question: 1}}], 400)
    assert np.array_equal(one.scores, toy.index.rank_passages([question], 400, using="bm25").scores)


@pytest.mark.parametrize("using", ["bm25", "dense", "uhd", ("bm25", "dense", "uhd")])
def test_scores_of_any_keys_are_exact(toy: Toy, using: Any) -> None:
    everything = toy.index.rank_passages([{"dense": VECTORS[0]}], 400)
    live = everything.keys[0][everything.keys[0] >= 0]
    draw = np.random.default_rng(0)
    queries = EACH * 6  # more than are scored at a time
    assert len(queries) > GROUP
    keys = draw.choice(live, size=(len(queries), 11))
    keys[draw.random(keys.shape) < 0.2] = -1
    scores = toy.index.score_passages(queries, keys, layout=everything.layout, using=using)
    assert set(scores) == ({using} if isinstance(using, str) else set(using))
    for name, values in scores.items():
        assert (values.dtype, values.shape) == (np.float32, keys.shape)
        known = [raw(toy.index, name, **_query(name, query)) for query in EACH]
        at = iter(toy.index.passages_at(keys, layout=everything.layout))
        for row in range(len(queries)):
            for value in values[row].tolist():
                passage = next(at)
                if passage is None:
                    assert value == -math.inf
                else:
                    wanted = known[row % 4].get((passage.doc_id, passage.position), 0.0)
                    assert value == np.float32(wanted)


def _query(view: str, query: Mapping[str, Any]) -> dict[str, Any]:
    return {"query": query["bm25"]} if view == "bm25" else {"vector": query[view]}


@pytest.mark.parametrize(
    "dense",
    [{"factory": "HNSW8"}, {"factory": "IVF4,Flat"}, {"storage": "binary"}, {"storage": "int8"}],
    ids=lambda dense: str(next(iter(dense.values()))),
)
def test_a_view_that_only_proposes_scores_exactly_all_the_same(tmp_path: Path, dense: dict[str, Any]) -> None:
    documents, vectors = corpus(500, seed=8)
    recipe = toy_recipe(**dense)
    with make_index(tmp_path / "i", documents, vectors, recipe) as index:
        assert dense.get("factory") is None or index.info()["trained"]
        ranking = index.rank_passages(EACH[:2], 20, fusion="sum", depth=30, using=("bm25", "dense"))
        again = index.score_passages(EACH[:2], ranking, using=("bm25", "dense"))
        for name, values in again.items():
            assert np.array_equal(values, ranking.by_view[name])
        found = index.passages_at(ranking)
        kept = [index.vectors([item.doc_id]).of(0)[item.position] for item in found if item is not None]
        exact = np.stack(kept).reshape(2, 20, DIMENSIONS) @ VECTORS[:2, :, None]
        assert again["dense"] == pytest.approx(exact[..., 0], abs=1e-5)


def test_texts_are_encoded_for_the_views_that_need_it(tmp_path: Path) -> None:
    documents, _ = corpus(30, seed=6)
    model = tiny_encoder_folder(tmp_path / "model")
    recipe = toy_recipe() | {"dense": {"model": str(model), "backend": "torch"}}
    with make_index(tmp_path / "i", documents, None, recipe, commits=2) as index:
        ranking = index.rank_passages([{"bm25": "court", "dense": "wing heat"}, "gene"], 5, fusion="sum")
        alone = index.rank_passages(["wing heat"], 400, using="dense")
        known = dict(zip(alone.keys[0].tolist(), alone.scores[0].tolist(), strict=True))
        assert ranking.by_view["dense"][0] == pytest.approx([known[key] for key in ranking.keys[0].tolist()])
        assert index.rank_passages([], 5).keys.shape == (0, 5)


def test_an_empty_index_ranks_nothing(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", toy_recipe()) as index:
        ranking = index.rank_passages([{"bm25": "wing", "dense": VECTORS[0]}], 3, fusion="sum")
        assert ranking.keys.tolist() == [[-1] * 3]
        assert index.passages_at(ranking) == [None] * 3
        assert index.score_passages(EACH[:1], ranking, using="bm25")["bm25"].tolist() == [[-math.inf] * 3]


# -- how long keys hold ---------------------------------------------------------------------------------------


def test_keys_hold_in_their_generation_and_say_when_they_do_not(tmp_path: Path) -> None:
    documents, vectors = corpus(20, seed=7)
    with make_index(tmp_path / "i", documents, vectors, toy_recipe(), commits=2) as index:
        ranking = index.rank_passages(["wing"], 5, using="bm25")
        texts = index.passages_at(ranking)
        changes: list[Callable[[], object]] = [
            lambda: index.delete(["0"]),
            lambda: index.add([{"id": "new", "text": "wing"}], [unit_vectors(1, seed=1)]),
            lambda: index.add([{"id": "1", "text": "wing"}], [unit_vectors(1, seed=2)]),
            index.merge,
        ]
        with Index.open(index.path) as reader:
            for change in changes:
                layout = index.layout
                change()
                assert index.layout != layout
                for stale in (
                    lambda: index.passages_at(ranking),
                    lambda: index.score_passages(["wing"], ranking, using="bm25"),
                    lambda layout=layout: index.passages_at([0], layout=layout),
                ):
                    with pytest.raises(UsageError, match=r"rank the passages again"):
                        stale()
            assert reader.layout == ranking.layout
            assert reader.passages_at(ranking) == texts


def refused(toy: Toy) -> list[tuple[str, Callable[[], object]]]:
    index = toy.index
    layout = index.layout
    owner = index._snapshot.segments[0]
    deleted = int(owner.first_passage[owner.ids.find("96")])
    total = int(index._snapshot.passage_bases[-1])

    def rank(*queries: Any, **options: Any) -> Callable[[], object]:
        return lambda: index.rank_passages(queries, **options)

    def score(keys: Any, queries: Sequence[Any] = ("wing",)) -> Callable[[], object]:
        return lambda: index.score_passages(queries, keys, layout=layout, using="bm25")

    return [
        ("wanted a list of queries, got one str", lambda: index.rank_passages("wing")),
        ("got one list_iterator", lambda: index.rank_passages(iter(["wing"]))),  # type: ignore[arg-type]
        ("got one dict", lambda: index.rank_passages({"bm25": "wing"})),  # type: ignore[arg-type]
        ("query text is ''", rank("", using="bm25")),
        ("vector does not search bm25", rank(VECTORS[0], using=("bm25", "dense"))),
        (r"asks the views \['splade'\]", rank({"splade": "wing"})),
        ("query 1 says nothing to the view 'dense'", rank(EACH[0], {"bm25": "wing"})),
        (r"a view of terms \(BM25\) alone takes them", rank({"dense": {"wing": 1.0}})),
        ("none below 0", rank({"bm25": {"wing": -1.0}})),
        ("none below 0", rank({"bm25": {}})),
        ("the weight of 'wing' is '2'", rank({"bm25": {"wing": "2"}})),
        ("fusion is 'max': wanted convex, z, rrf or sum", rank("wing", fusion="max")),
        ("k is 0", rank("wing", using="bm25", k=0)),
        ("the keys are no array: fill rows up", score([[0], [0, 1]], ("wing", "flow"))),
        ("unknown search options", rank("wing", using="bm25", reranker="model")),
        ("unknown search options", rank("wing", using="bm25", unit="document")),
        ("say which passages it numbers", lambda: index.passages_at([0])),
        (f"no passage of key {total}: keys are from 0 to {total - 1}", score([[total]])),
        ("no passage of key -2", score([[-2]])),
        ("was deleted", score([[deleted]])),
        ("wanted whole numbers", score([[1.0]])),
        ("a row of keys for each query", score([[0], [1]])),
        ("a row of keys for each query", score([0])),
    ]


def test_what_cannot_work_is_refused(toy: Toy) -> None:
    for says, call in refused(toy):
        with pytest.raises(UsageError, match=says):
            call()
    with pytest.raises(DimensionMismatch, match="shape"):
        toy.index.rank_passages([VECTORS[0][:3]])
    with pytest.raises(DimensionMismatch, match="encode all alike"):
        toy.index.rank_passages([VECTORS[0], VECTORS[0][:3]])
    with pytest.raises(BadVectors, match="NaN"):
        toy.index.rank_passages([VECTORS[0] * np.nan])

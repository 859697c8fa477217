"""The rerank stage: its order with a scorer whose answers are known, and a real cross-encoder through the index."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tiny_models import tiny_cross_encoder_folder
from toy_index import make_index, toy_recipe

from retrieve import Document, Index
from retrieve.encoders.rerank import CrossEncoder
from retrieve.errors import UsageError
from retrieve.search.rerank import rerank
from retrieve.types import Hit, PassageHit

DOCUMENTS = [
    Document(str(number), f"wing flow {'heat ' * number}".strip(), f"Title {number}") for number in range(8)
]


class Length:
    """Prefers the longer text, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Sequence[str]]] = []

    def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        self.asked.append((query, texts))
        return np.array([float(len(text)) for text in texts])


def hit(doc_id: str, text: str, rank: int) -> Hit:
    return Hit(doc_id, 1 / rank, rank, "T", {}, (PassageHit(0, len(text), 0, text, 0.5),), {"bm25": 1 / rank})


def test_the_scorer_decides_and_ties_go_by_id() -> None:
    scorer = Length()
    hits = [hit("c", "xx", 1), hit("b", "x", 2), hit("a", "xx", 3)]
    ranked = rerank(scorer, "q", hits, depth=3, k=2)
    assert scorer.asked == [("q", ["T xx", "T x", "T xx"])]
    assert [(each.doc_id, each.rank, each.score) for each in ranked] == [("a", 1, 4.0), ("c", 2, 4.0)]
    assert ranked[0].scores == {"bm25": 1 / 3, "rerank": 4.0}
    assert ranked[0].passages == hits[2].passages


def test_only_the_first_are_read_and_the_others_stay_behind_them() -> None:
    scorer = Length()
    hits = [hit("c", "x", 1), hit("b", "xxx", 2), hit("a", "xxxx", 3), hit("d", "xxxx", 4)]
    ranked = rerank(scorer, "q", hits, depth=2, k=4)
    assert scorer.asked == [("q", ["T x", "T xxx"])]
    assert [(each.doc_id, each.rank) for each in ranked] == [("b", 1), ("c", 2), ("a", 3), ("d", 4)]
    assert [each.score for each in ranked] == sorted((each.score for each in ranked), reverse=True)
    assert ranked[:3] == rerank(Length(), "q", hits, depth=2, k=3)


def test_nothing_to_rerank_asks_nobody() -> None:
    scorer = Length()
    assert rerank(scorer, "q", [], depth=3, k=3) == []
    assert scorer.asked == []


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("rerank")
    tiny_cross_encoder_folder(folder / "model")
    return make_index(folder / "i", DOCUMENTS, None, toy_recipe(views=("bm25",), size=64))


@pytest.fixture(scope="module")
def model(index: Index) -> str:
    return str(index.path.parent / "model")


def test_a_search_reranks_what_it_found(index: Index, model: str) -> None:
    from retrieve.encoders.rerank import CrossEncoder

    plain = {each.doc_id: each for each in index.search("wing flow", k=8)}
    hits = index.search("wing flow", k=8, reranker=model)
    texts = [f"Title {each.doc_id} {each.passages[0].text}" for each in hits]
    scores = CrossEncoder.load(model).score("wing flow", texts)
    assert [each.score for each in hits] == pytest.approx(scores.tolist(), abs=1e-5)
    assert hits == sorted(hits, key=lambda each: (-each.score, each.doc_id))
    assert [each.rank for each in hits] == list(range(1, 9))
    for each in hits:
        assert each.scores == {"bm25": plain[each.doc_id].score, "rerank": each.score}


def test_the_first_of_many_are_reranked_whatever_k_is(index: Index, model: str) -> None:
    """Recipe: depth 50. So k = 2 gives the best two of all eight, not the first two in another order."""
    assert (
        index.search("wing flow", k=2, reranker=model) == index.search("wing flow", k=8, reranker=model)[:2]
    )
    many = index.search_many(["wing flow", "the of", "heat"], k=2, reranker=model)
    assert many[0] == index.search("wing flow", k=2, reranker=model)
    assert many[1] == []
    assert many[2] == index.search("heat", k=2, reranker=model)


def test_a_recipe_may_ask_for_it_and_a_search_refuse(index: Index, model: str, tmp_path: Path) -> None:
    recipe = toy_recipe(views=("bm25",), size=64) | {"search": {"rerank": {"model": model, "depth": 3}}}
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe) as own:
        first = {each.doc_id for each in index.search("wing flow", k=3)}
        assert {each.doc_id for each in own.search("wing flow", k=2)} < first
        assert own.search("wing flow", k=8)[:2] == own.search("wing flow", k=2)
        assert own.search("wing flow", k=2, reranker="") == index.search("wing flow", k=2)


def test_what_cannot_be_reranked_is_refused(index: Index, model: str) -> None:
    with pytest.raises(UsageError, match="passages=0"):
        index.search("wing", reranker=model, passages=0)
    with pytest.raises(UsageError, match="k is 0"):
        index.search("wing", k=0, reranker=model)


def test_one_cross_encoder_for_all_threads_on_the_device_of_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str | None] = []

    def load(model: str, *, device: str | None = None) -> Length:
        loads.append(device)
        time.sleep(0.2)  # time for the others to come
        return Length()

    monkeypatch.setattr(CrossEncoder, "load", load)
    make_index(tmp_path / "x.index", DOCUMENTS, None, toy_recipe(views=("bm25",))).close()
    with (
        Index.open(tmp_path / "x.index", device="cuda:1") as index,
        ThreadPoolExecutor(max_workers=4) as pool,
    ):
        found = list(pool.map(lambda query: index.search(query, reranker="some/model"), ["wing"] * 4))
    assert loads == ["cuda:1"]
    assert all(hits == found[0] for hits in found)

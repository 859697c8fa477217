"""Queries over the cores: the same answers in the same order, whatever their number, also after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_index import WORDS, corpus, make_index, toy_recipe

from retrieve import Query
from retrieve.views import threads


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "cores", lambda: 3)
    threads._pool.cache_clear()
    yield
    threads._pool.cache_clear()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 16])
def test_parts_cover_all_in_order(count: int) -> None:
    assert threads.in_parts(count, lambda part: list(range(count))[part]) == list(range(count))


def test_parts_run_at_once_and_one_query_stays_with_its_caller() -> None:
    together = threading.Barrier(3)

    def work(part: slice) -> list[int]:
        together.wait(timeout=30)  # passes only if all three are there
        return [threading.get_ident()] * (part.stop - part.start)

    assert len(set(threads.in_parts(7, work))) == 3
    assert threads.in_parts(1, lambda part: [threading.get_ident()]) == [threading.get_ident()]


@pytest.mark.parametrize("bad", range(6))
def test_an_error_of_any_part_reaches_the_caller(bad: int) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.in_parts(6, lambda part: [1 / (number - bad) for number in range(6)[part]])


@pytest.mark.parametrize("view", ["bm25", "uhd"])
def test_rankings_do_not_depend_on_the_number_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    documents, _ = corpus(300, seed=4)
    texts = [" ".join(WORDS[at : at + 1 + at % 3]) for at in range(11)] * 5
    queries = [Query(str(number), text) for number, text in enumerate(texts)]
    recipe = toy_recipe(views=("bm25",))
    if view == "uhd":
        recipe["uhd"] = {"model": "sentence-transformers/all-MiniLM-L6-v2", "dimensions": 512, "winners": 32}
    index = make_index(tmp_path / "i", documents, None, recipe, commits=2)
    rankings = []
    for number in (1, 2, 5):
        monkeypatch.setattr(threads, "cores", lambda number=number: number)
        threads._pool.cache_clear()
        rankings.append(index.run(queries, 20, using=view).rankings)
    assert rankings[0] == rankings[1] == rankings[2]
    assert all(ranking for _, ranking in rankings[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    assert threads.in_parts(6, lambda part: [part.start]) == [0, 2, 4]
    child = os.fork()
    if child == 0:
        os._exit(0 if threads.in_parts(6, lambda part: [part.start]) == [0, 2, 4] else 1)
    assert os.waitpid(child, 0)[1] == 0

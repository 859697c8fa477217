"""Queries over the cores: the same answers in the same order, whatever their number, also after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_index import WORDS, corpus, make_index, toy_recipe, unit_vectors

from retrieve import Query
from retrieve.views import dense
from retrieve.views import parallel as threads


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


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (1, 1), (19, 1), (20, 2), (29, 2), (30, 3), (1000, 3)])
def test_what_is_large_enough_is_parted_over_the_cores(count: int, parts: int) -> None:
    seen: list[slice] = []

    def work(part: slice) -> list[int]:
        seen.append(part)
        return list(range(count))[part]

    assert threads.over_free_cores(count, work, least=10) == list(range(count))
    assert len(seen) == parts
    assert parts == 1 or min(part.stop - part.start for part in seen) >= 10


def test_callers_at_the_same_time_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has all six, the second comes while it works and has three, the third two; then all six again."""
    monkeypatch.setattr(threads, "cores", lambda: 6)
    threads._pool.cache_clear()
    parts: list[int] = []

    def caller(others: int) -> None:
        inside: list[int] = []

        def work(part: slice) -> list[int]:
            inside.append(part.start)
            if part.start == 0 and others:
                caller(others - 1)
            return [part.start]

        parts.append(len(threads.over_free_cores(600, work, least=1)))
        assert len(inside) == parts[-1]

    caller(2)
    caller(0)
    assert parts == [2, 3, 6, 6]


def test_a_caller_that_fails_is_no_longer_counted() -> None:
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            threads.over_free_cores(30, lambda part: [1 // part.start], least=1)
    assert threads.over_free_cores(30, lambda part: [part.start], least=1) == [0, 10, 20]


@pytest.mark.parametrize("form", [{}, {"storage": "float16"}, {"storage": "int8"}])
def test_dense_answers_do_not_depend_on_the_number_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    monkeypatch.setattr(dense, "_LEAST", 200)  # as if these few were very many
    documents, vectors = corpus(300, seed=4)
    recipe = toy_recipe(views=("dense",), **form)
    asked = unit_vectors(37, seed=5)
    with make_index(tmp_path / "i", documents, vectors, recipe, commits=2) as index:
        answers = []
        for number in (1, 2, 5):
            monkeypatch.setattr(threads, "cores", lambda number=number: number)
            threads._pool.cache_clear()
            single = [index.search(vector=vector, k=300) for vector in asked]
            assert list(index.search_many(vectors=asked, k=300)) == single
            answers.append(single)
    assert answers[0] == answers[1] == answers[2]


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

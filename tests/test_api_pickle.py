"""An index in other processes: it travels as its path and how it was opened."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_encoder_folder
from toy_index import corpus, make_index, toy_recipe, unit_vectors

from retrieve import Index
from retrieve.encoders.load import load_encoder
from retrieve.errors import UsageError
from retrieve.types import Hit

TEXTS = ["wing heat", "court", "act law", "gene blood", "cell", "flow"]


@pytest.fixture
def hybrid(tmp_path: Path) -> Iterator[Index]:
    """BM25 and a tiny encoder, in two segments."""
    model = tiny_encoder_folder(tmp_path / "model")
    recipe = toy_recipe() | {"dense": {"model": str(model), "backend": "torch"}}
    with make_index(tmp_path / "i", corpus(30, seed=2)[0], None, recipe, commits=2) as index:
        yield index


class Searches:
    """A data set as trainings have it: an item is what an index finds for a text."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def __len__(self) -> int:
        return len(TEXTS)

    def __getitem__(self, number: int) -> list[list[Any]]:
        return [list(pair) for pair in found(self.index, TEXTS[number])]


def found(index: Index, text: str) -> list[tuple[str, float]]:
    return [(hit.doc_id, hit.score) for hit in index.search(text, 5)]


def search_there(index: Index, text: str) -> tuple[int, list[Hit]]:
    return os.getpid(), index.search(text, 5)


@pytest.mark.long
def test_a_data_loader_with_a_worker(hybrid: Index) -> None:
    from torch.utils.data import DataLoader

    searches = Searches(hybrid)
    expected = [searches[number] for number in range(len(searches))]
    loader: Any = DataLoader(
        searches,  # type: ignore[arg-type]
        batch_size=None,
        num_workers=1,
        multiprocessing_context="forkserver",
    )
    assert list(loader) == expected


@pytest.mark.long
def test_a_pool_of_spawned_processes(hybrid: Index) -> None:
    expected = [hybrid.search(text, 5) for text in TEXTS]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        answers = list(pool.map(search_there, [hybrid] * len(TEXTS), TEXTS))
    assert [hits for _, hits in answers] == expected
    assert os.getpid() not in {process for process, _ in answers}


def test_copies_are_indexes_of_their_own(hybrid: Index) -> None:
    expected = hybrid.search("wing heat")
    for made in (copy.copy(hybrid), copy.deepcopy(hybrid), pickle.loads(pickle.dumps(hybrid))):
        assert made.search("wing heat") == expected
        made.close()
    assert hybrid.search("wing heat") == expected


def test_a_copy_opens_what_is_current_then(
    hybrid: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Index.open("i") as relative:
        packed = pickle.dumps(relative)
    hybrid.add([{"id": "new", "text": "zebra"}])
    monkeypatch.chdir("/")
    with pickle.loads(packed) as made:
        assert made.generation == hybrid.generation
        assert made.search("zebra", using="bm25")[0].doc_id == "new"


def test_a_copy_is_opened_as_its_model_was(hybrid: Index, tmp_path: Path) -> None:
    moved = (tmp_path / "model").rename(tmp_path / "moved")
    encoder = load_encoder(str(moved), backend="torch")
    expected = None
    for options in ({"model": str(moved)}, {"encoder": encoder}, {"model": str(moved), "cache": False}):
        with Index.open(hybrid.path, **options) as index, pickle.loads(pickle.dumps(index)) as made:  # type: ignore[arg-type]
            expected = expected or index.search("wing heat")
            assert made.search("wing heat") == expected


def test_an_index_that_is_closed_does_not_travel(tmp_path: Path) -> None:
    documents, vectors = corpus(3, seed=1)
    index = make_index(tmp_path / "i", documents, vectors, toy_recipe())
    index.close()
    with pytest.raises(UsageError, match="closed"):
        pickle.dumps(index)


def test_records_of_a_ranking_travel_too(tmp_path: Path) -> None:
    documents, vectors = corpus(12, seed=1)
    with make_index(tmp_path / "i", documents, vectors, toy_recipe()) as index:
        ranking = index.rank_passages([unit_vectors(1, seed=3)[0]], 4)
        again = pickle.loads(pickle.dumps(ranking))
        assert np.array_equal(again.keys, ranking.keys)
        assert index.passages_at(again) == index.passages_at(ranking)

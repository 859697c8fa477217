"""What is learned is learned once, for the whole index, as soon as there is enough to learn from."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from store_index import documents, make, own_recipe, vectors

from retrieve import Index
from retrieve.errors import IndexCorrupt, RecipeError

pytest.importorskip("faiss")

D = 8


def _recipe(factory: str, passages: int = 400, **dense: object) -> dict[str, object]:
    return own_recipe(passages, bm25=False, factory=factory, **dense) | {
        "dense": {"model": "none", "dimensions": D, "factory": factory, **dense}
    }


def _trained(index: Index) -> list[str | None]:
    return [segment.entry.trained for segment in index._snapshot.segments]


def _recall(index: Index, own: np.ndarray, k: int = 10) -> float:
    unit = own / np.linalg.norm(own, axis=1, keepdims=True)
    found = 0
    for query in vectors(20, seed=9, dimensions=D):
        best = {f"d{row:04}" for row in np.argsort(-(unit @ query), kind="stable")[:k]}
        hits = index.search(vector=query, k=k)
        assert len(hits) == k
        found += len(best & {hit.doc_id for hit in hits})
    return found / (20 * k)


@pytest.mark.parametrize(("factory", "least"), [("IVF4,Flat", 0.99), ("HNSW8", 0.9), ("IVF8,PQ4x4", 0.5)])
def test_exact_below_a_thousand_passages_trained_once_above(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, factory: str, least: float
) -> None:
    caplog.set_level(logging.INFO, logger="retrieve")
    rows, own = documents(1600), vectors(1600, dimensions=D)
    with make(tmp_path / "a.index", _recipe(factory), rows[:900], own[:900]) as index:
        assert "exact until there are 1000 passages" in caplog.text
        assert _trained(index) == [None, None, None]
        assert _recall(index, own[:900]) == 1
        with index.writer() as writer:
            writer.add(rows[900:1300], own[900:1300])
        learned = _trained(index)[-1]
        assert _trained(index) == [None, None, None, learned]
        assert learned
        with index.writer() as writer:
            writer.add(rows[1300:], own[1300:])
        assert _trained(index)[-1] == learned
        assert [path.name for path in (index.path / "trained").iterdir()] == [learned]
        assert _recall(index, own) >= least
        index.merge()
        assert set(_trained(index)) == {learned}
        assert _recall(index, own) >= least
        assert index.verify() == []


def test_learning_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows, own = documents(2200), vectors(2200, dimensions=D)
    with make(tmp_path / "a.index", _recipe("IVF4,Flat", 1100), rows[:1100], own[:1100]) as index:
        first = _trained(index)
        with index.writer() as writer:
            writer.add(rows[1100:], own[1100:])
        index.merge(retrain=True)
        assert len(set(_trained(index))) == 1
        assert _trained(index)[0] != first[0]
        assert [path.name for path in (index.path / "trained").iterdir()] == _trained(index)[:1]
        generation = index.generation
        index.merge(retrain=True)  # the same passages teach the same
        assert index.generation == generation
        with index.writer() as writer:
            writer.delete(where={"number": {"gte": 500}})
        index.merge(retrain=True)
        assert "nothing was learned" in caplog.text
        assert len(index.search(vector=own[0], k=600)) == 500
    flat = make(tmp_path / "flat.index", _recipe("Flat"), rows[:3], own[:3])
    with pytest.raises(RecipeError, match="there is nothing to retrain"):
        flat.merge(retrain=True)


def test_an_empty_index_learns_nothing(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a.index", _recipe("IVF4,Flat")) as index:
        index.merge(retrain=True)
        assert index.search(vector=np.ones(D)) == []


def test_without_kept_vectors(tmp_path: Path) -> None:
    rows, own = documents(1500), vectors(1500, dimensions=D)
    with make(tmp_path / "a.index", _recipe("IVF4,Flat", 1200, keep_vectors=False), rows, own) as index:
        with index.writer() as writer:
            writer.add(documents(3, first=1500), vectors(3, dimensions=D, seed=4))
        assert not any(segment.has_vectors for segment in index._snapshot.segments[:1])
        assert _recall(index, np.concatenate([own, vectors(3, dimensions=D, seed=4)])) > 0.95
        with index.writer() as writer:
            assert writer.add(rows[:2]) == (0, 0, 2)
            assert writer.delete(["d0001"]) == 1
        assert index.get("d0001") is None
        assert len(index.search(vector=own[1], k=1502)) == 1502
        with pytest.raises(RecipeError, match="keep_vectors is false"):
            index.merge()
        assert index.verify() == []


def test_a_damaged_faiss_file_is_refused_when_it_is_used(tmp_path: Path) -> None:
    own = vectors(1100, dimensions=D)
    with make(tmp_path / "a.index", _recipe("IVF4,Flat", 1100), documents(1100), own) as index:
        for name in ("segments/*/dense/index.faiss", "trained/*/index.faiss"):
            path = next(index.path.glob(name))
            good = path.read_bytes()
            path.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
            assert index.verify() == [f"{path} fails its checksum"]
            with Index.open(index.path) as damaged, pytest.raises(IndexCorrupt, match=r"index\.faiss fails"):
                damaged.search(vector=own[0])
                with damaged.writer() as writer:
                    writer.add(documents(1, first=2000), own[:1])
            path.write_bytes(good)
        assert index.verify() == []

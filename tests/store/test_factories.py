"""Indexes of many FAISS factories from creation to merge: each keeps its promises, or there is no index at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from store_index import documents, vectors

from retrieve import Index
from retrieve.errors import RecipeError

pytest.importorskip("faiss")

D, N, MORE = 8, 1_050, 30
OWN = vectors(N + MORE, seed=3, dimensions=D)
UNIT = OWN / np.linalg.norm(OWN, axis=1, keepdims=True)


def _recipe(factory: str, keep: bool) -> dict[str, object]:
    return {
        "name": "factories",
        "passages": {"unit": "words", "mode": "whole"},
        "dense": {"model": "none", "dimensions": D, "factory": factory, "keep_vectors": keep},
        "segments": {"passages": N},
    }


def _best(index: Index, query: np.ndarray, **options: object) -> list[tuple[str, float]]:
    return [(hit.doc_id, hit.score) for hit in index.search(vector=query, **options)]


def _check(index: Index, gone: set[str], *, exact: bool) -> None:
    """Documents find themselves, filters and deletions hold, nothing is missing, and scores are those promised."""
    misses = 0
    for row in range(0, N + MORE, 27):
        name = f"d{row:04}"
        found = _best(index, OWN[row], k=10, depth=20)
        assert len(found) == 10
        assert gone.isdisjoint(doc_id for doc_id, _ in found)
        misses += name not in gone and name not in {doc_id for doc_id, _ in found}
        if exact:
            wanted = [float(UNIT[row] @ UNIT[int(doc_id[1:])]) for doc_id, _ in found]
            np.testing.assert_allclose([score for _, score in found], wanted, atol=2e-3)
    assert misses <= 3  # of forty: quantizers are coarse
    where = {"number": {"lt": 40}}
    left = {f"d{row:04}" for row in range(40)} - gone
    assert {doc_id for doc_id, _ in _best(index, OWN[0], k=60, where=where)} == left
    half = _best(index, OWN[0], k=300, depth=300, where={"number": {"gte": 500}})
    assert len(half) == 300
    assert all(doc_id >= "d0500" and doc_id not in gone for doc_id, _ in half)
    assert len(_best(index, OWN[0], k=2 * N)) == N + MORE - len(gone)


@pytest.mark.parametrize(
    ("factory", "keep"),
    [
        ("IVF8,PQ8x4fsr", True),
        ("IVF8,PQ8x4fs", True),
        ("IVF4_HNSW4,Flat", False),
        ("RR8,IVF4,PQ8x4fsr", True),
        ("IVF8,PQ8x4fs,RFlat", False),
        ("IVF8,PQ8x4np", False),
        ("IVF8,SQ8", False),
        ("PQ8x4fs", False),
        ("HNSW8_SQ8", False),
        ("RQ4x4", True),
        ("IVF8,RQ4x4", False),
        ("L2norm,PCA7,IVF8,SQ8", True),
    ],
)
def test_from_creation_to_merge(tmp_path: Path, factory: str, keep: bool) -> None:
    with Index.create(tmp_path / "a.index", _recipe(factory, keep)) as index:
        with index.writer() as writer:
            writer.add(documents(N), OWN[:N])
        with index.writer() as writer:
            writer.add(documents(MORE, first=N), OWN[N:])
        assert all(segment.has("dense/index.faiss") for segment in index._snapshot.segments)
        _check(index, set(), exact=keep)
        gone = {f"d{row:04}" for row in range(0, N, 13)}
        with index.writer() as writer:
            assert writer.delete(sorted(gone)) == len(gone)
        _check(index, gone, exact=keep)
        if keep:
            index.merge()
            _check(index, gone, exact=True)
        else:
            with pytest.raises(RecipeError, match="keep_vectors is false"):
                index.merge()
        assert index.verify() == []


@pytest.mark.parametrize(
    ("factory", "keep"),
    [
        ("IVF8,PQ8x4fs", False),
        ("PCA4,IVF8,PQ4x4fsr", False),
        ("PQ8x4fs_64", False),
        ("ITQ4,IVF8,Flat", False),
        ("IVF16_HNSW4,PQ8x4fsr", True),
        ("NSG8", True),
        ("IVF8,RQ4x4fs", True),
        ("IVF8,FlatDedup", True),
        ("SQ8_direct", True),
        ("IVF2000,Flat", True),
    ],
)
def test_a_factory_that_would_fail_later_makes_no_index(tmp_path: Path, factory: str, keep: bool) -> None:
    folder = tmp_path / "a.index"
    with pytest.raises(RecipeError, match=r"^dense\.factory = ") as caught:
        Index.create(folder, _recipe(factory, keep))
    assert not folder.exists()
    assert len(str(caught.value)) < 400


def test_every_stored_vector_finds_itself_however_many_lists_are_asked_for(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a.index", _recipe("IVF8,PQ8x4fsr", True)) as index:
        with index.writer() as writer:
            writer.add(documents(N), OWN[:N])
        for options in ({}, {"nprobe": 8}, {"nprobe": 9}, {"nprobe": 10_000}):
            best = [_best(index, OWN[row], k=1, depth=20, **options)[0][0] for row in range(100)]
            assert best == [f"d{row:04}" for row in range(100)]

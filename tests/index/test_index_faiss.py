"""FAISS behind factory strings: the same bytes twice, exact where the string is exact, masks honoured by all."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retrieve.errors import DimensionMismatch, IndexCorrupt, MissingExtra, RecipeError, UsageError

faiss = pytest.importorskip("faiss")

from retrieve.index import faiss_index  # noqa: E402
from retrieve.index.stored_vectors import StoredVectors  # noqa: E402

D, N = 16, 1_500
KINDS = ["Flat", "HNSW8", "HNSW8,SQ8", "IVF8,Flat", "IVF8,PQ4x4", "PCA8,IVF8,SQ8", "IVF8_HNSW4,Flat"]
# FAISS cannot mask these itself.
UNMASKABLE = ["PQ4x4fs", "PQ4x4"]
KNOBS = {"ef_search": 64, "nprobe": 8}


def unit_vectors(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, D)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


VECTORS = unit_vectors(N, 1).astype(np.float16)
STORED = StoredVectors(VECTORS)
QUERIES = unit_vectors(20, 2)


def made(factory: str):
    return faiss_index.load(faiss_index.build(faiss_index.train(factory, VECTORS), STORED))


def true_order(live: np.ndarray | None = None) -> np.ndarray:
    scores = QUERIES @ VECTORS.astype(np.float32).T
    if live is not None:
        scores[:, ~live] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")


@pytest.mark.parametrize("factory", KINDS + UNMASKABLE)
def test_two_builds_are_the_same_bytes(factory: str) -> None:
    before = faiss.omp_get_max_threads()
    trained = faiss_index.train(factory, VECTORS.astype(np.float32))
    built = faiss_index.build(trained, STORED)
    assert faiss_index.train(factory, VECTORS.astype(np.float32)) == trained
    assert faiss_index.build(trained, STORED) == built
    assert faiss.omp_get_max_threads() == before


def test_another_process_writes_the_same_bytes() -> None:
    script = (
        "import sys, numpy as np; sys.path[:0] = sys.argv[1:]; from retrieve.index import faiss_index as f\n"
        "import test_index_faiss as t\n"
        "import hashlib; d = hashlib.sha256()\n"
        "for k in ('HNSW8', 'IVF8,PQ4x4'): d.update(f.build(f.train(k, t.VECTORS), t.STORED))\n"
        "print(d.hexdigest())"
    )
    paths = [path for path in sys.path if path]
    digests = {
        subprocess.run([sys.executable, "-c", script, *paths], check=True, capture_output=True).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF8,Flat", "IVF8_HNSW4,Flat"])
def test_finds_the_nearest(factory: str) -> None:
    rows, scores = faiss_index.search(made(factory), QUERIES, 10, parameters=KNOBS)
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, true_order()[:, :10], strict=True)])
    assert overlap >= (0.95 if "HNSW" in factory else 1.0)
    exact = np.take_along_axis(QUERIES @ VECTORS.astype(np.float32).T, rows, axis=1)
    np.testing.assert_allclose(scores, exact, atol=1e-5)
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("factory", KINDS + UNMASKABLE)
def test_masks_are_honoured(factory: str) -> None:
    index = made(factory)
    assert faiss_index.supports_selector(index) == (factory not in UNMASKABLE)
    for share in (0.5, 0.02):
        live = np.random.default_rng(3).random(N) < share
        rows, scores = faiss_index.search(index, QUERIES, 15, live=live, parameters=KNOBS)
        assert live[rows[rows >= 0]].all()
        assert (scores[rows < 0] == -np.inf).all()
        assert all(len(set(found[found >= 0])) == (found >= 0).sum() for found in rows)
        if "HNSW8" not in factory:  # a graph may lose its way between the few that are left
            assert (rows >= 0).all()
        if factory == "Flat":
            np.testing.assert_array_equal(rows, true_order(live)[:, :15])


@pytest.mark.parametrize("factory", ["Flat", *UNMASKABLE])
def test_slots_beyond_the_live_rows_stay_empty(factory: str) -> None:
    index = made(factory)
    live = np.zeros(N, bool)
    live[[3, 77, 1_400]] = True
    rows, scores = faiss_index.search(index, QUERIES, 5, live=live)
    assert [sorted(found) for found in rows.tolist()] == [[-1, -1, 3, 77, 1_400]] * len(QUERIES)
    assert (rows[:, 3:] == -1).all()
    assert (scores[:, 3:] == -np.inf).all()
    assert (faiss_index.search(index, QUERIES, 2, live=np.zeros(N, bool))[0] == -1).all()
    assert (faiss_index.search(index, QUERIES, N + 5)[0] >= 0).sum(axis=1).tolist() == [N] * len(QUERIES)


def test_a_wider_search_finds_more() -> None:
    index = made("IVF8,Flat")
    truth = true_order()[:, :10]

    def recall(**knobs: int) -> float:
        rows, _ = faiss_index.search(index, QUERIES, 10, parameters=knobs)
        return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, truth, strict=True)]))

    assert recall(nprobe=1) < recall(nprobe=3) < recall(nprobe=8) == 1.0
    assert recall(nprobe=8, ef_search=1) == 1.0


@pytest.mark.parametrize("factory", ["HNSW8", "IVF8,PQ4x4", "PCA8,IVF8,SQ8", "PQ4x4fs"])
def test_eight_threads_find_what_one_finds(factory: str) -> None:
    index = made(factory)
    masks = [np.random.default_rng(seed).random(N) < 0.5 for seed in range(40)]

    def search(live: np.ndarray) -> bytes:
        rows, scores = faiss_index.search(index, QUERIES, 10, live=live, parameters=KNOBS)
        return rows.tobytes() + scores.tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(search, masks)) == [search(live) for live in masks]


@pytest.mark.parametrize(
    ("factory", "needed"),
    [
        ("Flat", 0),
        ("HNSW8", 0),
        ("SQ8", 1),
        ("IVF8,Flat", 39 * 8),
        ("IVF8,PQ4x6", 39 * 64),
        ("PQ4x4fs", 39 * 16),
        ("RQ4x6", 39 * 64),
        ("IVF8,PLSQ2x2x5", 39 * 32),
        ("RQ4x4fs", 39 * 16),
        ("PCA8,Flat", D),
        ("OPQ4,PQ4x4", 39 * 256),
        ("IVF64_HNSW4,SQ8", 39 * 64),
        ("IVF8,PQ4x4,RFlat", 39 * 16),
    ],
)
def test_what_training_needs(factory: str, needed: int) -> None:
    assert faiss_index.minimum_sample(factory, D) == needed
    assert faiss_index.enough(factory, D, needed) == (True, "")
    if needed:
        sufficient, reason = faiss_index.enough(factory, D, needed - 1)
        assert not sufficient
        assert reason == f"{factory!r} learns from at least {needed:,} vectors, there are {needed - 1:,}"


@pytest.mark.parametrize("factory", ["Foo", "", "IVF8", "PQ5", "LSH", "HNSW8_PQ4", "IDMap,Flat"])
def test_bad_factory_strings(factory: str) -> None:
    with pytest.raises(RecipeError, match=rf"^dense\.factory = '{factory}' makes no index of") as caught:
        faiss_index.check_factory(factory, D)
    assert ".cpp" not in str(caught.value)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("PQ5", "The dimension of the vector (d) should be a multiple of the number of subquantizers (M)"),
        ("IVF8,PQ4x4,", "could not parse code description PQ4x4, in IVF8,PQ4x4,"),
        ("Foo", "could not parse index string Foo"),
    ],
)
def test_what_faiss_says_is_given_without_its_source_line(factory: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        faiss_index.check_factory(factory, D)
    wanted = f"dense.factory = {factory!r} makes no index of {D} dimensions; FAISS says: {said}"
    assert str(caught.value) == wanted
    faiss_index.check_factory("PQ4", D)


def test_too_small_a_sample_is_refused_in_the_words_of_faiss() -> None:
    with pytest.raises(RecipeError, match="cannot train 'IVF64,Flat' on 5 vectors"):
        faiss_index.train("IVF64,Flat", VECTORS[:5].astype(np.float32))


def test_vectors_come_back() -> None:
    rows = np.array([7, 0, 1_499])
    for factory in ("Flat", "HNSW8", "IVF8,Flat"):
        assert (faiss_index.reconstruct(made(factory), rows) == VECTORS[rows]).all()
    assert np.abs(faiss_index.reconstruct(made("IVF8,SQ8"), rows) - VECTORS[rows]).max() < 0.01
    with pytest.raises(UsageError, match="IndexIVFPQFastScan gives no vectors back"):
        faiss_index.reconstruct(made("IVF8,PQ4x4fs"), rows)


def test_refusals() -> None:
    index = made("Flat")
    for knobs in ({"efsearch": 10}, {"nprobe": 0}):
        with pytest.raises(UsageError, match="wanted ef_search or nprobe, at least 1"):
            faiss_index.search(index, QUERIES, 1, parameters=knobs)
    with pytest.raises(UsageError, match="k is 0"):
        faiss_index.search(index, QUERIES, 0)
    with pytest.raises(DimensionMismatch, match="holds 16 dimensions"):
        faiss_index.search(index, QUERIES[:, :5], 1)
    with pytest.raises(ValueError, match="live has 3 rows"):
        faiss_index.search(index, QUERIES, 1, live=np.ones(3, bool))
    with pytest.raises(DimensionMismatch, match="wants"):
        faiss_index.build(faiss_index.train("Flat", VECTORS), StoredVectors(VECTORS[:, :5]))
    with pytest.raises(IndexCorrupt, match="of 7 bytes"):
        faiss_index.load(b"rubbish")


def test_no_vectors_at_all() -> None:
    index = faiss_index.load(faiss_index.build(faiss_index.train("HNSW8", VECTORS), STORED[:0]))
    assert faiss_index.search(index, QUERIES, 3)[0].tolist() == [[-1] * 3] * len(QUERIES)


def test_a_missing_faiss_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r"\[cpu\]"):
        faiss_index.minimum_sample("Flat", D)


def test_without_a_gpu_the_index_stays() -> None:
    if hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus():
        pytest.skip("FAISS has a GPU here")
    index = made("Flat")
    assert faiss_index.to_device(index) is index
    assert not faiss_index.on_gpu(index)

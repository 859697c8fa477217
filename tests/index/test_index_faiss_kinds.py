"""Every kind of FAISS index that a factory string may name: it does all that a search asks of it, or it is refused."""

from __future__ import annotations

import numpy as np
import pytest

from retrieve.errors import RecipeError

faiss = pytest.importorskip("faiss")

from retrieve.index import faiss_index, faiss_kinds  # noqa: E402
from retrieve.index.stored_vectors import StoredVectors  # noqa: E402

D, N, LISTS = 16, 1_200, 8


def unit_vectors(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, D)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


VECTORS = unit_vectors(N, 1).astype(np.float16).astype(np.float32)
STORED = StoredVectors(VECTORS.astype(np.float16))

# Factory string → how many of a hundred stored vectors are among the first ten of their own search, at least.
COMPLETE = {
    "Flat": 100,
    "SQ8": 100,
    "SQ4": 100,
    "SQ6": 100,
    "SQfp16": 100,
    "SQbf16": 100,
    "PQ4x4": 95,
    "PQ4np": 95,
    "PQ8x4fs": 95,
    "RQ4x4": 95,
    "RQ4x4_Nqint8": 95,
    "LSQ4x4": 95,
    "PRQ2x2x4": 90,
    "PLSQ2x2x4": 90,
    "RQ4x4fs": 95,
    "PRQ2x2x4fs": 90,
    "HNSW8": 100,
    "HNSW8_SQ8": 100,
    "HNSW8,SQ4": 100,
    "IVF8,Flat": 100,
    "IVF1,Flat": 100,
    "IVF8_HNSW4,Flat": 100,
    "IVF8(SQ8),Flat": 100,
    "IVF8(HNSW8,SQ8),PQ8x4np": 95,
    "IVF64_HNSW4,PQ8x4np": 95,
    "IVF8,SQ8": 100,
    "IVF8,SQ4": 100,
    "IVF8,PQ8x4np": 95,
    "IVF8,RQ4x4": 95,
    "IVF8,LSQ4x4": 90,
    "IVF8,PRQ2x2x4": 90,
    "IVF8,PLSQ2x2x4": 90,
    "PCA12,IVF8,SQ8": 95,
    "PCAR12,HNSW8": 95,
    "RR16,IVF8,Flat": 100,
    "L2norm,IVF8,Flat": 100,
    "Pad32,IVF8,Flat": 100,
    "OPQ4,IVF8,PQ4x4np": 90,
    "PCA12,PQ4x4fs": 90,
    "IVF8,Flat,RFlat": 100,
    "IVF8,PQ8x4fs,RFlat": 95,
    "IVF8,PQ8x4fsr,Refine(SQ8)": 95,
    "HNSW8,SQ4,RFlat": 100,
    "PQ8x4fs,Refine(PQ4x4np)": 95,
    "RQ4x4,RFlat": 95,
    "PCA12,IVF8,PQ4x4fsr,RFlat": 90,
}
# They cannot give back what they took: good only where vectors are kept.
FORGETFUL = {
    "IVF8,PQ16x4fsr": 100,
    "IVF8,PQ8x4fs": 95,
    "IVF8,PQ8x4fsr_64": 95,
    "PQ8x4fs_64": 95,
    "PCA12,PQ4x4fs_128": 90,
    "RQ4x4fs_64": 95,
    "IVF1,PQ16x4fsr": 100,
    "IVF64_HNSW4,PQ8x4fs": 95,
    "OPQ4,IVF8,PQ4x4fsr": 90,
    "PCA12,IVF8,PQ4x4fs": 90,
    "L2norm,IVF8,PQ8x4fsr": 95,
    "ITQ12,IVF8,Flat": 90,
    "PCAW16,Flat": 95,
    "PCAWR12,IVF8,SQ8": 90,
}
# Kinds of newer releases of FAISS.
NEWER = {
    "RaBitQ",
    "RaBitQfs",
    "IVF8,RaBitQ",
    "RR16,IVF8,RaBitQfs",
    "IVF8,FlatPanorama4",
    "EDEN4",
    "IVF8,EDEN4",
}
REFUSED = {
    "NSG8": "IndexNSGFlat here is none of those",
    "NSG8,SQ8": "IndexNSGSQ here is none of those",
    "NSG8,RFlat": "IndexNSGFlat here is none of those",
    "IVF8_NSG4,Flat": "IndexNSGFlat to choose lists is none of those",
    "IVF8,RQ4x4fs": "IndexIVFResidualQuantizerFastScan here is none of those",
    "IVF8,PRQ2x2x4fsr": "IndexIVFProductResidualQuantizerFastScan here is none of those",
    "IVF8,FlatDedup": "IndexIVFFlatDedup here is none of those",
    "MinMax,SQ8": "IndexRowwiseMinMax here is none of those",
    "IVF16(IVF4,Flat),Flat": "IndexIVFFlat to choose lists is none of those",
    "IVF16(PQ4x4),PQ4x4": "IndexPQ to choose lists is none of those",
    "IVF64(RCQ2x3),Flat": "ResidualCoarseQuantizer to choose lists is none of those",
    "IVF8,Flat,Refine(PQ8x4fs)": "IndexPQFastScan as the refinement is none of those",
    "IVF8,Flat,Refine(IVF8,Flat)": "IndexIVFFlat as the refinement is none of those",
    "SQ8_direct": "keeps nothing of the components of unit vectors",
    "IVF8,SQ8_direct_signed": "keeps nothing of the components of unit vectors",
    "PCA8,HNSW8,SQ8_direct": "keeps nothing of the components of unit vectors",
    "IVF8,PQ4x4,Refine(SQ8_direct)": "keeps nothing of the components of unit vectors",
    "IVF64_HNSW4,PQ16x4fsr": "lists must be chosen exactly, and IndexHNSWFlat may miss one",
    "PCA8,IVF64_HNSW4,PQ4x4fsr,RFlat": "lists must be chosen exactly, and IndexHNSWFlat may miss one",
    "LSH": "makes no index of 16 dimensions",
    "ITQ8,LSH": "makes no index of 16 dimensions",
    "IMI2x4,Flat": "makes no index of 16 dimensions",
    "HNSW8,PQ4": "makes no index of rows by inner product",
    "NSG8,PQ4": "makes no index of rows by inner product",
    "IVF8,ITQ,SH": "makes no index of rows by inner product",
    "IVF8,Flat,IDMap": "makes no index of rows by inner product",
}


def made(factory: str, batch: int = 700):
    trained = faiss_index.train(factory, VECTORS)
    return faiss_index.load(faiss_index.build(trained, STORED, batch=batch))


@pytest.mark.parametrize("factory", COMPLETE | FORGETFUL)
def test_an_index_does_all_that_a_search_asks_of_it(factory: str) -> None:
    faiss_index.check_factory(factory, D)
    index = made(factory)
    stored = VECTORS[:100]
    wide = {"nprobe": 64 if "IVF64" in factory else LISTS, "ef_search": 64}
    rows, scores = faiss_index.search(index, stored, 10, parameters=wide)
    found = int((rows == np.arange(100)[:, None]).any(axis=1).sum())
    assert found >= (COMPLETE | FORGETFUL)[factory]
    if factory in ("Flat", "IVF8,Flat", "IVF1,Flat", "RR16,IVF8,Flat", "IVF8,Flat,RFlat", "IVF8,PQ16x4fsr"):
        assert (rows[:, 0] == np.arange(100)).all()
    for beyond in (65, 5_000):
        again, same = faiss_index.search(index, stored, 10, parameters=wide | {"nprobe": beyond})
        np.testing.assert_array_equal(again, rows)
        np.testing.assert_array_equal(same, scores)
    live = np.random.default_rng(3).random(N) < 0.5
    masked, _ = faiss_index.search(index, stored, 10, live=live, parameters=wide)
    assert live[masked[masked >= 0]].all()
    assert (masked >= 0).all()


@pytest.mark.parametrize("factory", COMPLETE)
def test_an_index_without_kept_vectors_gives_back_what_it_scores_by(factory: str) -> None:
    faiss_index.check_factory(factory, D, keep_vectors=False)
    index = made(factory)
    queries = unit_vectors(20, 2)
    rows, scores = faiss_index.search(index, queries, 10, parameters={"nprobe": LISTS, "ef_search": 64})
    back = faiss_index.reconstruct(index, rows.ravel()).reshape(*rows.shape, D)
    told = np.einsum("qd,qkd->qk", queries, back)
    # Fast scan rounds its sums; PCA scores by what is left when the mean is taken off.
    np.testing.assert_allclose(told, scores, atol=0.05 if "fs" in factory or "PCA" in factory else 2e-3)


@pytest.mark.parametrize("factory", FORGETFUL)
def test_what_cannot_be_given_back_has_to_be_kept(factory: str) -> None:
    with pytest.raises(
        RecipeError, match=r"does not give back .* set dense\.keep_vectors = true, or add RFlat"
    ):
        faiss_index.check_factory(factory, D, keep_vectors=False)


@pytest.mark.parametrize("factory", sorted(NEWER))
def test_kinds_of_a_newer_faiss(factory: str) -> None:
    try:
        faiss.index_factory(D, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError:
        pytest.skip(f"this FAISS has no {factory}")
    index = made(factory)
    own, _ = faiss_index.search(index, VECTORS[:100], 10, parameters={"nprobe": 500})
    assert (own == np.arange(100)[:, None]).any(axis=1).sum() >= 90
    live = np.random.default_rng(3).random(N) < 0.5
    masked, _ = faiss_index.search(index, VECTORS[:100], 10, live=live, parameters={"nprobe": 500})
    assert live[masked].all()
    faiss_index.check_factory(factory, D)
    if "RaBitQ" in factory:
        with pytest.raises(RecipeError, match="does not give back"):
            faiss_index.check_factory(factory, D, keep_vectors=False)
    else:
        faiss_index.check_factory(factory, D, keep_vectors=False)


@pytest.mark.parametrize("factory", REFUSED)
@pytest.mark.parametrize("keep", [True, False])
def test_what_would_fail_later_is_refused(factory: str, keep: bool) -> None:
    try:
        with pytest.raises(RecipeError) as caught:
            faiss_index.check_factory(factory, D, keep_vectors=keep)
    except pytest.fail.Exception:
        raise AssertionError(f"{factory} was taken") from None
    said = str(caught.value)
    assert said.startswith(f"dense.factory = {factory!r} ")
    assert (REFUSED[factory] in said) or (not keep and "does not give back" in said)


def test_an_index_that_could_never_learn_enough_is_refused() -> None:
    faiss_index.check_factory("IVF1282,Flat", D, most=50_000)
    wanted = "learns from at least 159,744 vectors, and never from more than 50,000: .* at most 1,282 lists"
    for factory in ("IVF4096,Flat", "PQ4x12", "RQ2x12", "PCA8,IVF4096_HNSW8,SQ8,RFlat", "IVF8,RQ1x12_2x4"):
        with pytest.raises(RecipeError, match=wanted):
            faiss_index.check_factory(factory, D, most=50_000)


def test_what_is_asked_for_a_vector() -> None:
    for factory, name in (
        ("IVF8,PQ8x4fs,RFlat", "IndexFlat"),
        ("PCA8,IVF8,SQ8", "IndexIVFScalarQuantizer"),
        ("HNSW8,Refine(SQ8)", "IndexScalarQuantizer"),
    ):
        index = faiss.index_factory(D, factory, faiss.METRIC_INNER_PRODUCT)
        assert type(faiss_kinds.remembering(faiss, index)).__name__ == name

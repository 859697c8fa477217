"""SPLADE and token-level UHD as views of an index, against sentence-transformers' own codes and sums over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, tiny_encoder_folder, tiny_sparse_folder

from retrieve import Document, Index
from retrieve.errors import BadVectors, EncoderError, EncoderMismatch, MissingExtra, RecipeError, UsageError
from retrieve.index.code_postings import Counted, CountedBuilder
from retrieve.index.codes import Codes
from retrieve.views.postings import ImpactTaker
from retrieve.views.uhd import CountedScores

SCALE = 100


@pytest.fixture(scope="module")
def splade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sparse_folder(tmp_path_factory.mktemp("splade") / "model")


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"level": "token", "dimensions": 128, "winners": 6, "query_winners": 3, "cap": 20}
    return tiny_sparse_folder(tmp_path_factory.mktemp("token") / "model", **settings)


def _documents(count: int = 40) -> list[Document]:
    """Short texts of words the models know; every eighth repeats the one before, so that scores tie."""
    draw = np.random.default_rng(3)
    texts = [" ".join(draw.choice(WORDS, 7)) for _ in range(count)]
    texts[8::8] = texts[7:-1:8]
    return [Document(f"d{number:03}", text, "", {"number": number}) for number, text in enumerate(texts)]


def _recipe(**view: Any) -> dict[str, Any]:
    return {"name": "sparse", "segments": {"passages": 15}, **view}


def _weights(folder: Path, texts: list[str], *, query: bool) -> Any:
    from sentence_transformers import SparseEncoder

    model = SparseEncoder(str(folder), trust_remote_code=True, device="cpu")
    found = model.encode_query(texts) if query else model.encode_document(texts)
    return found.to_dense().numpy().astype(np.float64)


def test_splade_scores_are_sums_of_impacts(tmp_path: Path, splade: Path) -> None:
    """In three segments, with deletions and merged; equal texts tie and stand in the order of their ids."""
    rows = _documents()
    with Index.create(tmp_path / "a.index", _recipe(splade={"model": str(splade), "scale": SCALE})) as index:
        with index.writer() as writer:
            writer.add(rows)
        assert index.info()["segments"] == 3
        with index.writer() as writer:
            writer.delete(["d003", "d020"])
        query = "heat flow in the boundary layer"
        impacts = np.rint(_weights(splade, [row.text for row in rows], query=False) * SCALE)
        wanted = impacts @ _weights(splade, [query], query=True)[0] / SCALE
        for _ in range(2):
            hits = index.search(query, k=100)
            assert len(hits) == 38
            assert [hit.score for hit in hits] == pytest.approx(
                [wanted[int(hit.doc_id[1:])] for hit in hits], rel=2e-2
            )
            assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))
            index.merge()
        explained = index.explain(query, hits[0].doc_id)["views"]["splade"]
        assert sum(term["contribution"] for term in explained["terms"]) == pytest.approx(hits[0].score)
        report = index.info()["sparse"]["splade"]
        assert report["nonzeros_per_passage"] == pytest.approx((impacts > 0).sum(axis=1).mean(), rel=0.02)
        assert index.verify() == []
        with pytest.raises(UsageError, match="vector"):
            index.search(vector=np.ones(8))


def test_large_impacts_are_kept_whole() -> None:
    """Beyond a byte, zero after rounding, and the order of the vocabulary's strings."""
    taker = ImpactTaker(["zebra", "ant", "bee"], scale=1000)
    starts = np.array([0, 3, 3, 4])
    taker.take(starts, np.array([0, 1, 2, 1], np.uint32), np.array([0.4, 0.0004, 3.2, 0.254], np.float32))
    postings = taker.finish()
    assert list(postings.terms) == ["ant", "bee", "zebra"]
    found = [postings.impact_scores(np.array([term]), np.ones(1)).tolist() for term in range(3)]
    assert found == [[0, 0, 254], [3200, 0, 0], [400, 0, 0]]


def test_impacts_beyond_32_bits_are_refused() -> None:
    """One of a passage or all of it; those before it are kept whole."""
    for weights in ([429_497.0], [214_749.0, 214_749.0]):
        taker = ImpactTaker(["ant", "bee"], scale=10_000)
        dims = np.arange(len(weights), dtype=np.uint32)
        taker.take(np.array([0, 1]), dims[:1], np.array([429_490], np.float32))
        with pytest.raises(BadVectors, match=r"passage 1 .*at most 4294967295.*lower splade\.scale"):
            taker.take(np.array([0, len(weights)]), dims, np.array(weights, np.float32))
        taker.take(np.array([0, 1]), dims[:1], np.ones(1, np.float32))
        assert taker.finish().lengths.tolist() == [4_294_900_000, 10_000]


def test_token_level_codes_are_counted(tmp_path: Path, token: Path) -> None:
    rows = _documents()
    recipe = _recipe(bm25={}, uhd={"model": str(token), "level": "token"})
    with Index.create(tmp_path / "a.index", recipe) as index:
        with index.writer() as writer:
            writer.add(rows)
        query = "heat flow in the boundary layer"
        codes = _weights(token, [row.text for row in rows], query=False)
        wanted = codes @ _weights(token, [query], query=True)[0]
        hits = index.search(query, k=100, using="uhd")
        expected = sorted(
            ((row.id, float(count)) for row, count in zip(rows, wanted, strict=True) if count),
            key=lambda item: (-item[1], item[0]),
        )
        assert [(hit.doc_id, hit.score) for hit in hits] == expected
        assert index.info()["sparse"]["uhd"]["nonzeros_per_passage"] == pytest.approx(
            codes.sum(axis=1).mean()
        )
        index.merge()
        assert index.search(query, k=100, using="uhd") == hits
        assert index.verify() == []
        with pytest.raises(UsageError, match="vector"):
            index.search(vector=np.ones(8))


def test_a_query_without_winners_has_no_hits() -> None:
    """Among others in a batch, and only where it has none in any segment."""
    arrays: dict[str, Any] = {}
    builder = CountedBuilder(10, "small", arrays.__setitem__)
    builder.add(Codes(np.array([0, 2, 4]), np.array([1, 2, 2, 7], np.uint32)))
    builder.finish()

    queries = Codes(np.array([0, 1, 1, 2]), np.array([2, 7], np.uint32))
    scores = CountedScores([Counted.from_arrays(arrays)], [queries])
    assert [scores.matches(query) for query in range(3)] == [True, False, True]


@pytest.mark.parametrize("view", ["splade", "uhd"])
def test_a_model_that_moved(tmp_path: Path, splade: Path, token: Path, view: str) -> None:
    """It is found by `model=`; another one is refused, and so is a back end that there is not."""
    moved, other = (splade, token) if view == "splade" else (token, splade)
    section: dict[str, Any] = {"model": str(moved)} | ({"level": "token"} if view == "uhd" else {})
    with Index.create(tmp_path / "a.index", _recipe(**{view: section})) as index, index.writer() as writer:
        writer.add(_documents())
    with Index.open(tmp_path / "a.index", model=str(moved)) as index:
        assert index.search("heat flow")
        if view == "uhd":
            assert index.recipe.uhd is not None
            assert (index.recipe.uhd.dimensions, index.recipe.uhd.query_winners) == (128, 3)
    with pytest.raises(EncoderMismatch):
        Index.open(tmp_path / "a.index", model=str(other))
    with pytest.raises(RecipeError if view == "splade" else MissingExtra, match=r"torch alone|openvino"):
        Index.open(tmp_path / "a.index", backend="openvino")


def test_what_a_token_level_head_does_not_take(tmp_path: Path, token: Path) -> None:
    section = {"model": str(token), "level": "token", "winners": 32}
    with pytest.raises(RecipeError, match=r"uhd.winners = 32, but with the head .* it is 6"):
        Index.create(tmp_path / "a.index", _recipe(uhd=section))


def test_the_head_of_a_folder_has_a_level_of_its_own(tmp_path: Path, splade: Path) -> None:
    """Where the recipe names none; one that says another is refused, and so is a head of another kind."""
    text = tiny_sparse_folder(tmp_path / "text", level="text", dimensions=64, winners=8)
    with Index.create(tmp_path / "a.index", _recipe(uhd={"model": str(text)})) as index:
        uhd = index.recipe.uhd
        assert uhd is not None
        assert (uhd.level, uhd.dimensions, uhd.winners, uhd.cap) == ("text", 64, 8, 0)
        assert uhd.keep_vectors
    with pytest.raises(EncoderError, match="works on whole texts"):
        Index.create(tmp_path / "b.index", _recipe(uhd={"model": str(text), "level": "token"}))
    with pytest.raises(RecipeError, match="ends in SpladePooling"):
        Index.create(tmp_path / "b.index", _recipe(uhd={"model": str(splade)}))
    assert not (tmp_path / "b.index").exists()


def test_an_encoder_without_a_head_has_its_tokens_coded(tmp_path: Path) -> None:
    """As by a folder with an untrained head: the same hits. Settings of vectors, of which it has none, are refused."""
    plain = tiny_encoder_folder(tmp_path / "plain")
    rows = _documents()
    section: dict[str, Any] = {"model": str(plain), "dimensions": 128, "winners": 6, "cap": 20}
    with Index.create(tmp_path / "a.index", _recipe(uhd=section)) as index:
        with index.writer() as writer:
            writer.add(rows)
        assert all(index.search(row.text, 1)[0].score > 0 for row in rows)
        assert index.info()["sparse"]["uhd"]["nonzeros_per_passage"] <= 20
        assert index.info()["trained"] == []
    with Index.open(tmp_path / "a.index") as index:
        assert index.recipe.uhd is not None
        assert index.recipe.uhd.level == "token"
        assert index.verify() == []
    for said in ({"pooling": "mean"}, {"normalize": False}, {"keep_vectors": True}, {"dimensions": 1 << 21}):
        with pytest.raises(RecipeError, match=r"leave it out|at most 1048576"):
            Index.create(tmp_path / "b.index", _recipe(uhd=section | said))
    assert not (tmp_path / "b.index").exists()


def test_a_saved_head_makes_the_same_index(tmp_path: Path) -> None:
    """Loaded by sentence-transformers and saved again: the index answers the same, by the codes of that library."""
    from sentence_transformers import SparseEncoder

    settings = {"dimensions": 512, "winners": 48, "query_winners": 32}
    first = tiny_sparse_folder(tmp_path / "first", **settings)
    SparseEncoder(str(first), trust_remote_code=True, device="cpu").save_pretrained(str(tmp_path / "second"))
    rows = _documents()
    query = "heat flow in the boundary layer"
    found = []
    for name in ("first", "second"):
        recipe = _recipe(uhd={"model": str(tmp_path / name), "backend": "torch", "precision": "fp32"})
        with Index.create(tmp_path / f"{name}.index", recipe, cache=False) as index:
            with index.writer() as writer:
                writer.add(rows)
            assert index.recipe.uhd is not None
            assert (index.recipe.uhd.winners, index.recipe.uhd.query_winners) == (48, 32)
            assert index.info()["trained"] == []
            found.append([(hit.doc_id, hit.score) for hit in index.search(query, k=100)])
    assert found[0] == found[1]
    codes = _weights(first, [row.text for row in rows], query=False)
    wanted = codes @ _weights(first, [query], query=True)[0]
    # An index codes vectors rounded to float16, so that a winner at the border may be another one.
    assert all(abs(score - wanted[int(doc_id[1:])]) <= 2 for doc_id, score in found[0])

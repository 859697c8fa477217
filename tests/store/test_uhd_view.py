"""UHD codes as a view of an index: what is found against counting by brute force; what is learned, merged, refused."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from store_crash import contents
from store_index import documents
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index
from retrieve.encoders.head import gaussian_steps, query_share
from retrieve.errors import EncoderError, IndexCorrupt, RecipeError, UsageError
from retrieve.store.manifest import read_manifest
from retrieve.store.trained import LearnedFiles

HIDDEN, N, M = 16, 256, 32

Vectors = npt.NDArray[np.float32]


def _recipe(*, bm25: bool = False, passages: int = 1 << 20, **uhd: Any) -> dict[str, Any]:
    views = {"uhd": {"model": "none", "hidden": HIDDEN, "dimensions": N, "winners": M, **uhd}}
    return {
        "name": "codes",
        "passages": {"unit": "words", "mode": "whole"},
        **({"bm25": {}} if bm25 else {}),
        **views,
        "segments": {"passages": passages},
    }


def _vectors(count: int, seed: int = 0) -> Vectors:
    """Off-centre, so that the mean matters; every seventh repeats the one before, so that counts tie."""
    found = np.random.default_rng(seed).standard_normal((count, HIDDEN)).astype(np.float32) + 0.7
    found[7::7] = found[6:-1:7]
    return found


def _codes(vectors: Vectors, mean: npt.NDArray[np.floating[Any]], m: int = M, seed: int = 0) -> Any:
    """0/1 codes (B,N) by sorting, of unit vectors."""
    scores = (vectors.astype(np.float64) - mean) @ gaussian_steps(N, HIDDEN, seed).T.astype(np.float64)
    codes = np.zeros(scores.shape, np.int64)
    np.put_along_axis(codes, np.argsort(-scores, axis=1, kind="stable")[:, :m], 1, axis=1)
    return codes


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / norms, dtype=np.float32)


def _rounded(vectors: Vectors) -> Vectors:
    """As the index keeps them."""
    return _unit(vectors).astype(np.float16).astype(np.float32)


def _mean(index: Index, vectors: Vectors) -> npt.NDArray[np.float32]:
    """The mean that the index learned, which must be that of these vectors but for the order of additions."""
    trained = read_manifest(index.path).trained[-1]
    assert trained.sample == len(vectors)
    mean = np.load(io.BytesIO(LearnedFiles(index.path, trained).read("mean.npy")))
    np.testing.assert_allclose(mean, _rounded(vectors).mean(axis=0, dtype=np.float64), rtol=1e-6)
    return mean


def _make(folder: Path, rows: Sequence[Document], own: Vectors, recipe: dict[str, Any]) -> Index:
    index = Index.create(folder, recipe)
    with index.writer() as writer:
        writer.add(rows, list(own))
    return index


def _ranking(rows: Sequence[Document], counts: npt.NDArray[np.int64], keep: Sequence[bool]) -> list[Any]:
    found = [
        (row.id, float(count)) for row, count, kept in zip(rows, counts, keep, strict=True) if kept and count
    ]
    return sorted(found, key=lambda item: (-item[1], item[0]))


@pytest.mark.parametrize("layout", ["fast", "small"])
@pytest.mark.parametrize("passages", [1 << 20, 1100])
def test_what_is_found_is_what_counting_finds(tmp_path: Path, layout: str, passages: int) -> None:
    """Several segments, deletions, a filter, ties, another number of winners, every k."""
    rows, own = documents(1500), _vectors(1500)
    with _make(tmp_path / "a.index", rows, own, _recipe(layout=layout, passages=passages)) as index:
        with index.writer() as writer:
            writer.delete([row.id for row in rows[::5]])
        # The first segment's passages are what the mean is of; all segments have that mean.
        mean = _mean(index, own[: min(passages, len(own))])
        coded = _codes(_rounded(own), mean)
        for query in _vectors(3, seed=9):
            for winners in (None, 8):
                counts = coded @ _codes(_unit(query[None]), mean * query_share(mean), winners or M)[0]
                alive = [number % 5 != 0 for number in range(len(rows))]
                wanted = _ranking(rows, counts, alive)
                for k in (1, 10, 5000):
                    hits = index.search(vector=query, k=k, query_winners=winners)
                    assert [(hit.doc_id, hit.score) for hit in hits] == wanted[:k]
                chosen = [
                    lives and row.metadata["number"] < 700 for row, lives in zip(rows, alive, strict=True)
                ]
                hits = index.search(vector=query, k=50, where={"number": {"lt": 700}}, query_winners=winners)
                assert [(hit.doc_id, hit.score) for hit in hits] == _ranking(rows, counts, chosen)[:50]
        assert index.info()["sparse"]["uhd"]["nonzeros_per_passage"] == M
        assert index.verify() == []


def test_few_passages_have_a_borrowed_mean_until_they_are_coded_anew(tmp_path: Path) -> None:
    rows, own = documents(1300), _vectors(1300)
    index = _make(tmp_path / "a.index", rows[:40], own[:40], _recipe())
    assert [item["sample"] for item in index.info()["trained"]] == [0]
    with index.writer() as writer:
        writer.add(rows[40:], list(own[40:]))
    assert [item["sample"] for item in index.info()["trained"]] == [0, 1300]
    query = _vectors(1, seed=5)[0]
    assert len(index.search(vector=query, k=2000)) > 1200  # both means answer
    index.merge(retrain=True)
    with _make(tmp_path / "b.index", rows, own, _recipe()) as fresh:
        found, wanted = (
            [(hit.doc_id, hit.score) for hit in each.search(vector=query, k=2000)] for each in (index, fresh)
        )
        assert found == wanted
    assert index.verify() == []
    index.close()


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("first", ["passage", "empty"])
def test_an_index_that_begins_with_one_document(tmp_path: Path, keep: bool, first: str) -> None:
    """Its own vector finds it, now and when a thousand others are there; a mean is never learned of a few."""
    rows, own = documents(1200), _vectors(1200)
    if first == "empty":
        rows[0] = Document("a", "")
    with _make(tmp_path / "a.index", rows[:1], own[:1], _recipe(keep_vectors=keep)) as index:
        for part in (slice(1, 1000), slice(1000, 1001), slice(1001, 1200)):
            with index.writer() as writer:
                writer.add(rows[part], list(own[part]))
        for number in (1 if first == "empty" else 0, 500, 1000, 1199):
            best = index.search(vector=own[number], k=3)
            assert rows[number].id in [hit.doc_id for hit in best]
            assert best[0].score > M / 2
        samples = [item["sample"] for item in index.info()["trained"]]
        assert samples in ([0], [0, 1000])
        assert index.verify() == []


def test_merging_without_vectors_copies_codes(tmp_path: Path) -> None:
    """Codes of different means stay apart, what is deleted goes, and every answer stays."""
    rows, own = documents(1300), _vectors(1300)
    recipe = _recipe(keep_vectors=False)
    with _make(tmp_path / "a.index", rows[:40], own[:40], recipe) as index:
        for part in (slice(40, 1200), slice(1200, 1300)):
            with index.writer() as writer:
                writer.add(rows[part], list(own[part]))
        with index.writer() as writer:
            writer.delete([row.id for row in rows[::3]])
        assert "vectors" not in index.info()["bytes"]
        query = _vectors(1, seed=5)[0]
        before = [(hit.doc_id, hit.score) for hit in index.search(vector=query, k=2000)]
        assert index.info()["segments"] == 3
        index.merge()
        assert (index.info()["segments"], index.info()["deleted_documents"]) == (2, 0)
        assert [(hit.doc_id, hit.score) for hit in index.search(vector=query, k=2000)] == before
        assert index.verify() == []
        with pytest.raises(RecipeError, match="keep_vectors"):
            index.merge(retrain=True)


def test_codes_and_dense_vectors_of_one_index(tmp_path: Path) -> None:
    """Codes are of the vectors that the dense view keeps, and a vector alone searches both."""
    rows, own = documents(1200), _vectors(1200)
    recipe = {**_recipe(), "dense": {"model": "none", "dimensions": HIDDEN}}
    del recipe["uhd"]["model"], recipe["uhd"]["hidden"]
    with _make(tmp_path / "a.index", rows, own, recipe) as index:
        assert index.recipe.uhd is not None
        assert (index.recipe.uhd.model, index.recipe.uhd.hidden) == ("none", HIDDEN)
        query = _vectors(1, seed=3)[0]
        hits = index.search(vector=query, k=5)
        assert set(hits[0].scores) == {"dense", "uhd"}
        mean = _mean(index, own)
        counts = _codes(_rounded(own), mean) @ _codes(_unit(query[None]), mean * query_share(mean))[0]
        places = {row.id: place for place, row in enumerate(rows)}
        assert all(hit.scores["uhd"] == counts[places[hit.doc_id]] for hit in hits)


@pytest.mark.parametrize("keep", [True, False])
def test_the_number_of_workers_changes_no_byte(tmp_path: Path, keep: bool) -> None:
    rows, own = documents(1500), _vectors(1500)
    found = []
    for workers in (1, 2):
        with Index.create(tmp_path / f"{workers}.index", _recipe(passages=300, keep_vectors=keep)) as index:
            with index.writer(workers=workers) as writer:
                writer.add(rows, list(own))
            assert index.verify() == []
            found.append(contents(index.path))
    assert found[0] == found[1]


@pytest.mark.parametrize("level", ["text", "token"])
def test_text_is_encoded_and_a_metadata_change_encodes_nothing(tmp_path: Path, level: str) -> None:
    model = str(tiny_encoder_folder(tmp_path / "encoder"))
    numbers = {"dimensions": 512, "winners": 64 if level == "text" else 8}
    recipe = {
        "name": "text",
        "bm25": {},
        "uhd": {"model": model, "level": level, "backend": "torch", "precision": "fp32"} | numbers,
    }
    rows = [
        Document("1", "the court of law and the act"),
        Document("2", "the protein of the cell"),
        Document("3", "pressure in the boundary layer of the wing"),
    ]
    with Index.create(tmp_path / "a.index", recipe, cache=False) as index:
        with index.writer() as writer:
            writer.add(rows)
        assert index.search("the protein of the cell", using="uhd")[0].doc_id == "2"
        hits = index.search("boundary layer")
        assert hits[0].doc_id == "3"
        assert set(hits[0].scores) == {"bm25", "uhd"}
        encoded = index.encodings
        with index.writer() as writer:
            writer.add([Document("2", rows[1].text, "", {"year": 1999})])
        assert index.encodings == encoded
        assert index.search("protein", where={"year": 1999})[0].doc_id == "2"
        assert index.explain("protein", "2")["views"]["uhd"]["score"] > 0


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_copied_codes_are_those_of_encoding_again(tmp_path: Path, workers: int) -> None:
    """Of token level: changed metadata among new texts and changed ones, over segments, in one commit."""
    model = str(tiny_encoder_folder(tmp_path / "encoder"))
    section = {"model": model, "precision": "fp32", "dimensions": 256, "winners": 4, "cap": 24}
    recipe = {
        "name": "t",
        "passages": {"size": 9, "boundaries": "none"},
        "uhd": section,
        "segments": {"passages": 40},
    }
    before = documents(60)
    after = [Document(row.id, row.text, "", {"seen": number % 7}) for number, row in enumerate(before)]
    after[5] = Document(before[5].id, "another text about the wing", "", {})
    after += [Document(f"new{number}", before[number].text + " and gene") for number in range(0, 60, 4)]
    queries = [row.text for row in before[:20]]
    with Index.create(tmp_path / "fresh.index", recipe, cache=False) as fresh:
        with fresh.writer() as writer:
            writer.add(after)
        expected = [fresh.search(query, 80) for query in queries]
    with Index.create(tmp_path / "a.index", recipe, cache=False) as index:
        with index.writer() as writer:
            writer.add(before)
        encoded = index.encodings[0]
        with index.writer(workers=workers) as writer:
            writer.add(after)
            # Once more, while those above wait for their segment.
            writer.add([Document(after[7].id, after[7].text, "", {"seen": 99})])
        assert index.encodings[0] - encoded < encoded / 2
        assert index.verify() == []
        found = [index.search(query, 80) for query in queries]
        assert [[(hit.doc_id, hit.score) for hit in hits] for hits in found] == [
            [(hit.doc_id, hit.score) for hit in hits] for hits in expected
        ]


def test_a_block_file_cut_short_is_noticed(tmp_path: Path) -> None:
    rows, own = documents(1100), _vectors(1100)
    with _make(tmp_path / "a.index", rows, own, _recipe()) as index:
        files = sorted(index.path.glob("segments/*/arrays"), key=lambda path: path.stat().st_size)
    data = files[-1].read_bytes()
    files[-1].write_bytes(data[: len(data) // 2])
    with pytest.raises(IndexCorrupt, match="arrays has"):
        Index.open(tmp_path / "a.index")


@pytest.mark.parametrize(
    ("uhd", "message"),
    [
        ({"winners": N + 1}, "wanted fewer"),
        ({"segments": 3}, "must divide"),
        ({"query_winners": 70_000, "dimensions": 1 << 20}, "query_winners"),
        ({"dimensions": 1 << 20, "winners": 70_000}, "65535 are counted at most"),
        ({"hidden": None}, "uhd.hidden"),
        ({"level": "token"}, "folder"),
    ],
)
def test_numbers_that_cannot_be(uhd: dict[str, Any], message: str) -> None:
    from retrieve.recipe import load_recipe

    recipe = _recipe(**uhd)
    recipe["uhd"] = {key: value for key, value in recipe["uhd"].items() if value is not None}
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe)


def test_several_encoders_are_refused() -> None:
    from retrieve.recipe import load_recipe

    recipe = {**_recipe(), "splade": {"model": "folder"}}
    with pytest.raises(RecipeError, match="an index has one"):
        load_recipe(recipe)
    recipe = {**_recipe(), "dense": {"model": "another"}}
    with pytest.raises(RecipeError, match="must be the same in both"):
        load_recipe(recipe)


@pytest.mark.parametrize("winners", [0, 5000])
def test_query_winners_that_cannot_be(tmp_path: Path, winners: int) -> None:
    with (
        _make(tmp_path / "a.index", documents(5), _vectors(5), _recipe()) as index,
        pytest.raises(UsageError, match="query_winners"),
    ):
        index.search(vector=_vectors(1)[0], query_winners=winners)


def test_a_mean_of_another_dimension_is_refused() -> None:
    from retrieve.errors import DimensionMismatch
    from retrieve.index.winners import Projection, winning

    weight = gaussian_steps(N, HIDDEN, 0)
    with pytest.raises(DimensionMismatch, match="corpus mean"):
        winning(Projection(weight, np.zeros(HIDDEN + 1, np.float32)), _vectors(2), M)
    with pytest.raises(DimensionMismatch, match="vectors have shape"):
        winning(Projection(weight, np.zeros(HIDDEN, np.float32)), _vectors(2)[:, 1:], M)


def test_merging_needs_no_model_where_nothing_is_encoded(tmp_path: Path) -> None:
    """The model is elsewhere by then; searching says so, and finds it by `model=`."""
    folder = tiny_encoder_folder(tmp_path / "encoder")
    uhd = {"model": str(folder), "backend": "torch", "precision": "fp32", "dimensions": 512, "winners": 64}
    recipe = {"name": "moved", "uhd": uhd, "segments": {"passages": 20}}
    with Index.create(tmp_path / "a.index", recipe, cache=False) as index, index.writer() as writer:
        writer.add(documents(50))
    moved = folder.rename(tmp_path / "elsewhere")
    with Index.open(tmp_path / "a.index") as index:
        with index.writer() as writer:
            writer.delete(["d0003"])
        index.merge()
        assert index.info()["segments"] == 3
        assert index.verify() == []
        with pytest.raises(EncoderError, match="no model folder"):
            index.search("law")
    with Index.open(tmp_path / "a.index", model=str(moved)) as index:
        assert index.search("law")


def test_general_texts_are_no_passages(tmp_path: Path) -> None:
    """What a mean is borrowed from is neither counted nor cached."""
    folder = tiny_encoder_folder(tmp_path / "encoder")
    section = {"model": str(folder), "level": "text", "backend": "torch", "precision": "fp32"}
    recipe = {"name": "few", "uhd": section}
    with Index.create(tmp_path / "a.index", recipe, cache=False) as index:
        with index.writer() as writer:
            writer.add(documents(5))
        assert index.encodings == (5, 0)
        assert [item["sample"] for item in index.info()["trained"]] == [0]


def test_vectors_whose_scores_are_no_numbers_are_refused() -> None:
    from retrieve.errors import BadVectors
    from retrieve.index.winners import Projection, winning

    projection = Projection(gaussian_steps(N, HIDDEN, 0), np.zeros(HIDDEN, np.float32))
    vectors = _vectors(300)
    vectors[270] = 3e38
    with pytest.raises(BadVectors, match="vector 270 "):
        winning(projection, vectors, M)


def test_few_vectors_at_a_time_have_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where n is so large that scores of many would take much memory."""
    from retrieve.index import winners

    projection = winners.Projection(gaussian_steps(N, HIDDEN, 0), np.zeros(HIDDEN, np.float32))
    wanted = winners.winning(projection, _vectors(30), M).dims
    for scores in (1, 7 * N):
        monkeypatch.setattr(winners, "_SCORES", scores)
        assert np.array_equal(winners.winning(projection, _vectors(30), M).dims, wanted)


def test_query_winners_are_ignored_where_uhd_is_not_searched(tmp_path: Path) -> None:
    recipe = {**_recipe(bm25=True), "search": {"uhd": {"query_winners": 16}}}
    with _make(tmp_path / "a.index", documents(5), _vectors(5), recipe) as index:
        plain = index.search("protein", using="bm25")
        assert index.search("protein", using="bm25", query_winners=N + 1) == plain
        with pytest.raises(UsageError, match="query_winners"):
            index.search("protein", using="bm25", query_winners=0)


def test_defaults_that_a_head_does_not_allow_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    """Its numbers are known only when the model's folder is read."""
    from tiny_models import tiny_sparse_folder

    model = tiny_sparse_folder(tmp_path / "model", dimensions=64, winners=8)
    search = {"uhd": {"query_winners": 100}}
    with pytest.raises(RecipeError, match=r"search\.uhd\.query_winners = 100"):
        Index.create(tmp_path / "a.index", {"name": "x", "uhd": {"model": str(model)}, "search": search})
    assert not (tmp_path / "a.index").exists()

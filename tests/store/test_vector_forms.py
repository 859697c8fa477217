"""Stored vectors are moved, never made again: by a merge, by a change of metadata, by a build that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_index import documents, make, own_recipe, segment_files, vectors
from store_older import to_format_one
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index
from retrieve.errors import BadVectors, DimensionMismatch, IndexCorrupt, RecipeError
from retrieve.passages.vectors import truncated_vectors

D = 70
BYTES = {
    ("float32", "int8"): 4 * D,
    ("float16", "int8"): 2 * D,
    ("int8", "int8"): D + 4,
    ("binary", "int8"): D + 4 + 16,
    ("binary", "float16"): 2 * D + 16,
}


@pytest.fixture(params=BYTES, ids="-".join)
def recipe(request: Any) -> dict[str, Any]:
    storage, rescore = request.param
    return own_recipe(10, dimensions=D, storage=storage, rescore=rescore)


def by_document(index: Index) -> dict[str, bytes]:
    """What is stored of each live document's vectors."""
    result = {}
    for segment, live in zip(index._snapshot.segments, index._snapshot.live, strict=True):
        for row in range(segment.rows) if live is None else np.flatnonzero(live):
            first, last = segment.first_passage[row : row + 2]
            result[segment.ids[int(row)]] = segment.vectors[first:last].tobytes()
    return result


def test_merging_keeps_the_bytes(tmp_path: Path, recipe: dict[str, Any]) -> None:
    with make(tmp_path / "a", recipe, documents(25), vectors(25, dimensions=D)) as index:
        with index.writer() as writer:
            writer.delete([f"d{number:04}" for number in range(0, 25, 2)])
        before = by_document(index)
        query = vectors(1, seed=1, dimensions=D)[0]
        hits = index.search(vector=query, k=25)
        index.merge()
        assert len(index._snapshot.segments) < 3
        assert by_document(index) == before
        again = index.search(vector=query, k=25)
        assert [(hit.doc_id, hit.score) for hit in again] == [(hit.doc_id, hit.score) for hit in hits]
        assert index.verify() == []


def test_a_change_of_metadata_keeps_the_bytes(tmp_path: Path, recipe: dict[str, Any]) -> None:
    """Of documents that are sealed, and of one that still waits."""
    rows, own = documents(14), vectors(14, dimensions=D)
    with make(tmp_path / "a", recipe, rows[:13], own[:13]) as index:
        before = by_document(index)
        changed = [Document(row.id, row.text, row.title, {"number": -1}) for row in rows]
        with index.writer() as writer:
            assert writer.add(rows[:13], own[:13]) == (0, 0, 13)  # their stored form is the same
            writer.add(rows[13:], own[13:])
            assert writer.add(changed) == (0, 14, 0)
        after = by_document(index)
        last = after.pop("d0013")
        assert after == before
        fresh = make(tmp_path / "b", recipe, changed[13:], own[13:])
        assert by_document(fresh) == {"d0013": last}
        with index.writer() as writer:
            assert writer.add(changed, -own) == (0, 14, 0)
        assert len(index.search(vector=own[0], k=20)) == 14


def test_own_vectors_in_every_form_are_content(tmp_path: Path, recipe: dict[str, Any]) -> None:
    """An interrupted build takes over what it sealed, where the vectors are the same, and only there."""
    rows, own = documents(25), vectors(25, dimensions=D)
    whole = segment_files(make(tmp_path / "whole", recipe, rows, own).path)
    for given in (own, own[::-1]):
        index = Index.create(tmp_path / f"part{given is own}", recipe)
        with pytest.raises(KeyError), index.writer() as writer:
            writer.add(rows, own)
            raise KeyError
        with index.writer() as writer:
            writer.add(rows, given)
        assert (segment_files(index.path) == whole) == (given is own)
        assert index.verify() == []


def test_info_counts_every_byte_of_a_passage(tmp_path: Path, recipe: dict[str, Any]) -> None:
    with make(tmp_path / "a", recipe, documents(7), vectors(7, dimensions=D)) as index:
        wanted = BYTES[recipe["dense"]["storage"], recipe["dense"]["rescore"]]
        assert index.info()["bytes"]["dense"] == 7 * wanted
        assert index.info()["bytes_per_passage"]["dense"] == pytest.approx(wanted)


def test_segments_without_passages(tmp_path: Path, recipe: dict[str, Any]) -> None:
    empty = [Document(f"e{number}", "") for number in range(12)]
    with make(tmp_path / "a", recipe, empty) as index:
        with index.writer() as writer:
            writer.add(documents(2), vectors(2, dimensions=D))
        assert len(index.search(vector=vectors(1, dimensions=D)[0])) == 2
        index.merge()
        assert len(index.search(vector=vectors(1, dimensions=D)[0])) == 2
        assert index.verify() == []


def test_scales_that_are_gone_are_noticed(tmp_path: Path) -> None:
    index = make(
        tmp_path / "a", own_recipe(dimensions=D, storage="int8"), documents(3), vectors(3, dimensions=D)
    )
    index.close()
    to_format_one(index.path)
    next(index.path.glob("segments/*/dense/scales.npy")).unlink()
    with pytest.raises(IndexCorrupt, match=r"scales\.npy cannot be read"):
        Index.open(index.path)


def test_a_graph_over_int8_vectors(tmp_path: Path) -> None:
    """The FAISS index keeps one byte a dimension, and so do the vectors that give the scores."""
    pytest.importorskip("faiss")
    recipe = own_recipe(1100, bm25=False, dimensions=D, factory="HNSW32_SQ8", storage="int8")
    own = vectors(1100, dimensions=D)
    with make(tmp_path / "a", recipe, documents(1100), own) as index:
        assert index.info()["trained"]
        stored = index._snapshot.segments[0].vectors
        assert stored.numbers.dtype == np.int8
        found = 0
        for query in vectors(10, seed=2, dimensions=D):
            unit = query / np.linalg.norm(query)
            scores = stored.scores(unit[None])[0]
            hits = index.search(vector=query, k=10, depth=20)
            truth = {f"d{row:04}": scores[row] for row in np.argsort(-scores)[:10]}
            found += len(truth.keys() & {hit.doc_id for hit in hits})
            for hit in hits:
                assert hit.score == pytest.approx(scores[int(hit.doc_id[1:])], abs=1e-6)
        assert found >= 90
        index.merge(retrain=True)
        assert index.verify() == []


# -- fewer dimensions -----------------------------------------------------------------------------------------


def test_the_first_dimensions_are_kept(tmp_path: Path) -> None:
    folder = tiny_encoder_folder(tmp_path / "model")
    dense = {"model": str(folder), "backend": "torch", "precision": "fp32"}
    rows = documents(9)
    whole = make(tmp_path / "whole", {"name": "whole", "dense": dense}, rows)
    with make(tmp_path / "cut", {"name": "cut", "dense": dense | {"dimensions": 12}}, rows) as index:
        full = whole._snapshot.segments[0].vectors.take()[:, :12]
        expected = (full / np.linalg.norm(full.astype(np.float64), axis=1, keepdims=True)).astype(np.float16)
        stored = index._snapshot.segments[0].vectors
        assert stored.dimensions == index.info()["encoder"]["dimensions"] == 12
        assert stored.numbers.dtype == np.float16
        np.testing.assert_array_equal(stored.numbers, expected)
        query = (
            whole._passage_encoder.models.documents.encode_queries(["court of law"])
            .vectors[0, :12]
            .astype(np.float64)
        )
        scores = expected.astype(np.float64) @ (query / np.linalg.norm(query))
        hits = index.search("court of law", k=9)
        assert [hit.score for hit in hits] == pytest.approx(sorted(scores, reverse=True), abs=1e-6)
        assert len(index.search(vector=stored.take()[0], k=9)) == 9
        with pytest.raises(DimensionMismatch):
            index.search(vector=np.ones(32))
        with index.writer() as writer:
            assert writer.add([Document("own", "court")], np.ones((1, 12))) == (1, 0, 0)
        index.merge()
        assert index.verify() == []
    with pytest.raises(RecipeError, match=r"dense\.dimensions = 40, but .* gives 32"):
        Index.create(tmp_path / "more", {"name": "more", "dense": dense | {"dimensions": 40}})


def test_kept_dimensions() -> None:
    given = vectors(6, dimensions=8).astype(np.float16)
    assert truncated_vectors(given, None, normalize=True) is given
    assert truncated_vectors(given, 8, normalize=True) is given
    raw = truncated_vectors(given, 3, normalize=False)
    np.testing.assert_array_equal(raw, given[:, :3])
    unit = truncated_vectors(given.astype(np.float32), 3, normalize=True)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    with pytest.raises(RecipeError, match=r"dense\.dimensions = 9, but the encoder gives 8"):
        truncated_vectors(given, 9, normalize=True)
    with pytest.raises(BadVectors, match="the first 2 dimensions: a vector is zero"):
        truncated_vectors(np.array([[0, 0, 1]], np.float16), 2, normalize=True)

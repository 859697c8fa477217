"""Another encoder for an index: nothing but the vectors changes, or nothing at all."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_index import damage_array
from tiny_models import tiny_bare_folder, tiny_encoder_folder, tiny_sparse_folder
from toy_index import corpus, make_index, toy_recipe

from retrieve import Index
from retrieve.encoders.load import load_encoder
from retrieve.errors import EncoderError, EncoderMismatch, IndexCorrupt, IndexLocked, RecipeError, UsageError
from retrieve.store import reencode as module
from retrieve.store.manifest import read_manifest
from retrieve.types import Document

DOCUMENTS = corpus(40, seed=1)[0]
TOKENS = {"unit": "tokens", "size": 20}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two encoders with one vocabulary, one of shorter texts, one of other dimensions, a sparse pair."""
    place = tmp_path_factory.mktemp("models")
    return {
        "old": str(tiny_encoder_folder(place / "old", seed=1)),
        "new": str(tiny_encoder_folder(place / "new", seed=2)),
        "short": str(tiny_encoder_folder(place / "short", seed=2, limit=12)),
        "wide": str(tiny_encoder_folder(place / "wide", seed=3, dimensions=64)),
        "bare": str(tiny_bare_folder(place / "bare", seed=4)),
        "sparse": str(tiny_sparse_folder(place / "sparse", seed=1)),
        "sparser": str(tiny_sparse_folder(place / "sparser", seed=2)),
    }


def recipe(model: str, passages: Mapping[str, Any] = TOKENS, **dense: Any) -> dict[str, Any]:
    return toy_recipe() | {
        "passages": dict(passages),
        "dense": {"model": model, "backend": "torch", **dense},
        "filters": {"fields": ["kind"]},
    }


def answers(index: Index, **options: Any) -> list[Any]:
    return [
        [(hit.doc_id, hit.score, hit.passages) for hit in index.search(text, 20, **options)]
        for text in ("wing heat", "court act", "blood")
    ]


def untouched(index: Index) -> list[dict[str, Any]]:
    """What no encoder had a part in, segment by segment."""
    made = ("dense/", "vectors/", "uhd/", "splade/", "units")
    return [
        {
            name: (segment.folder / name).read_bytes() if values is None else values.tobytes()
            for name in segment.names
            if not name.startswith(made)
            for values in [segment.array(name)]
        }
        for segment in index._snapshot.segments
    ]


def test_it_is_the_index_that_the_new_encoder_would_have_built(
    tmp_path: Path, models: dict[str, str]
) -> None:
    for name in ("old", "new"):
        make_index(tmp_path / name, DOCUMENTS, None, recipe(models[name]), commits=3).close()
    with Index.open(tmp_path / "old") as index, Index.open(tmp_path / "new") as built:
        before, lexical, layout = untouched(index), answers(index, using="bm25"), index.layout
        index.reencode(models["new"])
        assert untouched(index) == before
        assert answers(index, using="bm25") == lexical
        assert index.layout == layout
        own, wanted = read_manifest(index.path), read_manifest(built.path)
        assert own.model_copy(update={"generation": 0}) == wanted.model_copy(update={"generation": 0})
        assert answers(index) == answers(built)
        assert index.fingerprint == built.fingerprint
        assert index.verify() == []


def test_keys_hold_and_deleted_rows_stay_deleted(tmp_path: Path, models: dict[str, str]) -> None:
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"]), commits=3) as index:
        index.delete(["4", "5", "39"])
        ranking = index.rank_passages(["wing heat"], 15, fusion="sum")
        texts, ids, lexical = index.passages_at(ranking), list(index.ids()), answers(index, using="bm25")
        index.reencode(models["wide"])
        assert index.passages_at(ranking) == texts
        assert list(index.ids()) == ids and answers(index, using="bm25") == lexical
        again = index.score_passages(["wing heat"], ranking)
        assert np.array_equal(again["bm25"], ranking.by_view["bm25"])
        assert not np.allclose(again["dense"], ranking.by_view["dense"])
        encoder = load_encoder(models["wide"], backend="torch")
        stored = np.stack([index.vectors([item.doc_id]).of(0)[item.position] for item in texts if item])
        fed = encoder.encode_documents([item.text for item in texts if item]).vectors
        assert stored == pytest.approx(fed.astype(np.float32), abs=2e-3)
        assert index.info()["encoder"]["dimensions"] == 64


def test_the_recipe_follows_the_encoder(tmp_path: Path, models: dict[str, str]) -> None:
    encoder = load_encoder(
        models["new"], query_prompt="query ", document_prompt="", limit=40, backend="torch"
    )
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"], normalize=True)) as index:
        index.reencode(encoder)
        dense = index.recipe.dense
        assert dense is not None
        assert (dense.model, dense.limit, dense.query_prompt, dense.document_prompt) == (
            models["new"],
            40,
            "query ",
            "",
        )
        assert index.recipe.digest == read_manifest(index.path).recipe_digest
        expected = answers(index)
        with Index.open(index.path) as reader, pickle.loads(pickle.dumps(index)) as copy:
            assert answers(reader) == answers(copy) == expected
        with Index.open(index.path, backend="torch", precision="bf16") as other:
            other.reencode(encoder)  # what was asked of the model from before does not hold for it
            with pickle.loads(pickle.dumps(other)) as copy:
                assert answers(other) == answers(copy) == expected
        index.refresh()
        index.add([Document("new", "wing heat flow")])
        assert "new" in [hit.doc_id for hit in index.search("wing heat flow", using="dense")]


def test_a_plain_model_says_its_pooling_through_its_encoder(tmp_path: Path, models: dict[str, str]) -> None:
    with make_index(tmp_path / "i", DOCUMENTS[:8], None, recipe(models["old"])) as index:
        with pytest.raises(EncoderError, match="set pooling"):
            index.reencode(models["bare"])
        index.reencode(load_encoder(models["bare"], pooling="cls", backend="torch"))
        expected = answers(index)
        with Index.open(index.path) as reader:
            assert answers(reader) == expected
        index.reencode(models["new"])
        assert index.recipe.dense is not None and index.recipe.dense.pooling is None


@pytest.mark.parametrize("passages", [TOKENS, {"unit": "tokens"}], ids=["size", "limit"])
def test_an_encoder_that_cuts_otherwise_is_refused(
    tmp_path: Path, models: dict[str, str], passages: Mapping[str, Any]
) -> None:
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"], passages)) as index:
        before, expected = read_manifest(index.path), answers(index)
        with pytest.raises((EncoderMismatch, RecipeError), match=r"cuts otherwise|lower passages\.size"):
            index.reencode(models["short"])
        assert read_manifest(index.path) == before and answers(index) == expected
        assert index.verify() == []


def test_one_document_that_is_cut_otherwise_is_enough(tmp_path: Path, models: dict[str, str]) -> None:
    """Deleted, it is in nobody's way."""
    short = [Document(str(number), "wing heat") for number in range(5)]
    with make_index(tmp_path / "i", short, None, recipe(models["old"], {"unit": "tokens"})) as index:
        index.add([Document("long", "wing " * 30)])
        with pytest.raises(EncoderMismatch, match=r"document 'long' has 1 passages, with .* it would have"):
            index.reencode(models["short"])
        index.delete(["long"])
        index.reencode(models["short"])
        assert len(index.search("heat", using="dense")) == 5


def test_whole_documents_and_words_are_cut_by_no_encoder(tmp_path: Path, models: dict[str, str]) -> None:
    for number, passages in enumerate(({"mode": "whole"}, {"unit": "words", "size": 5})):
        with make_index(tmp_path / str(number), DOCUMENTS, None, recipe(models["old"], passages)) as index:
            index.reencode(models["short"])
            with make_index(
                tmp_path / f"{number}new", DOCUMENTS, None, recipe(models["short"], passages)
            ) as built:
                assert [entry.totals for entry in read_manifest(index.path).segments] == [
                    entry.totals for entry in read_manifest(built.path).segments
                ]
                assert answers(index) == answers(built)


def test_what_is_learned_is_learned_anew(tmp_path: Path, models: dict[str, str]) -> None:
    documents = corpus(600, seed=2)[0]
    own = recipe(models["old"], {"unit": "words", "size": 6, "boundaries": "none"}, factory="IVF8,Flat")
    own["uhd"] = {"dimensions": 64, "winners": 8, "segments": 8}
    with make_index(tmp_path / "i", documents, None, own, commits=3) as index:
        index.delete([str(number) for number in range(0, 600, 7)])
        *_, before = read_manifest(index.path).trained
        index.reencode(models["wide"])
        after = read_manifest(index.path)
        (learned,) = after.trained
        assert learned.digest != before.digest and learned.sample > 1000
        assert {entry.trained for entry in after.segments} == {learned.digest}
        assert not (index.path / "trained" / before.digest).exists()
        hits = index.search("wing heat", 10, using="dense", nprobe=8)
        exact = index.rank_passages(["wing heat"], 3000, using="dense", depth=3000, nprobe=8)
        best = {item.doc_id for item in index.passages_at(exact)[:10] if item is not None}
        assert {hit.doc_id for hit in hits} >= {hits[0].doc_id} and hits[0].doc_id in best
        assert index.search("wing heat", using="uhd")
        assert index.verify() == []


def test_a_sparse_encoder(tmp_path: Path, models: dict[str, str]) -> None:
    own = {"name": "s", "passages": TOKENS, "bm25": {}, "splade": {"model": models["sparse"]}}
    with make_index(tmp_path / "i", DOCUMENTS, None, own, commits=2) as index:
        layout = index.layout
        index.reencode(models["sparser"])
        other = own | {"splade": {"model": models["sparser"]}}
        with make_index(tmp_path / "new", DOCUMENTS, None, other, commits=2) as built:
            assert answers(index) == answers(built)
            assert read_manifest(index.path).segments == read_manifest(built.path).segments
            assert index.layout == layout == built.layout
        with pytest.raises(RecipeError, match="sparse weights"):
            index.reencode(load_encoder(models["new"], backend="torch"))


def test_readers_keep_theirs_and_move_when_they_ask(tmp_path: Path, models: dict[str, str]) -> None:
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"]), commits=2) as index:
        expected = answers(index)
        old = load_encoder(models["old"], backend="torch")
        readers = [Index.open(index.path), Index.open(index.path, encoder=old)]
        writer = Index.open(index.path, model=models["old"])
        index.reencode(models["new"])
        for reader in readers:
            assert answers(reader) == expected
            assert reader.refresh()
            assert answers(reader) == answers(index)
            reader.close()
        writer.add([Document("late", "court gene wing")])
        index.refresh()
        vector = load_encoder(models["new"], backend="torch").encode_documents(["court gene wing"]).vectors
        assert index.vectors(["late"]).vectors == pytest.approx(vector.astype(np.float32), abs=2e-3)
        writer.merge()
        writer.close()


def test_a_merge_by_whoever_has_not_seen_it_is_refused(tmp_path: Path, models: dict[str, str]) -> None:
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"]), commits=2) as index:
        stale = index._passage_encoder
        index.reencode(models["new"])
        with pytest.raises(EncoderMismatch, match="encoded anew since: refresh"):
            module_merge(index.path, stale)


def module_merge(folder: Path, stale: Any) -> None:
    from retrieve.store.merge import merge

    merge(folder, stale)


@pytest.mark.parametrize("step", ["seal_segment", "commit", "_begin", "_keys"])
def test_an_interruption_changes_nothing(
    tmp_path: Path, models: dict[str, str], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"]), commits=3) as index:
        before, expected = read_manifest(index.path), answers(index)
        real: Callable[..., Any] = getattr(module, step)
        calls = iter(range(100))

        def interrupted(*arguments: Any, **named: Any) -> Any:
            if next(calls) == (step != "commit"):
                raise KeyboardInterrupt
            return real(*arguments, **named)

        monkeypatch.setattr(module, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.reencode(models["new"])
        monkeypatch.undo()
        assert read_manifest(index.path) == before
        assert {path.name for path in (index.path / "segments").iterdir()} == {
            entry.id for entry in before.segments
        }
        assert answers(index) == expected and index.verify() == []
        index.reencode(models["new"])
        assert index.verify() == []


def test_storage_without_links_gets_copies(
    tmp_path: Path, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"])) as index:
        before = untouched(index)
        index.reencode(models["new"])
        assert untouched(index) == before and index.verify() == []


def test_damage_is_not_sealed_again(tmp_path: Path, models: dict[str, str]) -> None:
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"])) as index:
        damage_array(index, "bm25/tfs")
    with Index.open(tmp_path / "i") as index, pytest.raises(IndexCorrupt, match="checksum in bm25/tfs"):
        index.reencode(models["new"])


def test_what_cannot_be_encoded_anew_is_refused(tmp_path: Path, models: dict[str, str]) -> None:
    documents, vectors = corpus(5, seed=1)
    for name, given, own in (
        ("own", vectors, toy_recipe()),
        ("bm25", None, toy_recipe(views=("bm25",))),
    ):
        with (
            make_index(tmp_path / name, documents, given, own) as index,
            pytest.raises(RecipeError, match="no encoder that another could take the place of"),
        ):
            index.reencode(models["new"])
    with make_index(tmp_path / "i", DOCUMENTS, None, recipe(models["old"], factory="PQ32x4")) as index:
        with pytest.raises(RecipeError, match="PQ32"):
            index.reencode(str(tiny_encoder_folder(tmp_path / "odd", dimensions=24)))
        with index.writer(), pytest.raises(IndexLocked):
            index.reencode(models["new"])
        wrong: Any
        for wrong, error, words in (
            ("none", RecipeError, "vectors of your own"),
            (None, UsageError, "given as NoneType"),
            (7, UsageError, "given as int"),
        ):
            with pytest.raises(error, match=words):
                index.reencode(wrong)
        assert index.generation == 1
    with pytest.raises(UsageError, match="closed"):
        index.reencode(models["new"])

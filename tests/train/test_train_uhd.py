"""Whole trainings on a toy collection: refused, kept, interrupted and gone on with, and what is told apart before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_collection import toy_collection

from retrieve.corpora.dataset import Dataset, read_judged
from retrieve.encoders.folder import read_encoder_folder
from retrieve.encoders.head import gaussian, load_head
from retrieve.encoders.load import load_encoder
from retrieve.errors import InputError, MissingExtra, TrainingError, UsageError
from retrieve.train import fit as fitting
from retrieve.train import uhd
from retrieve.train.folds import make_folds
from retrieve.train.settings import Settings
from retrieve.train.training_data import Material, gather

SMALL = Settings(dimensions=128, winners=8, batch=16, folds=2, lr=1e-2, loss="distill")


def planted(data: Dataset, *_: Any, **__: Any) -> Material:
    """Query and document agree in the first 6 of 32 numbers and are noise in all others: what helps
    a held-out query is to look at the first, which any pairs teach."""
    rng = np.random.default_rng(0)
    ids = sorted(document.id for document in data.corpus)
    signal = rng.normal(size=(len(ids), 6))

    def texts(rows: list[int]) -> Any:
        vectors = np.concatenate([signal[rows], 0.8 * rng.normal(size=(len(rows), 26))], axis=1)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    crops = list(range(len(ids))) * 8
    queries = sorted(data.qrels)
    asked = [ids.index(min(data.qrels[query])) for query in queries]
    vectors = np.concatenate([texts(list(range(len(ids)))), texts(crops), texts(asked)])
    first = len(ids) + len(crops)
    pairs = np.array([(len(ids) + number, row) for number, row in enumerate(crops)])
    rows = {query: first + number for number, query in enumerate(queries)}
    return Material(data.name, ids, rows, pairs, data.qrels, ["text"] * len(vectors), vectors)


def test_a_head_that_is_better_is_kept(
    tiny_encoder: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SparseEncoder

    monkeypatch.setattr(uhd, "gather", planted)
    settings = Settings(dimensions=128, winners=8, batch=30, folds=2, lr=3e-2, epochs=8, loss="infonce")
    many = tmp_path / "many"
    many.mkdir()
    report = uhd.train_uhd(
        toy_collection(many, queries=240), tmp_path / "head", settings, model=str(tiny_encoder)
    )
    assert report["kept"]
    assert report["inductive"]["lower"] > 0
    assert report["inductive"]["queries"] == 240
    assert json.loads((tmp_path / "head" / "gate.json").read_text()) == report
    assert {path.name for path in tmp_path.iterdir()} - {"cache", "many"} == {"head"}
    model = SparseEncoder(str(tmp_path / "head"), trust_remote_code=True, local_files_only=True)
    assert [type(module).__name__ for module in model] == [
        "Transformer",
        "Pooling",
        "Normalize",
        "WinnerTakeAll",
    ]
    codes = model.encode_query(["the law of the court"], convert_to_sparse_tensor=False)
    assert codes.sum().item() == 8
    module = read_encoder_folder(tmp_path / "head", None).winners
    assert module is not None
    head = load_head(module)
    assert not np.allclose(head.weight, gaussian(128, 32, 0), atol=1e-3)
    assert head.query_mean is not None
    assert not np.allclose(head.query_mean, head.mean, atol=1e-3)


def test_trainings_of_a_fold_never_see_its_documents(
    collection: Path, tiny_encoder: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inductive: in no pair at all. Transductive: as crops, and in no judged pair."""
    seen: dict[str, dict[str, Any]] = {}

    def watched(student: Any, pairs: Any, losses: Any, settings: Any, folder: Path, **_: Any) -> list[Any]:
        seen[folder.name] = dict(pairs)
        return []

    monkeypatch.setattr(fitting, "fit", watched)
    settings = Settings(dimensions=128, winners=8, folds=3, loss="both")
    uhd.train_uhd(collection, tmp_path / "head", settings, model=str(tiny_encoder))
    material = gather(read_judged(collection), load_encoder(str(tiny_encoder)), crops=True, seed=0)
    # Six for the gate; whether there is a seventh, on everything, is the gate's to say.
    assert len([name for name in seen if "fold" in name]) == 6
    for number, fold in enumerate(make_folds(material.qrels, 3, seed=0), 1):
        held = {material.doc_ids.index(doc) for doc in fold.documents}
        of_held = {int(crop) for crop, row in material.crops if row in held}
        asked = {material.query_rows[query] for query in fold.queries}
        inductive, transductive = (
            {name: set(pairs.ravel().tolist()) for name, pairs in seen[f"{view}-fold-{number}-of-3"].items()}
            for view in ("inductive", "transductive")
        )
        assert held
        for rows in (*inductive.values(), transductive["judged"]):
            assert not rows & (held | of_held | asked)
        assert held | of_held <= transductive["crops"]


@pytest.mark.parametrize("level", ["text", "token"])
def test_a_head_that_is_not_better_is_refused(
    collection: Path, tiny_encoder: Path, tmp_path: Path, own_cache: Path, level: Any
) -> None:
    settings = Settings(
        dimensions=128,
        winners=4,
        level=level,
        cap=24 if level == "token" else None,
        batch=64,
        folds=2,
        lr=1e-6,
    )
    report = uhd.train_uhd(collection, tmp_path / "head", settings, model=str(tiny_encoder))
    assert not report["kept"]
    assert report["inductive"]["lower"] <= 0
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == set()


def test_resumed_weights_are_those_of_an_uninterrupted_training(
    collection: Path, tiny_encoder: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the fourth fold between two checkpoints: the three folds' figures and the checkpoint are used again."""
    monkeypatch.setattr(fitting, "CHECKPOINT", 3)
    monkeypatch.setattr(uhd, "passes", lambda gain, *, allow_not_worse: True)
    settings = Settings(dimensions=128, winners=8, batch=60, folds=2, lr=1e-2, loss="both", epochs=2)
    whole = uhd.train_uhd(collection, tmp_path / "whole", settings, model=str(tiny_encoder))

    def dies(stage: str, done: int, total: int | None) -> None:
        if "transductive fold 2" in stage and done == 8:
            raise KeyboardInterrupt

    stages: list[tuple[str, int]] = []
    with pytest.raises(KeyboardInterrupt):
        uhd.train_uhd(collection, tmp_path / "cut", settings, model=str(tiny_encoder), progress=dies)
    assert not (tmp_path / "cut").exists()
    with pytest.raises(TrainingError, match="--resume"):
        uhd.train_uhd(collection, tmp_path / "cut", settings, model=str(tiny_encoder))
    with pytest.raises(TrainingError, match="another training"):
        uhd.train_uhd(collection, tmp_path / "cut", SMALL, model=str(tiny_encoder), resume=True)
    again = uhd.train_uhd(
        collection,
        tmp_path / "cut",
        settings,
        model=str(tiny_encoder),
        resume=True,
        progress=lambda stage, done, total: stages.append((stage, done)),
    )
    steps = [stage for stage in stages if stage[0].startswith("training")]
    assert steps[0] == ("training: transductive fold 2 of 2", 7)
    assert again == whole
    found, wanted = (
        load_file(tmp_path / name / "3_WinnerTakeAll" / "model.safetensors") for name in ("cut", "whole")
    )
    assert found.keys() == wanted.keys() == {"weight", "mean", "query_mean"}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_no_text_of_a_held_out_document_is_in_a_pair(
    collection: Path, tiny_encoder: Path, own_cache: Path
) -> None:
    material = gather(read_judged(collection), load_encoder(str(tiny_encoder)), crops=True, seed=0)
    hidden = {"d00", "d07", "d13"}
    kept = material.crop_pairs(hidden)
    assert len(kept) == len(material.crops) - 3 * 4  # a title and three sentences each
    assert not {material.doc_ids[row] for row in kept[:, 1]} & hidden
    for crop, row in material.crops:
        assert material.texts[crop].rstrip(".") in material.texts[row]
    pairs = material.judged_pairs(["q00", "q03"])
    assert [(material.texts[query], material.doc_ids[row]) for query, row in pairs] == [
        (material.texts[material.query_rows["q00"]], "d00"),
        (material.texts[material.query_rows["q00"]], "d01"),
        (material.texts[material.query_rows["q03"]], "d03"),
    ]
    encoded = load_encoder(str(tiny_encoder)).encode_documents([material.texts[row] for row in pairs[:, 1]])
    assert np.allclose(material.vectors[pairs[:, 1]], encoded.vectors, atol=1e-3)


def test_what_cannot_be_trained_is_said_at_once(
    collection: Path, tiny_encoder: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(TrainingError, match="is there"):
        uhd.train_uhd(collection, tmp_path / "there", SMALL)
    with pytest.raises(InputError, match="61 folds"):
        uhd.train_uhd(
            collection,
            tmp_path / "head",
            Settings(dimensions=128, winners=8, folds=61),
            model=str(tiny_encoder),
        )
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("corpus.jsonl", "queries.jsonl"):
        (bare / name).write_bytes((collection / name).read_bytes())
    with pytest.raises(InputError, match="no split"):
        uhd.train_uhd(bare, tmp_path / "other", SMALL, model=str(tiny_encoder))
    (bare / "qrels").mkdir()
    (bare / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq00\tnowhere\t1\n")
    with pytest.raises(TrainingError, match="none of 1 judged queries has a relevant document"):
        uhd.train_uhd(bare, tmp_path / "third", SMALL, model=str(tiny_encoder))
    monkeypatch.setattr(uhd, "NEEDED", {"no_such_package": "train"})
    with pytest.raises(MissingExtra, match=r"\[train\]"):
        uhd.train_uhd(collection, tmp_path / "fourth", SMALL)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"winners": 9000}, "winners"),
        ({"lr": 0.0}, "lr"),
        ({"lr": float("nan")}, "lr"),
        ({"batch": 1}, "batch"),
        ({"epochs": 0}, "epochs"),
        ({"folds": 1}, "folds"),
        ({"loss": "other"}, "infonce, distill, both"),
        ({"balance": -1.0}, "balance"),
        ({"cap": 100}, "token"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Settings(**wrong)

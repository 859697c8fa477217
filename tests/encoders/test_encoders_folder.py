"""A model folder is a stranger's data: everything that could run code, or go wrong without a word, is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_bare_folder, tiny_encoder_folder, write_json

from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.load import load_encoder
from retrieve.errors import EncoderError


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("good") / "model")


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(good, tmp_path / "model"))


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def add_module(folder: Path, kind: str, path: str = "9_Extra") -> None:
    entry = {"idx": 9, "name": "9", "path": path, "type": kind}
    change(folder / "modules.json", lambda modules: modules.append(entry))
    (folder / "9_Extra").mkdir(exist_ok=True)


def code(folder: Path) -> None:
    (folder / "1_Pooling" / "modeling.py").write_text("raise SystemExit('ran')")


def auto_map(folder: Path) -> None:
    change(folder / "config.json", lambda config: config.update(auto_map={"AutoModel": "modeling.Evil"}))


def tokenizer_code(folder: Path) -> None:
    nested = {"tokenizer_args": {"trust_remote_code": True}}
    change(folder / "tokenizer_config.json", lambda config: config.update(nested))


def foreign_module(folder: Path) -> None:
    add_module(folder, "os.path.Transformer")


def lookalike_package(folder: Path) -> None:
    add_module(folder, "sentence_transformers_evil.models.Normalize")


def unlisted_module(folder: Path) -> None:
    add_module(folder, "sentence_transformers.models.WordEmbeddings")


def escaping_module(folder: Path) -> None:
    add_module(folder, "sentence_transformers.models.Normalize", "../elsewhere")


def odd_activation(folder: Path) -> None:
    add_module(folder, "sentence_transformers.models.Dense")
    (folder / "9_Extra" / "model.safetensors").touch()
    write_json(folder / "9_Extra" / "config.json", {"activation_function": "os.system"})


def dense_pickle(folder: Path) -> None:
    add_module(folder, "sentence_transformers.models.Dense")
    (folder / "9_Extra" / "pytorch_model.bin").touch()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def lost_shard(folder: Path) -> None:
    no_weights(folder)
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a": "model-1-of-1.safetensors"}})


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").unlink()


def cut_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-50])


def adapter(folder: Path) -> None:
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "someone/else"})


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_pooling(folder: Path) -> None:
    change(folder / "modules.json", lambda modules: modules.pop(1))


def query_expansion(folder: Path) -> None:
    change(folder / "sentence_bert_config.json", lambda settings: settings.update(query_length=32))


def only_images(folder: Path) -> None:
    settings = {"modality_config": {"image": {}}}
    change(folder / "sentence_bert_config.json", lambda config: config.update(settings))


def empty_modules(folder: Path) -> None:
    write_json(folder / "modules.json", [])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (code, "holds code"),
        (auto_map, "auto_map"),
        (tokenizer_code, "trust_remote_code"),
        (foreign_module, "os.path.Transformer"),
        (lookalike_package, "sentence_transformers_evil"),
        (unlisted_module, "WordEmbeddings"),
        (escaping_module, "leaves the folder"),
        (odd_activation, "os.system"),
        (dense_pickle, "pickle"),
        (pickled, "safe_serialization"),
        (no_weights, "no model.safetensors"),
        (lost_shard, "model-1-of-1"),
        (no_tokenizer, "no tokenizer"),
        (cut_tokenizer, "cannot be read as JSON"),
        (adapter, "merge it"),
        (no_config, "no config.json"),
        (no_pooling, "0 Pooling modules"),
        (query_expansion, "query_length"),
        (only_images, "plain text"),
        (empty_modules, "list of modules"),
    ],
)
def test_a_damaged_or_unsafe_folder_is_refused_on_loading(
    folder: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(folder)
    with pytest.raises(EncoderError, match=words):
        load_encoder(str(folder))


def rewrite_weights(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Encoder:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return load_encoder(str(folder))


def test_weights_that_a_checkpoint_lacks_are_not_made_up(folder: Path) -> None:
    encoder = rewrite_weights(folder, lambda weights: weights.pop("encoder.layer.1.output.dense.weight"))
    with pytest.raises(EncoderError, match=r"lack 1 tensors, such as encoder\.layer\.1"):
        encoder.encode_queries(["text"])


def test_the_unused_pooler_may_be_absent(folder: Path) -> None:
    def drop(weights: dict[str, Any]) -> None:
        for name in [name for name in weights if name.startswith("pooler.")]:
            del weights[name]

    before = load_encoder(str(folder)).encode_queries(["the law"]).vectors
    after = rewrite_weights(folder, drop).encode_queries(["the law"]).vectors
    assert (before == after).all()


def test_nan_in_the_weights_is_an_error_and_names_the_tensor(folder: Path) -> None:
    def poison(weights: dict[str, Any]) -> None:
        weights["encoder.layer.0.output.dense.bias"][3] = float("nan")

    with pytest.raises(EncoderError, match=r"encoder\.layer\.0\.output\.dense\.bias holds NaN"):
        rewrite_weights(folder, poison).encode_queries(["text"])


def test_weights_of_another_shape_are_an_error(folder: Path) -> None:
    change(folder / "config.json", lambda config: config.update(intermediate_size=48))
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(str(folder)).encode_queries(["text"])


def test_a_bare_folder_needs_a_pooling(tmp_path: Path) -> None:
    folder = str(tiny_bare_folder(tmp_path / "bare"))
    with pytest.raises(EncoderError, match="set pooling to cls, mean, max, last"):
        load_encoder(folder)
    with pytest.raises(EncoderError, match="'median', wanted one of"):
        load_encoder(folder, pooling="median")  # type: ignore[arg-type]


def test_a_pooling_that_contradicts_the_folder_is_an_error(good: Path) -> None:
    assert load_encoder(str(good), pooling="mean").limit == 64
    with pytest.raises(EncoderError, match="pools by mean, asked for cls"):
        load_encoder(str(good), pooling="cls")


def test_a_folder_of_encoders_names_them(tmp_path: Path, good: Path) -> None:
    """As a VOD model's, whose retriever is in `questions`."""
    shutil.copytree(good, tmp_path / "model" / "questions")
    with pytest.raises(EncoderError, match="holds the encoder folders questions: give one of them"):
        load_encoder(str(tmp_path / "model"))

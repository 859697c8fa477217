"""Every family of encoders gives the vectors that sentence-transformers gives, alone or in a batch, and can be indexed.

Families differ in how they number positions, mask padding and frame a text; none of that is ours to know, so all of
them go through the same tests on every back end that is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_families import FAMILIES, LIMIT, tiny_family
from tiny_models import WORDS, write_json

from retrieve import Index
from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.folder import POOLINGS
from retrieve.encoders.load import load_encoder
from retrieve.errors import EncoderError

pytestmark = pytest.mark.usefixtures("real_machine")

BACKENDS = ["torch"] + ["openvino"] * (importlib.util.find_spec("openvino") is not None)
UNCONVERTIBLE = {"longformer"}
"""Families that OpenVINO refuses: the number of Longformer's windows is fixed when its graph is traced."""

Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("families")

    def folder(name: str) -> Path:
        return root / name if (root / name).exists() else tiny_family(name, root / name)

    return folder


def texts() -> list[str]:
    random = np.random.default_rng(3)
    words = [" ".join(random.choice(WORDS, length)) for length in (1, 2, 5, 8, 13, 21, 34, 55)]
    return [*words, "The Protein, 12.5 of it: naïve café", "law " * 300]


def load(folder: Path, backend: str = "torch", **options: Any) -> Encoder:
    return load_encoder(str(folder), backend=backend, precision="fp32", device="cpu", **options)


def peer(folder: Path, name: str) -> Any:
    from sentence_transformers.sentence_transformer import modules

    full: dict[str, Any] = {"attention_type": "original_full"} if name == "big_bird" else {}
    return modules.Transformer(str(folder), max_seq_length=LIMIT, config_kwargs=full)


@pytest.mark.parametrize("name", FAMILIES)
def test_vectors_are_those_of_sentence_transformers(folders: Folders, name: str) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    transformer = peer(folders(name), name)
    for ours in sorted({"mean", FAMILIES[name].pooling}):
        pooling = modules.Pooling(32, POOLINGS[ours])
        expected = SentenceTransformer(modules=[transformer, pooling], device="cpu").encode(texts())
        encoder = load(folders(name), pooling=ours, normalize=False)
        found = encoder.encode_queries(texts())
        np.testing.assert_allclose(found.vectors, expected, atol=1e-5, err_msg=ours)
        assert found.cut[-1] > 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_padding_does_not_leak(folders: Folders, name: str, backend: str) -> None:
    """The oracle is torch, one text at a time, so without padding; the longest go first, so order does not matter."""
    pooling = FAMILIES[name].pooling
    alone = load(folders(name), pooling=pooling)
    expected = np.concatenate([alone.encode_queries([text]).vectors for text in reversed(texts())])[::-1]
    encoder = load(folders(name), backend, pooling=pooling)
    if backend == "openvino" and name in UNCONVERTIBLE:
        with pytest.raises(EncoderError, match="OpenVINO cannot convert"):
            encoder.encode_queries(texts())
        return
    found = encoder.encode_queries(texts()).vectors
    np.testing.assert_allclose(found, expected, atol=1e-5 if backend == "torch" else 1e-3)
    assert np.abs(found[:, None] - found[None]).max(axis=2)[~np.eye(len(found), dtype=bool)].min() > 1e-2


def test_bigbird_does_not_remember_what_it_encoded_before(folders: Folders) -> None:
    """Left to itself it drops its sparse attention for good at the first batch that is too short for it."""
    long = "law court " * 30
    fresh, used = (load(folders("big_bird"), pooling="mean") for _ in range(2))
    used.encode_queries(["law"])
    assert (fresh.encode_queries([long]).vectors == used.encode_queries([long]).vectors).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_an_index_finds_the_nearest_documents(
    folders: Folders, tmp_path: Path, name: str, backend: str
) -> None:
    if backend == "openvino" and name in UNCONVERTIBLE:
        pytest.skip("OpenVINO cannot convert it")
    pooling = FAMILIES[name].pooling
    dense = {"model": str(folders(name)), "pooling": pooling, "backend": backend, "precision": "fp32"}
    recipe = {"name": name, "passages": {"mode": "first"}, "dense": dense}
    documents = [{"id": str(number), "text": text} for number, text in enumerate(texts())]
    with Index.create(tmp_path / "index", recipe) as index:
        with index.writer() as writer:
            writer.add(documents)
        found = [hit.doc_id for hit in index.search("the heat of the wing", k=len(documents))]
    encoder = load(folders(name), backend, pooling=pooling)
    stored = encoder.encode_documents(texts()).vectors.astype(np.float32)
    stored /= np.linalg.norm(stored, axis=1, keepdims=True)
    cosines = stored @ encoder.encode_queries(["the heat of the wing"]).vectors[0]
    with Index.open(tmp_path / "index") as index:
        hits = index.search("the heat of the wing", k=len(documents))
    assert [hit.doc_id for hit in hits] == found
    assert hits[0].doc_id == str(cosines.argmax())
    np.testing.assert_allclose([cosines[int(hit.doc_id)] for hit in hits], np.sort(cosines)[::-1], atol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_limit_is_what_the_positions_allow(folders: Folders, name: str) -> None:
    assert load(folders(name), pooling="mean").limit == LIMIT
    with pytest.raises(EncoderError, match=f"a limit of {LIMIT + 1} tokens exceeds the {LIMIT} positions"):
        load(folders(name), pooling="mean", limit=LIMIT + 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_offsets_are_those_of_the_words(folders: Folders, name: str) -> None:
    """Passages are cut by them; a piece may begin with the space before its word."""
    text = "the law of heat"
    (offsets,) = load(folders(name), pooling="mean").token_offsets([text])
    covered = {at for start, end in offsets for at in range(start, end)}
    assert covered >= {at for at, character in enumerate(text) if character != " "}
    assert (offsets[1:, 0] >= offsets[:-1, 1]).all()


@pytest.mark.parametrize("name", ["albert", "modernbert", "llama"])
def test_damaged_weights_are_an_error(tmp_path: Path, name: str) -> None:
    from safetensors.torch import load_file, save_file

    path = tiny_family(name, tmp_path / name) / "model.safetensors"
    weights = load_file(path)
    table = next(
        key
        for key in weights
        if key.endswith(("word_embeddings.weight", "tok_embeddings.weight", "_tokens.weight"))
    )
    weights[table][7, 7] = float("nan")
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(EncoderError, match="holds NaN"):
        load(path.parent, pooling="mean").encode_queries(["law"])


def test_a_family_that_is_only_code_is_refused(folders: Folders, tmp_path: Path) -> None:
    """NomicBERT's older folders name classes of their own; the newer ones are native and need none."""
    folder = tiny_family("nomic_bert", tmp_path / "nomic")
    write_json(folder / "config.json", {"auto_map": {"AutoModel": "nomic-ai/code--modeling.NomicBertModel"}})
    with pytest.raises(EncoderError, match=r"code of its own .auto_map., which is never run"):
        load(folder, pooling="mean")

"""Sparse encoders against sentence-transformers' own `SparseEncoder`, and what they refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import tiny_bare_folder, tiny_masked_lm_folder, tiny_sparse_folder, write_json

from retrieve.encoders.batches import Padded
from retrieve.encoders.dense import encoder_inputs as feed
from retrieve.encoders.load import load_encoder
from retrieve.encoders.sparse.encoder import SparseRows, SparseTextEncoder, load_sparse_encoder
from retrieve.encoders.sparse.folder import read_sparse_folder
from retrieve.errors import BadVectors, DimensionMismatch, EncoderError

TEXTS = [
    "the law of the court",
    "a cell of the blood protein and a gene",
    "index",
    *("heat flow and wing pressure " * count for count in (30, 3, 9)),
    "query document passage retrieval",
]
TOKEN = {"level": "token", "dimensions": 64, "winners": 4, "query_winners": 2, "cap": 12}
KINDS: dict[str, dict[str, Any]] = {
    "splade": {},
    "token": TOKEN,
    "layers": {**TOKEN, "layers": [0, 2], "cap_rule": "value"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sparse")
    return {kind: tiny_sparse_folder(root / kind, **settings) for kind, settings in KINDS.items()}


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copies to damage."""
    return lambda kind: Path(shutil.copytree(folders[kind], tmp_path / kind))


def dense(rows: SparseRows, dimensions: int) -> NDArray[np.float32]:
    found = np.zeros((len(rows.starts) - 1, dimensions), np.float32)
    for number, (start, end) in enumerate(zip(rows.starts[:-1], rows.starts[1:], strict=True)):
        dims = rows.dims[start:end].astype(np.int64)
        assert (np.diff(dims) > 0).all()
        found[number, dims] = rows.weights[start:end]
    return found


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_those_of_sentence_transformers(folders: dict[str, Path], kind: str) -> None:
    from sentence_transformers import SparseEncoder

    theirs = SparseEncoder(str(folders[kind]), trust_remote_code=True, device="cpu")
    ours = load_sparse_encoder(str(folders[kind]), device="cpu")
    assert ours.dimensions == theirs.get_embedding_dimension() or kind == "splade"
    for found, expected in (
        (ours.encode_documents(TEXTS), theirs.encode_document(TEXTS)),
        (ours.encode_queries(TEXTS), theirs.encode_query(TEXTS)),
    ):
        assert found.starts.dtype == np.int64
        assert found.dims.dtype == np.uint32
        assert (found.weights > 0).all()
        wanted = expected.to_dense().numpy()
        np.testing.assert_allclose(dense(found, ours.dimensions), wanted, rtol=1e-4, atol=1e-5)
        assert len(found.weights) > 0
    assert ours.encodings == (len(TEXTS), 0)


def test_a_bare_masked_language_model_is_splade(folders: dict[str, Path], tmp_path: Path) -> None:
    bare = tiny_masked_lm_folder(tmp_path / "bare")
    found = load_sparse_encoder(str(bare), limit=64, device="cpu").encode_documents(TEXTS)
    saved = load_sparse_encoder(str(folders["splade"]), device="cpu").encode_documents(TEXTS)
    assert found.weights.tobytes() == saved.weights.tobytes()


def test_what_the_limit_cuts_is_counted(folders: dict[str, Path]) -> None:
    encoder = load_sparse_encoder(str(folders["splade"]), limit=12, device="cpu")
    rows = encoder.encode_documents(TEXTS)
    lengths = [len(offsets) for offsets in encoder.token_offsets(TEXTS)]
    assert rows.cut.tolist() == [max(0, length - 10) for length in lengths]
    assert rows.tokens == sum(min(length, 10) + 2 for length in lengths)
    assert np.count_nonzero(rows.cut) == 3
    cut = " ".join(TEXTS[3].split()[:10])
    assert dense(encoder.encode_documents([cut]), encoder.dimensions) == pytest.approx(
        dense(rows, encoder.dimensions)[3:4], rel=1e-4, abs=1e-5
    )


def test_prompts_are_fed(folders: dict[str, Path]) -> None:
    plain = load_sparse_encoder(str(folders["token"]), device="cpu")
    prompted = load_sparse_encoder(
        str(folders["token"]), query_prompt="the law ", document_prompt="of ", device="cpu"
    )
    assert prompted.prompt_tokens() == 1
    assert (
        prompted.encode_queries(["index"]).dims.tolist()
        == plain.encode_queries(["the law index"]).dims.tolist()
    )
    assert (
        prompted.encode_documents(["index"]).dims.tolist()
        == plain.encode_documents(["of index"]).dims.tolist()
    )


def test_rows_are_in_order_whatever_the_chunk(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_sparse_encoder(str(folders["splade"]), device="cpu")
    one_by_one = np.concatenate(
        [dense(encoder.encode_documents([text]), encoder.dimensions) for text in TEXTS]
    )
    monkeypatch.setattr(feed, "CHUNK", 3)
    seen: list[tuple[int, int]] = []
    rows = encoder.encode_documents(TEXTS, progress=lambda texts, tokens: seen.append((texts, tokens)))
    np.testing.assert_allclose(dense(rows, encoder.dimensions), one_by_one, rtol=1e-4, atol=1e-5)
    assert seen == sorted(set(seen))
    assert seen[-1] == (len(TEXTS), rows.tokens)
    nothing = encoder.encode_documents([])
    assert (nothing.starts.tolist(), len(nothing.dims), len(nothing.weights)) == ([0], 0, 0)


def test_the_vocabulary_names_dimensions(folders: dict[str, Path]) -> None:
    splade = load_sparse_encoder(str(folders["splade"]), device="cpu")
    names = splade.vocabulary()
    assert len(names) == splade.dimensions
    assert list(names[:5]) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert names[names.index("law")] == "law"
    assert load_sparse_encoder(str(folders["layers"]), device="cpu").vocabulary()[-1] == "127"
    assert splade.vocabulary() is names  # made once, not for every few queries


def test_the_fingerprint_covers_the_head(folders: dict[str, Path], copy: Callable[[str], Path]) -> None:
    found = {kind: load_sparse_encoder(str(folder)).fingerprint for kind, folder in folders.items()}
    assert len(set(found.values())) == 3
    folder = copy("token")
    assert load_sparse_encoder(str(folder)).fingerprint == found["token"]
    change(folder / "1_WinnerTakeAll" / "config.json", cap=9)
    assert load_sparse_encoder(str(folder)).fingerprint != found["token"]
    folder = copy("splade")
    change(folder / "1_SpladePooling" / "config.json", embedding_dimension=None)
    assert load_sparse_encoder(str(folder)).fingerprint == found["splade"]
    change(folder / "1_SpladePooling" / "config.json", pooling_strategy="sum")
    assert load_sparse_encoder(str(folder)).fingerprint != found["splade"]


class Fake:
    """A back end that gives every text the weights set for it, by its number of tokens."""

    dimensions = 3
    batch_tokens = 4096
    environment: Mapping[str, str] = {}
    fills = False

    def __init__(self, weights: dict[int, list[float]]) -> None:
        self.weights = weights

    def run(self, batches: Iterable[Padded], *, task: str) -> Iterator[NDArray[np.float32]]:
        for batch in batches:
            yield np.array([self.weights[int(real.sum())] for real in batch.mask], np.float32)


def faked(
    folder: Path, weights: dict[int, list[float]], monkeypatch: pytest.MonkeyPatch
) -> SparseTextEncoder:
    encoder = load_sparse_encoder(str(folder), device="cpu")
    monkeypatch.setattr(encoder, "_load_backend", lambda encoder: Fake(weights))
    return encoder


def test_a_text_without_weights_has_an_empty_row_and_is_counted(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = faked(folders["splade"], {3: [0, 2, 0], 4: [0, 0, 0], 5: [1, 0, 3]}, monkeypatch)
    rows = encoder.encode_queries(["law", "law of", "law of of", "law of"])
    assert rows.starts.tolist() == [0, 1, 1, 3, 3]
    assert rows.dims.tolist() == [1, 0, 2]
    assert rows.weights.tolist() == [2, 1, 3]
    assert rows.empty_texts == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_weights_that_are_none_are_refused(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    encoder = faked(folders["splade"], {3: [0, 2, 0], 4: [1, bad, 0]}, monkeypatch)
    with pytest.raises(BadVectors, match=r"text 1 .* NaN, infinite or negative"):
        encoder.encode_documents(["law", "law of"])


def test_a_broken_state_is_not_hidden_by_winners(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_sparse_encoder(str(folders["token"]), device="cpu")
    encoder.encode_queries(["law"])
    layer: Any = encoder._backend.transformer.encoder.layer[1].output.LayerNorm  # type: ignore[union-attr]
    layer.bias.data[3] = np.nan
    with pytest.raises(BadVectors, match="text 0"):
        encoder.encode_queries(["law"])


def token_level_in_text(folder: Path) -> None:
    change(folder / "1_WinnerTakeAll" / "config.json", level="text", cap=None)


def not_masked(folder: Path) -> None:
    settings = json.loads((folder / "sentence_bert_config.json").read_text())
    settings.pop("transformer_task")
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))


def router(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "sentence_transformers.base.modules.router.Router"
    write_json(folder / "modules.json", modules)


def alone(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    write_json(folder / "modules.json", modules[:1])


@pytest.mark.parametrize(
    ("kind", "damage", "said"),
    [
        ("token", token_level_in_text, 'has level = "token"'),
        ("splade", not_masked, "without the masked-language-model head"),
        ("splade", router, "Router is not loaded"),
        ("splade", alone, "has the modules Transformer"),
        (
            "splade",
            lambda folder: change(folder / "1_SpladePooling" / "config.json", pooling_strategy="mean"),
            "pooling_strategy is 'mean'",
        ),
        ("splade", lambda folder: (folder / "model.safetensors").unlink(), "no model.safetensors"),
        ("token", lambda folder: (folder / "1_WinnerTakeAll" / "a.py").write_text(""), "holds code"),
    ],
)
def test_folders_that_are_refused(
    copy: Callable[[str], Path], kind: str, damage: Callable[[Path], object], said: str
) -> None:
    folder = copy(kind)
    damage(folder)
    with pytest.raises(EncoderError, match=said):
        read_sparse_folder(folder)


def test_a_model_of_the_wrong_kind_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="masked-language-model head"):
        read_sparse_folder(tiny_bare_folder(tmp_path / "bare"))
    for kind in ("splade", "token"):
        with pytest.raises(EncoderError):
            load_encoder(str(folders[kind]))


def test_a_head_of_texts_is_none_of_tokens(tmp_path: Path) -> None:
    path = tiny_sparse_folder(tmp_path / "text", dimensions=64, winners=4)
    with pytest.raises(EncoderError, match=r'head works on whole texts: set uhd\.level = "text"'):
        read_sparse_folder(path)


def test_a_head_for_other_tokens_is_refused(copy: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy("token")
    narrow = tiny_bare_folder(tmp_path / "narrow", dimensions=16)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(narrow / name, folder / name)
    with pytest.raises(DimensionMismatch, match="of 32 dimensions, the transformer before it gives 16"):
        load_sparse_encoder(str(folder), device="cpu").encode_queries(["law"])


def test_winners_beyond_the_dimensions_are_refused_when_loaded(copy: Callable[[str], Path]) -> None:
    folder = copy("token")
    change(folder / "1_WinnerTakeAll" / "config.json", winners=65)
    with pytest.raises(EncoderError, match="winners is 65, wanted 1 to 64"):
        load_sparse_encoder(str(folder), device="cpu").encode_queries(["law"])

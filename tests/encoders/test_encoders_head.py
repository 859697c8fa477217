"""A folder with a text-level head: the encoder before it, the head without torch, and folders that are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_models import tiny_sparse_folder, write_json

from retrieve.encoders import head
from retrieve.encoders.folder import Module, read_encoder_folder
from retrieve.encoders.head import Head, gaussian, load_head, query_share
from retrieve.encoders.load import load_encoder
from retrieve.errors import DimensionMismatch, EncoderError, RetrieveError, UsageError

TEXTS = ["the law of the court", "a cell of the blood protein", "index", "heat flow and wing pressure " * 30]
HEAD = "3_WinnerTakeAll"
MEAN = (np.arange(32) / 99).astype(np.float32)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("head") / "model"
    tiny_sparse_folder(path, dimensions=64, winners=8, query_winners=4, segments=2, seed=5)
    weights = path / HEAD / "model.safetensors"
    save_file({**load_file(weights), "mean": MEAN}, weights)
    return path


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(good, tmp_path / "model"))


def settings_of(folder: Path, **changed: Any) -> None:
    path = folder / HEAD / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def arrays_of(folder: Path, **changed: Any) -> None:
    path = folder / HEAD / "model.safetensors"
    save_file(
        {name: array for name, array in {**load_file(path), **changed}.items() if array is not None}, path
    )


def head_of(folder: Path) -> Head:
    winners = read_encoder_folder(folder, None).winners
    assert winners is not None
    return load_head(winners)


def test_the_encoder_gives_the_vectors_before_the_head(good: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(good, tmp_path / "bare")
    modules = json.loads((bare / "modules.json").read_text())
    write_json(bare / "modules.json", modules[:-1])
    headed, plain = load_encoder(str(good)), load_encoder(str(bare))
    assert headed.encode_documents(TEXTS).vectors.tobytes() == plain.encode_documents(TEXTS).vectors.tobytes()
    assert headed.vector_fingerprint == plain.vector_fingerprint == plain.fingerprint
    assert headed.fingerprint != plain.fingerprint
    assert plain.head is None


def test_the_head_makes_the_codes_of_sentence_transformers(good: Path) -> None:
    from sentence_transformers import SparseEncoder

    encoder = load_encoder(str(good))
    head = encoder.head
    assert head is not None
    assert (head.dimensions, head.winners, head.query_winners, head.segments) == (64, 8, 4, 2)
    assert np.array_equal(head.mean, MEAN)
    assert np.array_equal(head.weight, gaussian(64, 32, 0))
    z = (encoder.encode_queries(TEXTS).vectors - head.mean) @ head.weight.T
    halves = z.reshape(len(TEXTS), 2, 32)
    found = halves >= np.sort(halves, axis=2)[:, :, -2:-1]  # 4 winners of a query, 2 in each segment
    model = SparseEncoder(str(good), trust_remote_code=True, device="cpu")
    assert np.array_equal(found.reshape(len(TEXTS), 64), model.encode_query(TEXTS).to_dense().numpy())


def test_vectors_are_of_unit_length_only_if_the_head_was_given_such(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    write_json(folder / "modules.json", [module for module in modules if "Normalize" not in module["type"]])
    norms = np.linalg.norm(load_encoder(str(folder)).encode_queries(TEXTS).vectors, axis=1)
    assert (abs(norms - 1) > 0.01).all()


def test_the_head_counts_in_the_fingerprint(good: Path, folder: Path) -> None:
    first = load_encoder(str(good))
    arrays_of(folder, mean=MEAN + 1)
    moved = load_encoder(str(folder))
    settings_of(folder, winners=16)
    more = load_encoder(str(folder))
    assert len({encoder.fingerprint for encoder in (first, moved, more)}) == 3
    assert len({encoder.vector_fingerprint for encoder in (first, moved, more)}) == 1


def test_vectors_in_the_cache_serve_with_any_head(good: Path, folder: Path, tmp_path: Path) -> None:
    settings_of(folder, winners=16)
    load_encoder(str(good), cache=tmp_path / "cache").encode_documents(TEXTS)
    assert load_encoder(str(folder), cache=tmp_path / "cache").encode_documents(TEXTS).cached == len(TEXTS)


def test_a_head_is_read_without_torch(good: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from retrieve.encoders.load import load_encoder\n"
        "head = load_encoder(sys.argv[1]).head\n"
        "import retrieve.encoders.sparse.encoder\n"
        "assert head.dimensions == 64 and 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(good)], check=True)


def test_the_steps_are_those_of_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows are drawn at a time."""
    numbers = np.random.Generator(np.random.PCG64(3)).standard_normal((50, 7))
    wanted = np.rint(numbers * 32).clip(-127, 127).astype(np.int8)
    for size in (head._DRAWN, 1, 20):
        monkeypatch.setattr(head, "_DRAWN", size)
        assert np.array_equal(head.gaussian_steps(50, 7, 3), wanted)


def test_a_head_of_tokens_is_none_of_texts(tmp_path: Path) -> None:
    path = tiny_sparse_folder(tmp_path / "token", level="token", dimensions=64, winners=4)
    with pytest.raises(EncoderError, match=r'head works on tokens: set uhd\.level = "token"'):
        read_encoder_folder(path, None)


def other_class(folder: Path) -> None:
    rename(folder, "retrieve.encoders.winners.Other")


def other_place(folder: Path) -> None:
    rename(folder, "elsewhere.winners.WinnerTakeAll")


def rename(folder: Path, kind: str) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = kind
    write_json(folder / "modules.json", modules)


def not_last(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    write_json(folder / "modules.json", [*modules[:2], modules[3], modules[2]])


def with_code(folder: Path) -> None:
    (folder / HEAD / "winners.py").write_text("raise SystemExit('ran')")


def no_weights(folder: Path) -> None:
    (folder / HEAD / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_class, "retrieve.encoders.winners.Other is not loaded"),
        (other_place, "elsewhere.winners.WinnerTakeAll is not loaded"),
        (not_last, "WinnerTakeAll is not the last module"),
        (with_code, "holds code"),
        (no_weights, "no model.safetensors"),
        (lambda folder: settings_of(folder, level="token"), 'a head after a Pooling has level = "text"'),
    ],
)
def test_folders_that_are_refused(folder: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(folder)
    with pytest.raises(EncoderError, match=said):
        read_encoder_folder(folder, None)


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (lambda f: settings_of(f, winners=65), UsageError, "winners is 65, wanted 1 to 64"),
        (
            lambda f: settings_of(f, dimensions="64"),
            EncoderError,
            "dimensions is '64', wanted a whole number",
        ),
        (lambda f: settings_of(f, winners=None), EncoderError, "winners is None, wanted a whole number"),
        (lambda f: settings_of(f, segments=2.0), EncoderError, "segments is 2.0, wanted a whole number"),
        (lambda f: settings_of(f, query_winners=True), EncoderError, "query_winners is True, wanted a whole"),
        (lambda f: settings_of(f, segments=5), UsageError, "multiple of segments = 5"),
        (lambda f: settings_of(f, dimensions=128), DimensionMismatch, r"\(64, 32\), wanted \(128, hidden\)"),
        (lambda f: settings_of(f, hidden=16), DimensionMismatch, "of 32 dimensions, its settings say 16"),
        (lambda f: arrays_of(f, mean=np.zeros(31, np.float32)), DimensionMismatch, r"shape \(31,\)"),
        (lambda f: arrays_of(f, mean=None), EncoderError, "the weights lack mean"),
        (lambda f: arrays_of(f, mean=MEAN * np.nan), EncoderError, "mean holds NaN"),
        (lambda f: (f / HEAD / "model.safetensors").write_bytes(b"short"), EncoderError, "cannot be read"),
        (
            lambda f: (f / HEAD / "config.json").write_text("{}"),
            EncoderError,
            "no settings of a text-level head",
        ),
    ],
)
def test_heads_that_are_refused(
    folder: Path, damage: Callable[[Path], object], error: type[RetrieveError], said: str
) -> None:
    damage(folder)
    with pytest.raises(error, match=said):
        head_of(folder)


def test_a_head_is_what_it_is_made_of() -> None:
    head = Head(gaussian(8, 4, 0), np.zeros(4, np.float32), 8, 2, 2)
    assert replace(head, mean=np.ones(4, np.float32)).weight is head.weight
    with pytest.raises(EncoderError, match="no settings"):
        load_head(Module("WinnerTakeAll", Path("nowhere"), {}))


@pytest.mark.parametrize(
    ("length", "share"), [(0.0, 1.0), (0.36, 0.5), (0.85, 0.876), (0.99, 0.9712), (1.0, 1.0), (7.0, 1.0)]
)
def test_how_much_of_the_mean_a_query_loses(length: float, share: float) -> None:
    """Half of a short mean, all but a fifth of what lies around a long one; all of it where it explains everything."""
    mean = np.zeros(4, np.float32)
    mean[2] = length
    assert query_share(mean) == pytest.approx(share, abs=1e-3)

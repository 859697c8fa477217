"""Token-level codes under OpenVINO against torch's, and which back end a sparse encoder gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import WORDS, tiny_encoder_folder, tiny_sparse_folder

from retrieve.encoders.load import load_encoder
from retrieve.encoders.machine import Machine
from retrieve.encoders.sparse.encoder import SparseRows, load_sparse_encoder
from retrieve.errors import RecipeError

pytest.importorskip("openvino", reason="the extra openvino is not installed")

HEAD = {"dimensions": 2048, "winners": 8, "cap": 60}
TEXTS = [" ".join(WORDS[start : start + 1 + 3 * start % 60]) for start in range(70)]


def shared(left: SparseRows, right: SparseRows) -> float:
    """The share of dimensions that both have, of two encodings of the same texts."""
    rows = [np.repeat(np.arange(len(found.starts) - 1), np.diff(found.starts)) for found in (left, right)]
    pairs = [set(zip(row, found.dims, strict=True)) for row, found in zip(rows, (left, right), strict=True)]
    return 2 * len(pairs[0] & pairs[1]) / (len(pairs[0]) + len(pairs[1]))


@pytest.mark.usefixtures("real_machine")
def test_codes_are_those_of_torch(tmp_path: Path, own_cache: Path) -> None:
    """But where two tokens' numbers are as near as two ways of adding; by a graph that dense vectors have too."""
    folder = str(tiny_encoder_folder(tmp_path / "plain"))
    torch, found = (
        load_sparse_encoder(folder, limit=64, backend=backend, untrained=HEAD)
        for backend in ("torch", "openvino")
    )
    assert found.runtime == ("openvino", "fp32")
    assert found.encode_documents(TEXTS).tokens == torch.encode_documents(TEXTS).tokens
    assert shared(found.encode_documents(TEXTS), torch.encode_documents(TEXTS)) > 0.999
    assert shared(found.encode_queries(TEXTS), torch.encode_queries(TEXTS)) > 0.999
    assert shared(found.encode_queries(TEXTS[:1]), torch.encode_queries(TEXTS[:1])) == 1
    load_encoder(folder, limit=64, backend="openvino", precision="fp32").encode_queries(["law"])
    assert len(list((own_cache / "models").iterdir())) == 1


@pytest.mark.usefixtures("own_cache", "real_machine")
def test_a_trained_head_runs_there_too(tmp_path: Path) -> None:
    folder = str(
        tiny_sparse_folder(
            tmp_path / "token", level="token", dimensions=64, winners=4, cap=20, own_query_mean=True
        )
    )
    torch, found = (load_sparse_encoder(folder, backend=backend) for backend in ("torch", "openvino"))
    assert shared(found.encode_documents(TEXTS), torch.encode_documents(TEXTS)) > 0.99
    assert found.fingerprint == torch.fingerprint


def test_what_auto_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for dense encoders, where codes are compiled; else torch."""
    has = Machine(openvino=True, nncf=True, gpu=False, int8=True, bf16=False)
    monkeypatch.setattr("retrieve.encoders.machine.this_machine", lambda: has)
    plain = str(tiny_encoder_folder(tmp_path / "plain"))
    layers = str(
        tiny_sparse_folder(tmp_path / "layers", level="token", dimensions=64, winners=4, layers=[0, 2])
    )
    splade = str(tiny_sparse_folder(tmp_path / "splade"))
    assert load_sparse_encoder(plain, precision="auto", untrained=HEAD).runtime == ("openvino", "int8")
    assert load_sparse_encoder(plain, untrained=HEAD).runtime == ("openvino", "fp32")
    assert load_sparse_encoder(plain, device="cuda", untrained=HEAD).runtime == ("torch", "fp32")
    for folder in (layers, splade):
        assert load_sparse_encoder(folder, precision="auto").runtime == ("torch", "fp32")
        with pytest.raises(RecipeError, match="torch alone"):
            load_sparse_encoder(folder, backend="openvino")

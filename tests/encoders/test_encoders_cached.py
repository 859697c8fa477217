"""The encoder with the vector cache: what is cached is not encoded, and nothing changes by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import WORDS, tiny_encoder_folder

from retrieve.encoders import line
from retrieve.encoders.batches import Padded
from retrieve.encoders.dense import encoder_inputs as feed
from retrieve.encoders.dense.encoder import Encoder
from retrieve.encoders.load import load_encoder

TEXTS = [" ".join(WORDS[start : start + 1 + 5 * start % 90]) for start in range(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def fed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of batches that a model is given."""
    from retrieve.encoders.torch.backend import TorchEncoder

    sizes: list[int] = []
    run = TorchEncoder.run

    def counted(self: TorchEncoder, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        return run(self, (sizes.append(len(batch.ids)) or batch for batch in batches))

    monkeypatch.setattr(TorchEncoder, "run", counted)
    return sizes


def encoder_with(folder: Path, cache: Path | None, **settings: str) -> Encoder:
    return load_encoder(str(folder), cache=cache, **settings)  # type: ignore[arg-type]


def test_the_second_time_nothing_is_encoded(folder: Path, tmp_path: Path, fed: list[int]) -> None:
    plain = encoder_with(folder, None).encode_documents(TEXTS)
    first = encoder_with(folder, tmp_path).encode_documents(TEXTS)
    fed.clear()
    encoder = encoder_with(folder, tmp_path)
    second = encoder.encode_documents(TEXTS)
    assert fed == []
    assert (first.cached, second.cached) == (0, len(TEXTS))
    assert encoder.encodings == (0, len(TEXTS))
    for found in (first, second):
        assert found.vectors.tobytes() == plain.vectors.tobytes()
        assert found.tokens == plain.tokens
        assert found.cut.tolist() == plain.cut.tolist()
    assert plain.cut.any()


@pytest.mark.parametrize("chunk", [7, 8192])
def test_a_part_in_the_cache_changes_no_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(feed, "CHUNK", chunk)
    whole = encoder_with(folder, None).encode_documents(TEXTS).vectors
    # An interrupted build: the first chunks of the same texts are there.
    encoder_with(folder, tmp_path).encode_documents(TEXTS[:21])
    again = encoder_with(folder, tmp_path).encode_documents(TEXTS)
    assert again.cached == 21
    if chunk == 7:
        assert again.vectors.tobytes() == whole.tobytes()
    np.testing.assert_allclose(again.vectors.astype(float), whole.astype(float), atol=1e-3)


def test_who_is_interrupted_keeps_what_was_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the end of a chunk alone: 8,192 passages are many minutes of a large model on a slow machine."""
    from retrieve.encoders.torch import backend
    from retrieve.encoders.torch.backend import TorchEncoder

    whole = encoder_with(folder, None).encode_documents(TEXTS)
    monkeypatch.setattr(line, "_KEPT_TOGETHER", 10)
    run, made = TorchEncoder.run, 0

    def interrupted(self: TorchEncoder, batches: Iterable[Padded]) -> Iterator[NDArray[np.float32]]:
        nonlocal made
        for rows in run(self, batches):
            if made >= 30:
                raise KeyboardInterrupt
            made += len(rows)
            yield rows

    with monkeypatch.context() as patch:
        patch.setattr(TorchEncoder, "run", interrupted)
        patch.setattr(backend, "BATCH_TOKENS", 256)
        with pytest.raises(KeyboardInterrupt):
            encoder_with(folder, tmp_path).encode_documents(TEXTS)
    again = encoder_with(folder, tmp_path).encode_documents(TEXTS)
    assert 20 < again.cached <= made < len(TEXTS)
    np.testing.assert_allclose(again.vectors.astype(float), whole.vectors.astype(float), atol=1e-3)
    assert again.cut.tolist() == whole.cut.tolist() and again.tokens == whole.tokens


def test_prompts_limits_and_models_do_not_share(folder: Path, tmp_path: Path, fed: list[int]) -> None:
    encoder_with(folder, tmp_path).encode_documents(TEXTS)
    other = tiny_encoder_folder(tmp_path / "other", seed=1)
    for encoder in (
        load_encoder(str(folder), cache=tmp_path, document_prompt="law: "),
        load_encoder(str(folder), cache=tmp_path, limit=32),
        load_encoder(str(other), cache=tmp_path),
    ):
        assert encoder.encode_documents(TEXTS).cached == 0


def test_queries_are_not_cached(folder: Path, tmp_path: Path) -> None:
    encoder = encoder_with(folder, tmp_path / "cache")
    encoder.encode_queries(TEXTS)
    assert not (tmp_path / "cache").exists()

"""A head whose queries have a mean of their own: in the module, saved and loaded, and read without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from retrieve.encoders.folder import Module
from retrieve.encoders.folder_files import read_object
from retrieve.encoders.head import load_head
from retrieve.encoders.winners import WinnerTakeAll
from retrieve.errors import DimensionMismatch, EncoderError, UsageError

MEAN, OF_QUERIES = np.full(8, 0.3, np.float32), np.linspace(-1, 1, 8, dtype=np.float32)


@pytest.fixture
def head() -> WinnerTakeAll:
    head = WinnerTakeAll(8, 64, 6, own_query_mean=True)
    head.set_mean(MEAN, OF_QUERIES)
    return head


def winners(head: WinnerTakeAll, vectors: torch.Tensor, task: str) -> torch.Tensor:
    codes: torch.Tensor = head({"sentence_embedding": vectors}, task=task)["sentence_embedding"]
    return codes


def test_a_query_has_its_own_mean_taken_off(head: WinnerTakeAll) -> None:
    vectors = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    plain = WinnerTakeAll(8, 64, 6)
    for task, mean in (("document", MEAN), ("query", OF_QUERIES)):
        plain.set_mean(mean)
        assert torch.equal(winners(head, vectors, task), winners(plain, vectors, task))
    assert not torch.equal(winners(head, vectors, "document"), winners(head, vectors, "query"))
    head.set_mean(MEAN)  # queries as documents
    assert torch.equal(winners(head, vectors, "document"), winners(head, vectors, "query"))


def test_it_is_saved_loaded_and_read_without_torch(head: WinnerTakeAll, tmp_path: Path) -> None:
    head.save(str(tmp_path))
    again = WinnerTakeAll.load(str(tmp_path))
    assert torch.equal(again.query_mean, head.query_mean)
    module = Module("WinnerTakeAll", tmp_path, read_object(tmp_path / "config.json"))
    read = load_head(module)
    assert read.query_mean is not None
    assert np.array_equal(read.query_mean, OF_QUERIES)
    plain = WinnerTakeAll(8, 64, 6)
    plain.save(str(tmp_path))
    settings = read_object(tmp_path / "config.json")
    assert load_head(Module("WinnerTakeAll", tmp_path, settings)).query_mean is None
    with pytest.raises(EncoderError, match="lack query_mean"):
        load_head(module)  # whose settings promise one


def test_what_cannot_be_set(head: WinnerTakeAll) -> None:
    with pytest.raises(UsageError, match="own_query_mean = True"):
        WinnerTakeAll(8, 64, 6).set_mean(MEAN, OF_QUERIES)
    with pytest.raises(DimensionMismatch):
        head.set_mean(MEAN, OF_QUERIES[:5])

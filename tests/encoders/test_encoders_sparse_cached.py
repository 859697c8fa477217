"""Token-level codes and the cache: what is kept is not encoded, nothing changes by it, and upkeep knows it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_models import WORDS, tiny_encoder_folder, tiny_sparse_folder
from toy_cache import flip, shards

from retrieve import Document, Index
from retrieve.encoders.batches import Padded
from retrieve.encoders.dense import encoder_inputs as feed
from retrieve.encoders.sparse.code_rows import code_rows, coded_dimensions
from retrieve.encoders.sparse.encoder import SparseRows, SparseTextEncoder, load_sparse_encoder
from retrieve.encoders.sparse.torch_backend import SparseTorch
from retrieve.errors import BadVectors
from retrieve.vector_cache.upkeep import cache_info, prune_cache, verify_cache

TEXTS = [" ".join(WORDS[start : start + 1 + 5 * start % 90]) for start in range(60)]
HEAD: dict[str, Any] = {"dimensions": 512, "winners": 6, "cap": 40}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_encoder_folder(tmp_path_factory.mktemp("model")))


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of batches that a model is given."""
    sizes: list[int] = []
    run = SparseTorch.run

    def counted(self: SparseTorch, batches: Iterable[Padded], *, task: str) -> Iterator[NDArray[np.float32]]:
        return run(self, (sizes.append(len(batch.ids)) or batch for batch in batches), task=task)

    monkeypatch.setattr(SparseTorch, "run", counted)
    return sizes


def encoder_with(folder: str, cache: Path | None, **head: Any) -> SparseTextEncoder:
    return load_sparse_encoder(folder, limit=64, untrained=HEAD | head, cache=cache)


def same(left: SparseRows, right: SparseRows) -> bool:
    arrays = zip(left._replace(tokens=0), right._replace(tokens=0), strict=True)
    return left.tokens == right.tokens and all(np.array_equal(one, other) for one, other in arrays)


def test_the_second_time_nothing_is_encoded(folder: str, tmp_path: Path, fed: list[int]) -> None:
    plain = encoder_with(folder, None).encode_documents(TEXTS)
    assert same(encoder_with(folder, tmp_path).encode_documents(TEXTS), plain)
    fed.clear()
    encoder = encoder_with(folder, tmp_path)
    assert same(encoder.encode_documents(TEXTS), plain)
    assert (fed, encoder.encodings) == ([], (0, len(TEXTS)))
    encoder.encode_queries(TEXTS)
    assert fed
    assert plain.cut.any()


def test_a_part_in_the_cache_changes_nothing(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "CHUNK", 7)
    encoder_with(folder, tmp_path).encode_documents(TEXTS[:21])
    encoder = encoder_with(folder, tmp_path)
    assert same(encoder.encode_documents(TEXTS), encoder_with(folder, None).encode_documents(TEXTS))
    assert encoder.encodings == (len(TEXTS) - 21, 21)


def test_what_shapes_a_code_parts_them(folder: str, tmp_path: Path, fed: list[int]) -> None:
    encoder_with(folder, tmp_path).encode_documents(TEXTS)
    for head in ({"seed": 1}, {"cap": 39}, {"winners": 5}, {"dimensions": 513}):
        fed.clear()
        encoder_with(folder, tmp_path, **head).encode_documents(TEXTS[:3])
        assert fed, head
    prompted = load_sparse_encoder(folder, limit=64, untrained=HEAD, cache=tmp_path, document_prompt="a ")
    shorter = load_sparse_encoder(folder, limit=63, untrained=HEAD, cache=tmp_path)
    for encoder in (prompted, shorter):
        encoder.encode_documents(TEXTS[:3])
        assert encoder.encodings.cached == 0


def test_codes_without_a_cap_and_weights_are_not_kept(folder: str, tmp_path: Path) -> None:
    """A row would have to have room for whatever may win."""
    encoder_with(folder, tmp_path / "cache", cap=None).encode_documents(TEXTS)
    splade = load_sparse_encoder(str(tiny_sparse_folder(tmp_path / "splade")), cache=tmp_path / "cache")
    splade.encode_documents(TEXTS)
    assert not (tmp_path / "cache").exists()


def test_a_damaged_shard_is_a_miss_that_upkeep_names(
    folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = encoder_with(folder, tmp_path)
    plain = encoder.encode_documents(TEXTS)
    assert encoder.space is not None
    [info] = cache_info(tmp_path)
    assert (info["vectors"], info["dimensions"], info["numbers"]) == (len(TEXTS), 40, "uint16")
    assert verify_cache(tmp_path) == []
    [shard] = shards(tmp_path, encoder.space)
    flip(shard / "vectors.npy")
    with caplog.at_level(logging.WARNING, "retrieve"):
        assert same(encoder_with(folder, tmp_path).encode_documents(TEXTS), plain)
    assert "damaged" in caplog.text
    assert verify_cache(tmp_path) == []  # written anew
    flip(shard / "vectors.npy")
    assert len(verify_cache(tmp_path)) == 1
    assert prune_cache(tmp_path, damaged=True)["shards"] == 1
    assert cache_info(tmp_path) == []


def test_an_index_is_built_from_the_cache(
    folder: str, tmp_path: Path, own_cache: Path, fed: list[int]
) -> None:
    recipe = {"name": "toy", "uhd": {"model": folder, **HEAD}, "passages": {"boundaries": "none"}}
    rows = [Document(str(number), text) for number, text in enumerate(TEXTS)]
    for name, cache in (("first", True), ("second", True), ("without", False)):
        fed.clear()
        with Index.create(tmp_path / name, recipe, cache=cache) as index:
            index.add(rows)
            hits = index.search(TEXTS[7])
            assert bool(fed[1:]) == (name != "second")  # the query is one
        if name == "first":
            expected = hits
        assert hits == expected


@given(
    st.lists(st.lists(st.integers(0, 70_000), min_size=1, max_size=9, unique=True), max_size=5),
    st.integers(9, 12),
)
def test_codes_come_back(codes: list[list[int]], length: int) -> None:
    given = [np.array(sorted(dims), np.uint32) for dims in codes]
    rows = code_rows(given, np.arange(len(codes)), np.empty((0, length), np.uint32))
    starts, dims = coded_dimensions(rows)
    assert [dims[a:b].tolist() for a, b in pairwise(starts)] == [row.tolist() for row in given]


def test_a_code_of_nothing_is_refused() -> None:
    with pytest.raises(BadVectors, match=r"text 7 .* without any dimension"):
        code_rows([np.empty(0, np.uint32)], np.array([7]), np.empty((0, 3), np.uint16))

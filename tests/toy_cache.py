"""A small vector cache: rows that a text alone decides, and the check that a cache says what a dict would."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from retrieve.vector_cache.cache import Space, VectorCache, keys_of
from retrieve.vector_cache.shards import shards_folder

SPACE = Space("f" * 64, "torch", "fp32", 256, 3)

Row = tuple[list[float], int, int]


def row_of(text: str) -> Row:
    """What the encoder would make of a text: chosen by it alone, never zero."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:2], "big") + 1
    return [number / 65_536, -1.5, number % 7], number % 300, number % 5


def add(cache: VectorCache, texts: list[str]) -> None:
    rows = [row_of(text) for text in texts]
    cache.add(
        keys_of(texts),
        np.array([row[0] for row in rows], dtype=np.float16).reshape(-1, SPACE.dimensions),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
    )


def check(cache: VectorCache, known: set[str], texts: list[str]) -> None:
    """`find` says of texts what a dict of the known ones would."""
    found = cache.find(keys_of(texts))
    assert found.vectors.dtype == np.float16
    assert (found.tokens.dtype, found.cut.dtype, found.hit.dtype) == (np.int64, np.int64, np.bool_)
    assert found.hit.tolist() == [text in known for text in texts]
    nothing: Row = ([0.0] * SPACE.dimensions, 0, 0)
    wanted = [row_of(text) if text in known else nothing for text in texts]
    vectors = np.array([row[0] for row in wanted], dtype=np.float16).reshape(-1, SPACE.dimensions)
    assert found.vectors.tobytes() == vectors.tobytes()
    assert found.tokens.tolist() == [row[1] for row in wanted]
    assert found.cut.tolist() == [row[2] for row in wanted]


def shards(root: Path, space: Space = SPACE) -> list[Path]:
    return sorted(path for path in shards_folder(root, space).iterdir() if not path.name.startswith("."))


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)

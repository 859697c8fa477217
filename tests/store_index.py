"""Small indexes for the tests of the store: own vectors of four dimensions, segments of a few passages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve import Document, Index
from retrieve.packed import PackedArrays

DIMENSIONS = 4


def own_recipe(passages: int = 10, *, bm25: bool = True, **dense: Any) -> dict[str, Any]:
    """Hybrid with own vectors; whole documents, so that each document is one passage."""
    return {
        "name": "small",
        "passages": {"unit": "words", "mode": "whole"},
        **({"bm25": {}} if bm25 else {}),
        "dense": {"model": "none", "dimensions": DIMENSIONS, **dense},
        "segments": {"passages": passages},
    }


def lexical_recipe(passages: int = 10) -> dict[str, Any]:
    """BM25 alone."""
    return {
        "name": "lexical",
        "passages": {"unit": "words", "mode": "whole"},
        "bm25": {},
        "segments": {"passages": passages},
    }


def documents(count: int, *, first: int = 0, word: str = "court") -> list[Document]:
    """So many different documents."""
    return [
        Document(f"d{number:04}", f"{word} of law number n{number}", "", {"number": number})
        for number in range(first, first + count)
    ]


def vectors(count: int, *, seed: int = 0, dimensions: int = DIMENSIONS) -> npt.NDArray[np.float32]:
    """(count, dimensions) float32."""
    return np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)


def make(
    folder: Path, recipe: dict[str, Any], rows: Sequence[Document], own: Sequence[npt.ArrayLike] | None = None
) -> Index:
    """An index with one commit."""
    index = Index.create(folder, recipe)
    with index.writer() as writer:
        writer.add(rows, own)
    return index


def damage_array(index: Index, name: str, segment: int = 0) -> Path:
    """Flip the last bit of an array of a segment; returns the file."""
    opened = index._snapshot.segments[segment]
    entry = opened.entry.files["arrays"]
    place = PackedArrays(opened.folder / "arrays", entry.size, entry.checksum).place(name)
    path = opened.folder / "arrays"
    data = bytearray(path.read_bytes())
    data[place.stop - 1] ^= 1
    path.write_bytes(data)
    return path


def segment_files(folder: Path) -> dict[str, bytes]:
    """Every file of every segment."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / "segments").rglob("*"))
        if path.is_file()
    }

"""Small indexes whose dense view holds the test's own vectors: no encoder, and every cosine is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve import Document, Index

DIMENSIONS = 8
WORDS = ["wing", "flow", "heat", "pressure", "court", "act", "law", "cell", "blood", "gene", "query", "index"]

Vectors = npt.NDArray[np.float32]


def toy_recipe(*, views: Sequence[str] = ("bm25", "dense"), size: int = 6, **dense: Any) -> dict[str, Any]:
    """Windows of `size` words; `dense` adds to or replaces keys of that section."""
    recipe: dict[str, Any] = {
        "name": "toy",
        "passages": {"unit": "words", "size": size, "boundaries": "none"},
    }
    if "bm25" in views:
        recipe["bm25"] = {}
    if "dense" in views:
        recipe["dense"] = {"model": "none", "dimensions": DIMENSIONS} | dense
    return recipe


def unit_vectors(count: int, seed: int, dimensions: int = DIMENSIONS) -> Vectors:
    """(count, dimensions) float32 of unit norm, no direction preferred."""
    raw = np.random.default_rng(seed).standard_normal((count, dimensions))
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), dtype=np.float32)


def corpus(count: int, seed: int, *, longest: int = 4, size: int = 6) -> tuple[list[Document], list[Vectors]]:
    """Documents of 1 to `longest` full windows with a vector for each; every ninth repeats the text and the vectors
    of an earlier one, so that scores tie. Numbers count 0, 1, 2, …; ids are their string order's worst case.
    """
    draw = np.random.default_rng(seed)
    documents: list[Document] = []
    vectors: list[Vectors] = []
    for number in range(count):
        metadata = {"number": number, "kind": "abc"[number % 3]}
        if number % 9 == 8:
            twin = int(draw.integers(number))
            documents.append(Document(str(number), documents[twin].text, "", metadata))
            vectors.append(vectors[twin])
            continue
        windows = int(draw.integers(1, longest + 1))
        words = draw.choice(WORDS, size=windows * size)
        documents.append(Document(str(number), " ".join(words), "", metadata))
        vectors.append(unit_vectors(windows, int(draw.integers(1 << 30))))
    return documents, vectors


def make_index(
    folder: Path,
    documents: Sequence[Document],
    vectors: Sequence[npt.ArrayLike] | None,
    recipe: dict[str, Any],
    *,
    commits: int = 1,
    overrides: Sequence[str] = (),
) -> Index:
    """An index of the documents, added in so many commits."""
    index = Index.create(folder, recipe, overrides)
    size = -(-len(documents) // commits)
    for start in range(0, len(documents), size):
        with index.writer() as writer:
            writer.add(
                documents[start : start + size], None if vectors is None else vectors[start : start + size]
            )
    return index


def stored(vectors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Vectors as the index keeps them: rounded to float16."""
    return np.asarray(vectors, dtype=np.float32).astype(np.float16).astype(np.float64)

"""What a peer is: it takes texts and gives rows with scores, by its package's own public interface.

A new one is a class of `Peer` in a module of its own and a line in `registry`. It knows texts and rows alone: ids,
documents and time are the business of `entrant` and `process`, the same for all.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Task:
    """What is asked of every entrant: the resolved recipe as JSON, options of `Index.run`, and k documents a query.

    `drop_self` leaves out the document whose id is the query's own; `device` is where torch computes.
    """

    recipe: Mapping[str, Any]
    options: Mapping[str, Any]
    k: int
    drop_self: bool = False
    device: str | None = None

    @property
    def k1(self) -> float:
        """BM25's, as the search was told, or as the recipe has it."""
        return self._setting("bm25", "k1")

    @property
    def b(self) -> float:
        """BM25's, likewise."""
        return self._setting("bm25", "b")

    def effort(self, name: str) -> int:
        """`nprobe` or `ef_search` of an approximate index, likewise."""
        return int(self._setting("dense", name))

    def _setting(self, view: str, name: str) -> float:
        value: float = self.options.get(name, self.recipe["search"][view][name])
        return value

    @property
    def language(self) -> str:
        """The language of BM25's analyzer, as recipes name it."""
        named: str = self.recipe["bm25"]["language"]
        return named

    @property
    def stopwords(self) -> list[str]:
        """The words that ours leaves out."""
        from retrieve.text.analyze import stopwords_of

        return sorted(stopwords_of(self.language)) if self.recipe["bm25"]["stopwords"] else []


class Texts:
    """The passages' texts (P), read from their file at each pass: a peer that streams them does not hold them all."""

    def __init__(self, file: Path, most: int | None = None) -> None:
        self._file = file
        self._most = most

    def __iter__(self) -> Iterator[str]:
        with self._file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number == self._most:
                    return
                yield json.loads(line)[1]


class Peer(ABC):
    """One package, run as its documentation says, in one thread. The constructor loads models, which takes no time."""

    differences: Sequence[str] = ()
    """What remains between it and ours on the same text: analyzer, rounding, parameters that it has not."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def warm_up(self, texts: Texts, folder: Path) -> None:
        """Build and search a few texts before anything is timed, so that imports and compiling are not."""
        self.build(texts, folder)
        self.search(next(iter(texts), ""), 10)

    @abstractmethod
    def build(self, texts: Texts, folder: Path) -> None:
        """Index all texts, row 0 first, in a new folder if it wants one. Called again, it begins anew."""

    @abstractmethod
    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """Rows (H,) and scores (H,), best first, of at most `depth` passages that the query finds."""

    @abstractmethod
    def stored_bytes(self, folder: Path) -> int | None:
        """What it keeps of the texts on disk, in bytes, written to a new folder if need be; None: it cannot be kept."""


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def best_rows(scores: FloatArray, depth: int) -> tuple[IntArray, FloatArray]:
    """The rows of the `depth` greatest of scores (P,), ties by row, without those that score nothing."""
    found = np.flatnonzero(scores)
    if len(found) > depth:
        least = np.partition(scores[found], len(found) - depth)[len(found) - depth]
        found = found[scores[found] >= least]
    order = np.lexsort((found, -scores[found]))[:depth]
    return found[order].astype(np.int64), scores[found][order]

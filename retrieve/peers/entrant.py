"""An entrant of the contest: ours or a peer, as something that is built, ranks documents for queries, and is weighed.

A peer ranks passages, and it is folded into documents by their best one, as ours is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from retrieve.peers.protocol import IntArray, Peer, Task, Texts
from retrieve.types import Query

WARM = 64
"""Texts, or documents, that an entrant is tried on before it is timed."""

Ranking = list[tuple[str, float]]


class Entrant(Protocol):
    """What takes part. `view` is the one asked for, None all of ours fused."""

    def warm_up(self) -> None:
        """Load and compile what is not part of the work."""

    def build(self) -> float:
        """Seconds that indexing the collection took."""

    def rank(self, query: Query, view: str | None) -> Ranking:
        """Documents with scores, best first."""

    def describe(self) -> dict[str, Any]:
        """`version`, `bytes` on disk (ours: by view; None: it keeps none), and `differences`."""


class PeerEntrant:
    """A peer of one view over the file of passages."""

    def __init__(self, place: str, package: str, task: Task, passages: Path, folder: Path) -> None:
        module, _, name = place.partition(":")
        self._package = package
        self._task = task
        self._passages = passages
        self._folder = folder
        self._peer: Peer = getattr(import_module(module), name)(task)
        with passages.open(encoding="utf-8") as lines:
            self._ids = [json.loads(line)[0] for line in lines]
        numbers: dict[str, int] = {}
        owners = [numbers.setdefault(doc_id, len(numbers)) for doc_id in self._ids]
        self._owners: IntArray = np.array(owners, np.int64)
        self._whole = len(numbers) == len(self._ids)
        folder.mkdir()

    def warm_up(self) -> None:
        """On a few passages."""
        self._peer.warm_up(Texts(self._passages, WARM), self._folder / "warm")

    def build(self) -> float:
        """Of all passages."""
        start = time.perf_counter()
        self._peer.build(Texts(self._passages), self._folder / "index")
        return time.perf_counter() - start

    def rank(self, query: Query, view: str | None) -> Ranking:
        """More passages are asked for until there are k documents, or no more passages."""
        wanted = self._task.k + self._task.drop_self
        depth = wanted
        while True:
            rows, scores = self._peer.search(query.text, depth)
            first = self._first_of_each(rows)
            if self._whole or len(first) >= wanted or len(rows) < depth:
                break
            depth *= 2
        dropped = query.id if self._task.drop_self else None
        found = zip(rows[first].tolist(), scores[first].tolist(), strict=True)
        ranking = [(self._ids[row], score) for row, score in found if self._ids[row] != dropped]
        return ranking[: self._task.k]

    def _first_of_each(self, rows: IntArray) -> IntArray:
        if self._whole:
            return np.arange(len(rows))
        return np.sort(np.unique(self._owners[rows], return_index=True)[1])

    def describe(self) -> dict[str, Any]:
        """With its version as installed."""
        try:
            installed = version(self._package)
        except PackageNotFoundError:
            installed = None
        return {
            "version": installed,
            "bytes": self._peer.stored_bytes(self._folder / "saved"),
            "differences": list(self._peer.differences),
        }


def written_passages(place: Path, rows: Sequence[tuple[str, Sequence[str]]]) -> int:
    """Append documents' ids and the texts of their passages to a file, a line each; returns how many lines."""
    with place.open("a", encoding="utf-8") as file:
        for doc_id, texts in rows:
            for text in texts:
                file.write(json.dumps([doc_id, text]) + "\n")
    return sum(len(texts) for _, texts in rows)

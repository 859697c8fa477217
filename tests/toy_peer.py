"""Peers that no package has: one that counts words, and those that fail. Processes of their own import them by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from retrieve.peers.protocol import FloatArray, IntArray, Peer, Texts, best_rows
from retrieve.peers.registry import Listed


class WordCount(Peer):
    """score = how many words of the query are in the passage."""

    differences = ("it counts words",)

    def build(self, texts: Texts, folder: Path) -> None:
        self._words = [set(text.lower().replace(".", " ").split()) for text in texts]

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        asked = set(query.lower().split())
        return best_rows(np.array([float(len(asked & words)) for words in self._words]), depth)

    def stored_bytes(self, folder: Path) -> int | None:
        return sum(len(word) for words in self._words for word in words)


class Raises(WordCount):
    def build(self, texts: Texts, folder: Path) -> None:
        raise ValueError("no room for texts")


class Dies(WordCount):
    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        os.write(1, b"assertion failed\n")
        os._exit(3)


def listed(kind: type[Peer], view: str = "bm25") -> Listed:
    return Listed(f"{__name__}:{kind.__name__}", view, ["numpy"], "no-such-package", "nothing")

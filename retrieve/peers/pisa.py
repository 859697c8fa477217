"""PISA through PyTerrier's package: compressed postings in memory, block-max WAND. It runs without Java."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieve.errors import UsageError
from retrieve.peers.protocol import FloatArray, IntArray, Peer, Task, Texts, folder_bytes

_BUILDING = ("fwd", "inv.docs", "inv.freqs")
_STEMMERS = {"english": "porter2", "none": "none"}


class Pisa(Peer):
    """Block-max WAND over blocks of SIMD-BP128; a repeated word of a query counts as often as it is there."""

    differences = (
        "analyzer: its own words, an older Snowball stemmer; stop words are indexed and left out of queries",
        "every query goes through a pandas frame, which is a part of its time",
        "bytes are of its compressed index, bounds, lexicons and ids, without the files that only building reads",
    )

    def __init__(self, task: Task) -> None:
        import pyterrier_pisa

        super().__init__(task)
        if task.language not in _STEMMERS:
            raise UsageError(
                f"PISA has no stemmer for bm25.language = {task.language!r}: leave it out of the peers"
            )
        self._package: Any = pyterrier_pisa
        self._depth = 0

    def build(self, texts: Texts, folder: Path) -> None:
        """Forward index, inverted index, lexicons."""
        self._index = self._package.PisaIndex(
            str(folder),
            text_field="text",
            stemmer=_STEMMERS[self.task.language],
            stops="lucene" if self.task.stopwords else "none",
            threads=1,
        )
        self._index.index({"docno": str(row), "text": text} for row, text in enumerate(texts))
        self._folder = folder
        self._depth = 0
        self.ranker(self.task.k)  # maps the index

    def ranker(self, depth: int) -> Any:
        """PyTerrier's transformer of a frame of queries into one of results, at most so many for each."""
        if depth != self._depth:
            self._depth = depth
            self._ranker: Any = self._index.bm25(
                k1=self.task.k1, b=self.task.b, num_results=depth, threads=1, query_weighted=True
            )
        return self._ranker

    def search(self, query: str, depth: int) -> tuple[IntArray, FloatArray]:
        """One frame of one query."""
        found = self.ranker(depth).search(query)
        return found["docno"].to_numpy().astype(np.int64), found["score"].to_numpy()

    def stored_bytes(self, folder: Path) -> int | None:
        """Without what only building reads."""
        building = sum((self._folder / name).stat().st_size for name in _BUILDING)
        return folder_bytes(self._folder) - building

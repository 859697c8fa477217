"""Ours as an entrant: an index of its own, built without the cache, asked one query at a time through `Index.run`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from retrieve.api import Index
from retrieve.corpora.dataset import read_dataset
from retrieve.peers.entrant import WARM, Ranking
from retrieve.peers.protocol import Task
from retrieve.types import Query

_REMARK = (
    "it reads the collection's files, cuts the documents and keeps their texts beside: peers get passages cut"
)


class OurEntrant:
    """The recipe with all its views, over the dataset as it is given out."""

    def __init__(self, dataset: str, split: str, task: Task, folder: Path) -> None:
        self._corpus = read_dataset(dataset, split).corpus
        self._task = task
        self._folder = folder
        folder.mkdir()

    def warm_up(self) -> None:
        """On a few documents; its model stays loaded as long as the index is open."""
        self._tried = self._create("warm")
        self._tried.add(islice(self._corpus, WARM))
        self._index = self._tried
        views = self._tried.recipe.views
        for view in (*views, None) if len(views) > 1 else views:
            self.rank(Query("", next(iter(self._corpus)).text[:100] or "empty"), view)

    def build(self) -> float:
        """Of the whole collection, in one commit."""
        start = time.perf_counter()
        self._index = self._create("index")
        self._index.add(self._corpus)
        return time.perf_counter() - start

    def rank(self, query: Query, view: str | None) -> Ranking:
        """Ids and scores, as a run has them."""
        asked = {**self._task.options, "using": "hybrid" if view is None else view}
        result = self._index.run([query], self._task.k, drop_self=self._task.drop_self, **asked)
        return result.rankings[0][1]

    def describe(self) -> dict[str, Any]:
        """Bytes of each view, with the vectors that are kept for it, and of the whole index (None)."""
        sizes = self._index.info()["bytes"]
        views = {
            view: sizes[view] + (sizes.get("vectors", 0) if view == "dense" else 0)
            for view in self._index.recipe.views
        }
        return {
            "version": version("retrieve-engine"),
            "bytes": {**views, "total": sizes["total"]},
            "differences": [_REMARK, *self._alone()],
        }

    def _alone(self) -> Iterator[str]:
        """Settings that change what is indexed, and that no peer has."""
        recipe = self._index.recipe
        if recipe.bm25 is not None and recipe.bm25.title_weight > 1:
            yield f"bm25.title_weight = {recipe.bm25.title_weight}: peers get every title once"
        if recipe.late_chunking:
            yield "dense.late_chunking: peers encode every passage for itself"

    def _create(self, name: str) -> Index:
        return Index.create(self._folder / name, self._task.recipe, cache=False, device=self._task.device)

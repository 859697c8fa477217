"""What each view finds for the judged queries under each of its own settings: scored once, and kept in a folder.

Every fusion, weight and depth is then a matter of arithmetic. A tuning that is interrupted finds here what it had.
"""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retrieve.api import Index
from retrieve.errors import UsageError
from retrieve.files import checksum_bytes, write_file
from retrieve.search.fusion import fuse_pools
from retrieve.search.pool import Pool
from retrieve.tuning.space import DEPTHS, Config
from retrieve.types import Progress, Query

DEPTH = max(DEPTHS)
_RECORD = "tuning.json"

_log = logging.getLogger("retrieve")


class Asked(NamedTuple):
    """A view under settings of its own: all that its ranking depends on."""

    view: str
    settings: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, view: str, config: Config) -> Asked:
        """A view of a configuration."""
        own: dict[str, Any] = {"aggregate": config.aggregate}
        if view == "bm25":
            own |= {"k1": config.k1, "b": config.b, "rm3": config.rm3}
        if view == "uhd" and config.query_winners is not None:
            own["query_winners"] = config.query_winners
        return cls(view, tuple(sorted(own.items())))

    @property
    def file(self) -> str:
        """The name of what was found."""
        return f"{self.view}-{checksum_bytes(repr(self).encode())[:16]}.jsonl.gz"


class Scored:
    """Rankings of the judged queries, by view and settings, the `DEPTH` best of each."""

    def __init__(
        self,
        index: Index,
        queries: Sequence[Query],
        folder: Path,
        *,
        depth: int = DEPTH,
        drop_self: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """`folder` holds what was found for these very queries in this generation, or is begun anew.

        `depth`: how many documents of a view are kept. Raises `UsageError` for a folder that holds anything else.
        """
        self.queries = queries
        self._index = index
        self._folder = folder
        self._depth = depth
        self._drop_self = drop_self
        self._progress = progress
        self._views = index.recipe.views
        self._numbers: dict[str, int] = {}
        self._found: dict[Asked, list[Pool]] = {}
        record = json.dumps(
            {
                "generation": index.generation,
                "layout": index.layout,
                "encoder": index.fingerprint,
                "drop_self": drop_self,
                "depth": depth,
                "search": index.recipe.search.model_dump(mode="json"),
                "queries": checksum_bytes(repr([(query.id, query.text) for query in queries]).encode()),
            }
        )
        begun = own_files(folder)
        if not (folder / _RECORD).is_file() or (folder / _RECORD).read_text() != record:
            for path in begun:
                path.unlink()
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / _RECORD, record.encode())

    def rankings(self, config: Config, most: int) -> list[dict[str, float]]:
        """Each query's `most` best documents under a configuration, as `Index.run` has them; ties by document id."""
        asked = [
            (Asked.of(view, config), weight)
            for view, weight in zip(self._views, config.weights, strict=True)
            if weight
        ]
        pools = [self._pools(each) for each, _ in asked]
        names = list(self._numbers)
        depth = max(config.depth, most)
        return [
            _best(
                names,
                [Pool(*(part[:depth] for part in pool)) for pool in of_query],
                [weight * adapted[each.view] for each, weight in asked],
                config,
                most,
            )
            for *of_query, adapted in zip(*pools, self._adapted, strict=True)
        ]

    @cached_property
    def _adapted(self) -> list[dict[str, float]]:
        """What searches with equal weights weigh each view for each query."""
        equal = dict.fromkeys(self._views, 1.0)
        return [
            self._index.query_weights(query.text, using=list(self._views), weights=equal)
            for query in self.queries
        ]

    def _pools(self, asked: Asked) -> list[Pool]:
        if asked not in self._found:
            path = self._folder / asked.file
            read = self._read(path)
            if read is None:
                self._score(asked, path)
                read = self._read(path)
                assert read is not None, "it was just written"
            self._found[asked] = read
        return self._found[asked]

    def _score(self, asked: Asked, path: Path) -> None:
        answers = self._index.iter_run(
            self.queries,
            self._depth,
            using=asked.view,
            depth=self._depth,
            unit="document",
            reranker="",
            drop_self=self._drop_self,
            **dict(asked.settings),
        )
        lines = [json.dumps([answer.query_id, *_columns(answer.ranking)]) for answer in answers]
        write_file(path, gzip.compress("\n".join(lines).encode(), 1, mtime=0))
        if self._progress is not None:
            self._progress("rankings of a view", len(list(self._folder.glob("*.gz"))), None)

    def _read(self, path: Path) -> list[Pool] | None:
        """What was found before; None where that is nothing, or not whole."""
        try:
            lines = gzip.decompress(path.read_bytes()).decode().splitlines()
            rows = [json.loads(line) for line in lines]
        except FileNotFoundError:
            return None
        except (OSError, EOFError, zlib.error, ValueError) as error:
            _log.warning("%s cannot be read (%s): it is made again", path, error)
            return None
        if [query_id for query_id, _, _ in rows] != [query.id for query in self.queries]:
            _log.warning("%s is not whole: it is made again", path)
            return None
        pools = []
        for _, ids, scores in rows:
            keys = [self._numbers.setdefault(doc_id, len(self._numbers)) for doc_id in ids]
            pools.append(Pool(np.array(keys, np.int64), np.array(scores, np.float64)))
        return pools


def own_files(folder: Path) -> list[Path]:
    """What a tuning wrote into a folder; none where there is no such folder. Raises `UsageError` for anything else."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the rankings, new or empty")
    found = sorted(folder.iterdir())
    others = [path.name for path in found if path.name != _RECORD and not path.name.endswith(".jsonl.gz")]
    if others or (found and not (folder / _RECORD).is_file()):
        raise UsageError(
            f"{folder} holds {(others or [found[0].name])[0]!r}, which no tuning wrote: name a new or empty folder"
        )
    return found


def remove_own(folder: Path) -> None:
    """Take away what a tuning wrote, and the folder."""
    for path in own_files(folder):
        path.unlink()
    folder.rmdir()


def _columns(ranking: list[tuple[str, float]]) -> tuple[list[str], list[float]]:
    return [doc_id for doc_id, _ in ranking], [score for _, score in ranking]


def _best(
    names: Sequence[str], pools: Sequence[Pool], weights: Sequence[float], config: Config, most: int
) -> dict[str, float]:
    if len(pools) == 1:
        keys, scores = pools[0]
        return {names[key]: score for key, score in zip(keys[:most].tolist(), scores.tolist(), strict=False)}
    keys, scores = fuse_pools(pools, weights, config.fusion)
    if len(keys) > most:
        at = np.flatnonzero(scores >= np.partition(scores, len(keys) - most)[len(keys) - most])
        keys, scores = keys[at], scores[at]
    ranked = sorted((-score, names[key]) for key, score in zip(keys.tolist(), scores.tolist(), strict=True))
    return {doc_id: -score for score, doc_id in ranked[:most]}

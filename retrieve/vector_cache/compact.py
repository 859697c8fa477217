"""Small shards of the vector cache become larger ones, so that a thousand small additions do not leave a thousand.

Shards are merged by tiers, each eight times as large as the one before: a row is written again once a tier, and eight
shards of a tier are the most there are. What is merged is checked first, as a shard that is damaged has to stay for
people to hear of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from retrieve.errors import IndexCorrupt
from retrieve.files import remove_folder
from retrieve.vector_cache.shards import (
    Rows,
    Space,
    damage,
    folders_in,
    locked,
    publish_shard,
    read_shard,
    shards_folder,
)

MOST = 8
"""So many shards of a tier become one."""

LARGEST = 1 << 26
"""Bytes of shards that are merged at once, 64 MiB: what one addition may have to read and to write beside its own."""


class _Shard(NamedTuple):
    path: Path
    rows: int


def overfull(rows: Mapping[str, int], space: Space) -> bool:
    """Whether shards of these numbers of rows, by name, are worth merging."""
    return bool(_next(tuple(_Shard(Path(name), count) for name, count in rows.items()), space))


def compact(root: Path, space: Space, left_out: Iterable[str] = ()) -> dict[str, str]:
    """Merge small shards of a space until no tier has too many; `left_out` are known to be damaged.

    Whoever adds or removes waits meanwhile; who reads finds the rows in the merged shard when it looks for shards
    again. A crash leaves whole shards, some of them twice. A merged shard was last used when the last used of its parts
    was. Returns the shards that were found damaged and left as they are, with their problems; raises OSError.
    """
    problems = dict.fromkeys(left_out, "")
    folder = shards_folder(root, space)
    with locked(root, exclusive=True):
        while True:
            shards = [shard for path in folders_in(folder) if (shard := _shard(path, space, problems))]
            parts = _next(shards, space)
            if not parts:
                break
            whole = [shard.path for shard in parts if _is_whole(shard.path, space, problems)]
            if len(whole) > 1:
                _merge(whole, folder, space)
    return {name: problem for name, problem in problems.items() if problem}


def _next(shards: Iterable[_Shard], space: Space) -> list[_Shard]:
    """Shards to merge: of the lowest tier that has too many as many as may be merged at once; none if no tier has."""
    tiers: dict[int, list[_Shard]] = {}
    for shard in shards:
        tiers.setdefault(_tier(shard.rows), []).append(shard)
    for _, tier in sorted(tiers.items()):
        chosen: list[_Shard] = []
        room = LARGEST
        for shard in sorted(tier, key=lambda shard: (shard.rows, shard.path.name)):
            room -= shard.rows * space.bytes_of_row
            if room < 0:
                break
            chosen.append(shard)
        if len(chosen) >= MOST:
            return chosen
    return []


def _tier(rows: int) -> int:
    tier = 0
    while rows >= MOST:
        rows //= MOST
        tier += 1
    return tier


def _shard(path: Path, space: Space, problems: dict[str, str]) -> _Shard | None:
    if path.name in problems:
        return None
    try:
        return _Shard(path, len(read_shard(path, space).keys))
    except IndexCorrupt as error:
        problems[path.name] = str(error)
        return None


def _is_whole(path: Path, space: Space, problems: dict[str, str]) -> bool:
    problem = damage(path, space)
    if problem is not None:
        problems[path.name] = problem
    return problem is None


def _merge(parts: list[Path], folder: Path, space: Space) -> None:
    read = [read_shard(path, space) for path in parts]
    columns = zip(*read, strict=True)
    rows = Rows(*(np.concatenate(column) for column in columns)).in_order()
    used = max(path.stat().st_mtime_ns for path in parts)
    merged = publish_shard(folder, space, rows, lambda building: os.utime(building, ns=(used, used)))
    for path in parts:
        if path != merged:  # one of them may have held all rows of the others
            remove_folder(path)

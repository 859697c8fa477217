"""What the vector cache of this machine holds, whether it is whole, and getting rid of it.

Shards are removed whole, under the lock that all who add share: so a dot-folder seen under it is a leftover of a crash,
and an emptied space can go. Who searches meanwhile sees misses. Token states that were kept are listed, checked and
removed with the vectors, each collection's folder as a shard of its own.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from retrieve.errors import IndexCorrupt, RetrieveError, UsageError
from retrieve.files import read_array, remove_folder
from retrieve.types import Progress
from retrieve.vector_cache.shards import (
    Space,
    damage,
    folders_in,
    locked,
    read_space,
    vectors_folder,
)
from retrieve.vector_cache.states import remove_left_states, states_damage, states_encoder, states_folders

_DAY = 86_400


class _Shard(NamedTuple):
    """A shard's folder, the bytes in it, and when it was added or last read from first, in seconds of the epoch."""

    path: Path
    bytes: int
    used: float


class _Held(NamedTuple):
    """A space's folder with its shards; no space, but a problem, if its `space.json` does not hold.

    Or one collection's token states: the folder is its only shard, and the encoder's `states_of` is known.
    """

    path: Path
    space: Space | None
    problem: str
    shards: list[_Shard]
    states_of: str | None = None

    @property
    def fingerprint(self) -> str | None:
        """The encoder's, where it is known."""
        return self.states_of if self.space is None else self.space.fingerprint


def cache_info(root: Path) -> list[dict[str, Any]]:
    """Per space: its fields, and `vectors`, `bytes`, `shards` and `last_use` (ISO 8601, UTC; None without shards).

    A space whose description is damaged has a `problem` in place of the fields. `last_use` is kept once for each
    process that uses a shard.
    """
    return [
        {
            **({"problem": held.problem} if held.space is None else held.space._asdict()),
            "vectors": sum(_count(shard.path) for shard in held.shards),
            "bytes": sum(shard.bytes for shard in held.shards),
            "shards": len(held.shards),
            "last_use": _iso(max(shard.used for shard in held.shards)) if held.shards else None,
        }
        for held in _spaces(root)
    ]


def states_info(root: Path) -> list[dict[str, Any]]:
    """Per collection of kept token states: the encoder's `fingerprint`, `bytes` and `last_use` (ISO 8601, UTC)."""
    return [
        {
            "fingerprint": held.fingerprint,
            "bytes": held.shards[0].bytes,
            "last_use": _iso(held.shards[0].used),
        }
        for held in _states(root)
    ]


def verify_cache(root: Path, progress: Progress | None = None) -> list[str]:
    """Problems, one sentence each, every byte of every shard read; what a crash left behind is none."""
    problems: list[str] = []
    everything = [*_spaces(root), *_states(root)]
    total, done = sum(len(held.shards) for held in everything), 0
    for held in everything:
        if held.problem:
            problems.append(held.problem)
            continue
        for shard in held.shards:
            if (problem := _problem(shard, held)) is not None:
                problems.append(problem)
            done += 1
            if progress is not None:
                progress("shards checked", done, total)
    return problems


def prune_cache(
    root: Path,
    *,
    fingerprint: str | None = None,
    older_than_days: float | None = None,
    max_bytes: int | None = None,
    damaged: bool = False,
    everything: bool = False,
) -> dict[str, int]:
    """Remove whole shards: `everything`, or those `damaged`, not used for some days, or the longest unused ones beyond
    `max_bytes`; what any of these names goes. A `fingerprint` prefix confines them to that encoder's spaces, and is
    enough alone. A space whose description is damaged is damaged as a whole.

    Returns `shards` and `bytes` removed, `leftovers` of crashes that went with them, `shards_left` and `bytes_left`.
    Raises `UsageError` if nothing was asked for, or what can never work, `RetrieveError` for a cache that this user may
    not change.
    """
    _check_request(fingerprint, older_than_days, max_bytes)
    rules = (older_than_days is not None, max_bytes is not None, damaged)
    if not everything and fingerprint is None and not any(rules):
        raise UsageError("nothing to remove: name an encoder, an age, a size, what is damaged, or all")
    everywhere = [*_spaces(root), *_states(root)]
    scope = [held for held in everywhere if fingerprint is None or _is_of(held, fingerprint)]
    doomed: set[Path] = set()
    if everything or not any(rules):
        doomed |= {shard.path for held in scope for shard in held.shards}
    if damaged:
        doomed |= {shard.path for held in scope for shard in held.shards if _is_damaged(held, shard)}
    if older_than_days is not None:
        limit = time.time() - older_than_days * _DAY
        doomed |= {shard.path for held in scope for shard in held.shards if shard.used < limit}
    if max_bytes is not None:
        left = [shard for held in scope for shard in held.shards if shard.path not in doomed]
        doomed |= {shard.path for shard in _beyond(left, max_bytes)}
    try:
        return _remove(root, doomed)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise RetrieveError(
            f"the vector cache {root} cannot be changed ({error.strerror}): prune as the user whose it is, or set "
            "$RETRIEVE_CACHE to another"
        ) from error


def _check_request(fingerprint: str | None, older_than_days: float | None, max_bytes: int | None) -> None:
    if fingerprint == "":
        raise UsageError("the beginning of a fingerprint is empty, and so any encoder's: give some digits")
    if older_than_days is not None and not older_than_days >= 0:
        raise UsageError(f"older than {older_than_days} days: wanted a number that is not negative")
    if max_bytes is not None and max_bytes < 0:
        raise UsageError(f"{max_bytes} bytes at most: wanted a number that is not negative")


def _is_of(held: _Held, fingerprint: str) -> bool:
    return held.fingerprint is not None and held.fingerprint.startswith(fingerprint)


def _is_damaged(held: _Held, shard: _Shard) -> bool:
    return bool(held.problem) or _problem(shard, held) is not None


def _problem(shard: _Shard, held: _Held) -> str | None:
    space = held.space
    found = states_damage(shard.path) if space is None else damage(shard.path, space)
    return found if shard.path.exists() else None  # pruned meanwhile


def _beyond(shards: list[_Shard], max_bytes: int) -> Iterator[_Shard]:
    """Shards that must go for the rest to fit, the longest unused first."""
    total = sum(shard.bytes for shard in shards)
    for shard in sorted(shards, key=lambda shard: (shard.used, shard.path)):
        if total <= max_bytes:
            return
        total -= shard.bytes
        yield shard


def _remove(root: Path, doomed: set[Path]) -> dict[str, int]:
    removed: list[_Shard] = []
    left: list[_Shard] = []
    leftovers = remove_left_states(root)
    for held in _states(root):
        _remove_shards(held, doomed, removed, left)
    if not vectors_folder(root).is_dir():
        return _report(removed, leftovers, left)
    with locked(root, exclusive=True):
        for held in _spaces(root):
            _remove_shards(held, doomed, removed, left)
            leftovers += _remove_leftovers(held.path / "shards")
            if all(shard.path in doomed for shard in held.shards):
                remove_folder(held.path)
        leftovers += _remove_leftovers(vectors_folder(root))
    return _report(removed, leftovers, left)


def _remove_shards(held: _Held, doomed: set[Path], removed: list[_Shard], left: list[_Shard]) -> None:
    for shard in held.shards:
        if shard.path in doomed:
            remove_folder(shard.path)
            removed.append(shard)
        else:
            left.append(shard)


def _remove_leftovers(folder: Path) -> int:
    """Delete the dot-folders of writers and prunes that were killed."""
    found = [path for path in folder.glob(".*") if path.is_dir()]
    for path in found:
        remove_folder(path)
    return len(found)


def _report(removed: list[_Shard], leftovers: int, left: list[_Shard]) -> dict[str, int]:
    return {
        "shards": len(removed),
        "bytes": sum(shard.bytes for shard in removed),
        "leftovers": leftovers,
        "shards_left": len(left),
        "bytes_left": sum(shard.bytes for shard in left),
    }


def _spaces(root: Path) -> list[_Held]:
    return [_held(folder) for folder in folders_in(vectors_folder(root))]


def _states(root: Path) -> list[_Held]:
    found = []
    for path in states_folders(root):
        shard = _shard(path)
        if shard is not None:
            fingerprint = states_encoder(path)
            problem = "" if fingerprint else f"{path} does not say whose token states it holds"
            found.append(_Held(path, None, problem, [shard], fingerprint))
    return found


def _held(folder: Path) -> _Held:
    shards = [shard for path in folders_in(folder / "shards") if (shard := _shard(path)) is not None]
    try:
        return _Held(folder, read_space(folder), "", shards)
    except IndexCorrupt as error:
        return _Held(folder, None, str(error), shards)


def _shard(path: Path) -> _Shard | None:
    try:
        return _Shard(path, sum(file.stat().st_size for file in path.iterdir()), path.stat().st_mtime)
    except FileNotFoundError:  # pruned meanwhile
        return None


def _count(shard: Path) -> int:
    """Vectors of a shard; none of a damaged one, which `verify_cache` names."""
    try:
        return len(read_array(shard / "keys.npy"))
    except IndexCorrupt:
        return 0


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Pruning, checking and describing the vector cache, on one whose shards were last used on known days."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from toy_cache import SPACE, add, check, flip, shards

from retrieve.errors import RetrieveError, UsageError
from retrieve.vector_cache import upkeep
from retrieve.vector_cache.cache import Space, VectorCache
from retrieve.vector_cache.shards import locked, shards_folder, vectors_folder
from retrieve.vector_cache.upkeep import cache_info, prune_cache, verify_cache

DAY = 86_400


def test_a_prune_waits_for_who_is_adding(tmp_path: Path) -> None:
    add(VectorCache.open(tmp_path, SPACE), ["a"])
    with ThreadPoolExecutor(1) as pool:
        with locked(tmp_path, exclusive=False):
            (shards_folder(tmp_path, SPACE) / ".building").mkdir()
            pruned = pool.submit(prune_cache, tmp_path, everything=True)
            time.sleep(0.1)
            assert not pruned.done()
            assert (shards_folder(tmp_path, SPACE) / ".building").is_dir()
        assert pruned.result()["leftovers"] == 1
    assert [path.name for path in vectors_folder(tmp_path).iterdir()] == ["lock"]


@pytest.fixture
def aged(tmp_path: Path) -> tuple[Path, list[Path]]:
    """A cache with four shards of equal size, used 40, 30, 20 and 10 days ago, the last of another encoder."""
    paths: list[Path] = []
    for number, text in enumerate("abcd"):
        space = SPACE if text != "d" else SPACE._replace(fingerprint="e" * 64)
        add(VectorCache.open(tmp_path, space), [text])
        [new] = set(shards(tmp_path, space)) - set(paths)
        used = time.time() - (40 - 10 * number) * DAY
        os.utime(new, (used, used))
        paths.append(new)
    return tmp_path, paths


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"older_than_days": 25}, "cd"),
        ({"older_than_days": 0}, ""),
        ({"older_than_days": 41}, "abcd"),
        ({"max_bytes": 2.5}, "cd"),
        ({"max_bytes": 3}, "bcd"),
        ({"max_bytes": 0}, ""),
        ({"everything": True}, ""),
        ({"damaged": True}, "abcd"),
        ({"fingerprint": "e"}, "abc"),
        ({"fingerprint": "f" * 64}, "d"),
        ({"fingerprint": "f", "everything": True}, "d"),
        ({"fingerprint": "f", "older_than_days": 25}, "cd"),
        ({"fingerprint": "f", "max_bytes": 1}, "cd"),
        ({"fingerprint": "f", "damaged": True}, "abcd"),
        ({"fingerprint": "0"}, "abcd"),
        ({"older_than_days": 35, "max_bytes": 1}, "d"),
    ],
)
def test_prune_removes_what_was_asked_for(
    aged: tuple[Path, list[Path]], options: dict[str, Any], left: str
) -> None:
    root, paths = aged
    size = sum(file.stat().st_size for file in paths[0].iterdir())
    if "max_bytes" in options:
        options = options | {"max_bytes": int(options["max_bytes"] * size)}
    count = len(left)
    assert prune_cache(root, **options) == {
        "shards": 4 - count,
        "bytes": (4 - count) * size,
        "leftovers": 0,
        "shards_left": count,
        "bytes_left": count * size,
    }
    assert [text for text, path in zip("abcd", paths, strict=True) if path.exists()] == list(left)
    assert len(cache_info(root)) == ("d" in left) + any(text in left for text in "abc")


@pytest.mark.parametrize(
    "options",
    [{}, {"fingerprint": ""}, {"older_than_days": -1}, {"older_than_days": float("nan")}, {"max_bytes": -1}],
)
def test_prune_refuses_what_can_never_work(aged: tuple[Path, list[Path]], options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        prune_cache(aged[0], **options)
    assert all(path.exists() for path in aged[1])


@pytest.mark.parametrize("kind", [errno.EACCES, errno.EROFS])
def test_a_cache_of_somebody_else_is_not_pruned_and_that_is_said(
    kind: int, aged: tuple[Path, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise OSError(kind, os.strerror(kind), str(path))

    monkeypatch.setattr(upkeep, "remove_folder", refused)
    with pytest.raises(RetrieveError, match=r"cannot be changed .*set \$RETRIEVE_CACHE"):
        prune_cache(aged[0], everything=True)
    assert sum(space["vectors"] for space in cache_info(aged[0])) == 4


def test_reading_is_a_use(aged: tuple[Path, list[Path]]) -> None:
    root, paths = aged
    check(VectorCache.open(root, SPACE), {"a"}, ["a"])
    prune_cache(root, older_than_days=1)
    assert [path.exists() for path in paths] == [True, False, False, False]


def test_prune_removes_damaged_shards_and_spaces(aged: tuple[Path, list[Path]]) -> None:
    root, paths = aged
    flip(paths[1] / "vectors.npy")
    (paths[3].parent.parent / "space.json").write_bytes(SPACE.canonical())
    assert len(verify_cache(root)) == 2
    [lost] = [row for row in cache_info(root) if "problem" in row]
    assert "not the one of its folder" in lost["problem"]
    assert prune_cache(root, damaged=True)["shards"] == 2
    assert [path.exists() for path in paths] == [True, False, True, False]
    assert verify_cache(root) == []


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"fingerprint": 1}', b"\xff"])
def test_a_space_without_its_description_is_a_problem_for_people_only(
    tmp_path: Path, content: bytes | None
) -> None:
    add(VectorCache.open(tmp_path, SPACE), ["a"])
    path = shards_folder(tmp_path, SPACE).parent / "space.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    check(VectorCache.open(tmp_path, SPACE), {"a"}, ["a"])
    [problem] = verify_cache(tmp_path)
    assert str(path) in problem


def test_info_counts(aged: tuple[Path, list[Path]]) -> None:
    root, paths = aged
    rows = {row["fingerprint"]: row for row in cache_info(root)}
    row = rows[SPACE.fingerprint]
    assert {name: row[name] for name in Space._fields} == SPACE._asdict()
    size = sum(file.stat().st_size for path in paths[:3] for file in path.iterdir())
    assert (row["vectors"], row["shards"], row["bytes"]) == (3, 3, size)
    used = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(paths[2].stat().st_mtime))
    assert row["last_use"] == used


def test_verify_tells_how_far_it_is(aged: tuple[Path, list[Path]]) -> None:
    told: list[tuple[str, int, int | None]] = []
    assert verify_cache(aged[0], lambda *step: told.append(step)) == []
    assert [step[1:] for step in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]

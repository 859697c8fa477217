"""The vector cache against a dict; crashes, damage, other processes and a disk that refuses."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_crash import die_at, in_child
from toy_cache import SPACE, add, check, flip, shards

from retrieve.errors import BadVectors
from retrieve.user_folders import cache_root
from retrieve.vector_cache import shards as shard_files
from retrieve.vector_cache.cache import Space, VectorCache, keys_of
from retrieve.vector_cache.shards import shards_folder
from retrieve.vector_cache.table import Table
from retrieve.vector_cache.upkeep import cache_info, prune_cache, verify_cache

FILES = ("keys", "vectors", "tokens", "cut")
FORK = multiprocessing.get_context("fork")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


TEXTS = st.text("abé\0 ", max_size=2)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "find", "refresh", "reopen"]), st.integers(0, 1), st.lists(TEXTS, max_size=6)
    ),
    max_size=12,
)


@settings(max_examples=30)
@given(STEPS)
def test_two_caches_on_one_root_say_what_dicts_would(steps: list[tuple[str, int, list[str]]]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        caches = [VectorCache.open(root, SPACE) for _ in range(2)]
        known: list[set[str]] = [set(), set()]
        for what, number, texts in steps:
            if what == "add":
                add(caches[number], texts)
                known[number].update(texts)
            elif what == "find":
                check(caches[number], known[number], texts)
            else:
                if what == "refresh":
                    caches[number].refresh()
                else:
                    caches[number] = VectorCache.open(root, SPACE)
                known[number] = known[0] | known[1]
        for cache, here in zip(caches, known, strict=True):
            check(cache, here, sorted(known[0] | known[1]))
        check(VectorCache.open(root, SPACE), known[0] | known[1], sorted(known[0] | known[1]))
        assert verify_cache(root) == []


HALVES = st.sampled_from([bytes(8), b"\0" * 7 + b"\1", b"\xff" * 8, b"\x7f" + b"\xff" * 7])


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.builds(bytes.__add__, HALVES, HALVES), max_size=8), max_size=4),
    st.sets(st.integers(0, 3)),
)
def test_keys_that_agree_in_half_are_told_apart(parts: list[list[bytes]], gone: set[int]) -> None:
    def array(keys: list[bytes]) -> np.ndarray[Any, Any]:
        return np.frombuffer(b"".join(keys), dtype="V16")

    table = Table.empty()
    for number, part in enumerate(parts):
        table = table.with_shards({str(number): array(part)})
    table = table.without_shards({str(number) for number in gone})
    wanted: dict[bytes, tuple[str, int]] = {}
    for number, part in enumerate(parts):
        for row, key in enumerate(part):
            if number not in gone:
                wanted.setdefault(key, (str(number), row))
    everything = [
        first + last for first in (bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7) for last in (first,)
    ]
    asked = [key for part in parts for key in part] + everything
    place = table.find(array(asked))
    got = [(table.shards[s], int(r)) if s >= 0 else None for s, r in zip(*place, strict=True)]
    assert got == [wanted.get(key) for key in asked]


def test_a_key_is_the_digest_of_the_string_that_was_fed() -> None:
    keys = keys_of(["", "a", "a\0", "\ud800"])
    assert keys.dtype == np.dtype("V16")
    assert keys[1].tobytes() == hashlib.blake2b(b"a", digest_size=16).digest()
    every = [*keys, *keys_of(["", "a"], b"one"), *keys_of(["", "a"], b"two"), *keys_of(["a"], b"x" * 1000)]
    assert len({key.tobytes() for key in every}) == len(every)
    assert len(keys_of([])) == 0


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "cache"
    cache = VectorCache.open(root, SPACE)
    add(cache, [])
    check(cache, set(), ["a"])
    assert cache_info(root) == verify_cache(root) == []
    assert prune_cache(root, everything=True)["shards"] == 0
    assert list(tmp_path.iterdir()) == []
    add(cache, ["b", "a", "b"])
    assert len(shards(root)) == 1
    add(cache, ["a"])
    assert len(shards(root)) == 1
    check(cache, {"a", "b"}, ["a", "b", "c"])


def test_spaces_never_share(tmp_path: Path) -> None:
    add(VectorCache.open(tmp_path, SPACE), ["a"])
    others: list[dict[str, Any]] = [
        {"fingerprint": "e" * 64},
        {"backend": "openvino"},
        {"precision": "int8"},
        {"limit": 255},
        {"dimensions": 4},
        {"calibration": "c"},
        {"numbers": "uint16"},
    ]
    assert {name for other in others for name in other} == set(Space._fields)
    for other in others:
        found = VectorCache.open(tmp_path, SPACE._replace(**other)).find(keys_of(["a"]))
        assert not found.hit.any()
        assert found.vectors.shape == (1, other.get("dimensions", 3))


def test_the_same_rows_in_any_order_are_the_same_shard(tmp_path: Path) -> None:
    one, two = (VectorCache.open(tmp_path, SPACE) for _ in range(2))
    add(one, ["a", "b", "c"])
    before = shards(tmp_path)
    add(two, ["c", "a", "b", "a"])
    assert shards(tmp_path) == before
    keys = np.load(before[0] / "keys.npy")
    assert [key.tobytes() for key in keys] == sorted(key.tobytes() for key in keys)
    check(two, {"a", "b", "c"}, ["a", "b", "c", "d"])


@pytest.mark.parametrize("which", range(4))
def test_rows_of_another_type_or_shape_are_refused(tmp_path: Path, which: int) -> None:
    good = [
        keys_of(["a", "b"]),
        np.ones((2, 3), np.float16),
        np.ones(2, dtype=np.int64),
        np.ones(2, dtype=np.int64),
    ]
    cache = VectorCache.open(tmp_path, SPACE)
    wrong_type = np.zeros(good[which].shape, dtype=np.float32)
    for wrong in (wrong_type, good[which][:1], good[which].reshape(1, 2, -1)):
        rows = [*good]
        rows[which] = wrong
        with pytest.raises(BadVectors, match="cannot be cached"):
            cache.add(*rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["flip", "truncate", "empty", "remove", "other shape", "header"])
def test_a_damaged_shard_is_a_miss_named_by_verify_and_written_anew(
    tmp_path: Path, name: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    add(VectorCache.open(tmp_path, SPACE), ["a", "b", "c"])
    add(VectorCache.open(tmp_path, SPACE), ["d"])
    opened_before = VectorCache.open(tmp_path, SPACE)
    shard = next(path for path in shards(tmp_path) if len(np.load(path / "keys.npy")) == 3)
    damage_file(shard / f"{name}.npy", how)
    for opened in (lambda: opened_before, lambda: VectorCache.open(tmp_path, SPACE)):
        caplog.clear()
        cache = opened()
        for _ in range(2):
            check(cache, {"d"}, ["a", "b", "c", "d"])
            cache.refresh()
        [warning] = warnings(caplog)
        assert str(shard) in warning
    [problem] = verify_cache(tmp_path)
    assert str(shard) in problem
    add(cache, ["a", "b", "c"])
    check(cache, {"a", "b", "c", "d"}, ["a", "b", "c", "d"])
    assert verify_cache(tmp_path) == []
    check(VectorCache.open(tmp_path, SPACE), {"a", "b", "c", "d"}, ["a", "b", "c", "d"])
    assert all(not path.name.startswith(".") for path in shards_folder(tmp_path, SPACE).iterdir())


def damage_file(path: Path, how: str) -> None:
    if how == "flip":
        flip(path)
    elif how == "header":
        flip(path, 1)
    elif how == "truncate":
        os.truncate(path, path.stat().st_size - 1)
    elif how == "empty":
        os.truncate(path, 0)
    elif how == "remove":
        path.unlink()
    else:
        np.save(path, np.load(path)[:2])


def test_a_shard_that_was_read_and_then_cut_short_is_a_miss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = VectorCache.open(tmp_path, SPACE)
    add(cache, ["a"])
    check(cache, {"a"}, ["a"])
    os.truncate(shards(tmp_path)[0] / "vectors.npy", 100)
    check(cache, set(), ["a"])
    assert len(warnings(caplog)) == 1


def test_a_shard_that_another_process_pruned_is_a_miss_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finder, refresher, adder = (VectorCache.open(tmp_path, SPACE) for _ in range(3))
    add(adder, ["a", "b"])
    finder.refresh()
    refresher.refresh()
    prune_cache(tmp_path, everything=True)
    check(finder, set(), ["a"])
    refresher.refresh()
    check(refresher, set(), ["a", "b"])
    add(finder, ["a", "b"])
    check(finder, {"a", "b"}, ["a", "b"])
    check(VectorCache.open(tmp_path, SPACE), {"a", "b"}, ["a", "b"])
    assert warnings(caplog) == []


def test_a_disk_that_refuses_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = VectorCache.open(tmp_path, SPACE)
    add(cache, ["a"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shard_files, "publish_folder", full)
        add(cache, ["b"])
        add(cache, ["c"])
    assert len(warnings(caplog)) == 1
    assert "No space left" in warnings(caplog)[0]
    check(cache, {"a"}, ["a", "b", "c"])
    assert len(list(shards_folder(tmp_path, SPACE).iterdir())) == 1
    add(cache, ["b"])
    check(cache, {"a", "b"}, ["a", "b", "c"])


def test_a_cache_in_the_way_of_a_file_costs_only_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "vectors").write_bytes(b"")
    cache = VectorCache.open(tmp_path, SPACE)
    add(cache, ["a"])
    check(cache, set(), ["a"])
    assert len(warnings(caplog)) == 1


def test_killed_before_any_change_it_leaves_whole_shards_and_what_prune_removes(tmp_path: Path) -> None:
    step, killed = 0, True
    while killed:
        step += 1
        root = tmp_path / str(step)
        add(VectorCache.open(root, SPACE._replace(backend="other")), ["a"])
        killed = in_child(
            partial(lambda root: add(VectorCache.open(root, SPACE), ["a", "b"]), root),
            prepare=partial(die_at, root, step, lambda *_: True),
        )
        assert verify_cache(root) == []
        cache = VectorCache.open(root, SPACE)
        whole = bool(cache.find(keys_of(["a"])).hit[0])
        assert whole or killed
        check(cache, {"a", "b"} if whole else set(), ["a", "b"])
        prune_cache(root, max_bytes=1 << 30)
        assert list(root.rglob(".*")) == []
        add(cache, ["a", "b"])
        check(VectorCache.open(root, SPACE), {"a", "b"}, ["a", "b"])
        assert verify_cache(root) == []
    assert step > 10  # files, folders and renames of a first add


def test_processes_and_threads_add_at_once(tmp_path: Path) -> None:
    def work(number: int) -> None:
        cache = VectorCache.open(tmp_path, SPACE)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda part: add(cache, texts_of(part)), [0, number, number + 1, 0]))
        check(cache, set(texts_of(0)), texts_of(0))

    children = [FORK.Process(target=work, args=(number,)) for number in (1, 2)]
    for child in children:
        child.start()
    for _ in range(5):
        prune_cache(tmp_path, max_bytes=1 << 30)  # waits for who is adding, and takes nothing from them
    for child in children:
        child.join()
        assert child.exitcode == 0
    everything = [text for part in range(4) for text in texts_of(part)]
    check(VectorCache.open(tmp_path, SPACE), set(everything), [*everything, "none"])
    assert len(shards(tmp_path)) == 4
    assert verify_cache(tmp_path) == []
    assert list(tmp_path.rglob(".*")) == []


def texts_of(part: int) -> list[str]:
    return [f"{part} {number}" for number in range(50)]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("RETRIEVE_CACHE", "/elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_root() == Path("/elsewhere")
    monkeypatch.setenv("RETRIEVE_CACHE", "")
    assert cache_root() == Path("/xdg/retrieve")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path("/home/me/.cache/retrieve")
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_root() == Path("/home/me/Library/Caches/retrieve")

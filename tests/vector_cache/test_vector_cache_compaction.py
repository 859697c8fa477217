"""Many small additions leave few shards, whatever happens meanwhile: crashes, damage, other processes, prunes."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_crash import die_at, in_child
from toy_cache import SPACE, add, check, flip, shards

from retrieve.vector_cache import compact as compaction
from retrieve.vector_cache.cache import VectorCache, keys_of
from retrieve.vector_cache.shards import Rows, shards_folder
from retrieve.vector_cache.upkeep import prune_cache, verify_cache

DAY = 86_400


def test_hundreds_of_single_additions_leave_some_tens_of_shards(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(300)]
    cache = VectorCache.open(tmp_path, SPACE)
    most = 0
    for text in texts:
        add(cache, [text])
        most = max(most, len([*shards_folder(tmp_path, SPACE).iterdir()]))
    assert most <= 3 * compaction.MOST  # three tiers: of one row, 8 and 64
    for found in (cache, VectorCache.open(tmp_path, SPACE)):
        check(found, set(texts), [*texts, "none"])
    assert verify_cache(tmp_path) == []


def test_a_row_is_written_once_a_tier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    publish = compaction.publish_shard

    def counted(folder: Path, space: object, rows: Rows, *rest: object) -> Path:
        nonlocal written
        written += len(rows.keys)
        return publish(folder, space, rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(compaction, "publish_shard", counted)
    cache = VectorCache.open(tmp_path, SPACE)
    for number in range(200):
        add(cache, [str(number)])
    assert 0 < written <= 200 * 2  # from one row to 8, to 64


def test_shards_that_are_large_together_are_left_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "LARGEST", 20 * SPACE.bytes_of_row)
    cache = VectorCache.open(tmp_path, SPACE)
    for number in range(40):
        add(cache, [f"{number} a", f"{number} b", f"{number} c"])
        largest = max(len(np.load(shard / "keys.npy")) for shard in shards(tmp_path))
        assert largest <= 20
    check(VectorCache.open(tmp_path, SPACE), {f"{n} {x}" for n in range(40) for x in "abc"}, ["0 a", "39 c"])


class Stop(BaseException):
    """A crash, as far as what is on disk goes."""


STEP = st.tuples(
    st.sampled_from(["add", "add", "add", "find", "refresh", "reopen", "crash", "prune"]),
    st.integers(0, 1),
    st.lists(st.sampled_from("abcdefghijklmnopqrst"), max_size=3),
)


@settings(max_examples=60)
@given(st.lists(STEP, max_size=40))
def test_whatever_happens_two_caches_say_what_a_dict_would(steps: list[tuple[str, int, list[str]]]) -> None:
    """`known` are the texts on disk: a cache has at least those it has seen, and never an answer of its own making."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "MOST", 3)
        root = Path(folder)
        caches = [VectorCache.open(root, SPACE) for _ in range(2)]
        known: set[str] = set()
        for what, number, texts in steps:
            if what in ("add", "crash"):
                with patch.context() as crash:
                    if what == "crash":
                        crash.setattr(compaction, "remove_folder", stop_after(len(texts)))
                    try:
                        add(caches[number], texts)
                    except Stop:
                        caches[number] = VectorCache.open(root, SPACE)
                known.update(texts)
            elif what == "prune":
                prune_cache(root, everything=True)
                known.clear()
                for cache in caches:
                    cache.refresh()
            elif what == "refresh":
                caches[number].refresh()
            elif what == "reopen":
                caches[number] = VectorCache.open(root, SPACE)
            else:
                hits = caches[number].find(keys_of(texts)).hit
                check(caches[number], {text for text, hit in zip(texts, hits, strict=True) if hit}, texts)
                assert {text for text, hit in zip(texts, hits, strict=True) if hit} <= known
            check(VectorCache.open(root, SPACE), known, [*"abcdefghijklmnopqrst"])
        assert verify_cache(root) == []
        if known:
            counts = [len(np.load(shard / "keys.npy")) for shard in shards(root)]
            assert sum(counts) >= len(known)


def stop_after(removals: int) -> partial[None]:
    left = [removals]

    def remove(path: Path) -> None:
        if not left[0]:
            raise Stop
        left[0] -= 1
        real(path)

    real = compaction.remove_folder
    return partial(remove)


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Path]:
    """A cache in which the next addition of one row is one too many."""
    cache = VectorCache.open(tmp_path, SPACE)
    for number in range(compaction.MOST - 1):
        add(cache, [str(number)])
    assert len(shards(tmp_path)) == compaction.MOST - 1
    yield tmp_path


EIGHT = {str(number) for number in range(compaction.MOST)}


@pytest.mark.long
def test_killed_before_any_change_it_leaves_every_row(
    crowded: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    step, killed = 0, True
    while killed:
        step += 1
        root = tmp_path_factory.mktemp("root") / "cache"
        shutil.copytree(crowded, root)
        killed = in_child(
            lambda root=root: add(VectorCache.open(root, SPACE), [str(compaction.MOST - 1)]),
            prepare=partial(die_at, root, step, lambda *_: True),
        )
        assert verify_cache(root) == []
        cache = VectorCache.open(root, SPACE)
        last = bool(cache.find(keys_of([str(compaction.MOST - 1)])).hit[0])
        check(cache, EIGHT if last else EIGHT - {str(compaction.MOST - 1)}, sorted(EIGHT))
        prune_cache(root, max_bytes=1 << 30)  # leftovers
        for text in ["more", "and more", *sorted(EIGHT)]:
            add(cache, [text])
        check(
            VectorCache.open(root, SPACE), EIGHT | {"more", "and more"}, [*sorted(EIGHT), "more", "and more"]
        )
    assert step > 20


def test_who_has_a_merged_part_open_finds_its_rows_all_the_same(
    crowded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = VectorCache.open(crowded, SPACE)
    add(VectorCache.open(crowded, SPACE), [str(compaction.MOST - 1)])
    assert len(shards(crowded)) == 1
    check(reader, EIGHT, [*sorted(EIGHT), "none"])
    assert not caplog.records


def test_a_part_that_holds_all_rows_of_the_others_is_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MOST", 3)
    whole, one, other = (VectorCache.open(tmp_path, SPACE) for _ in range(3))
    add(whole, ["a", "b"])
    add(one, ["a"])
    add(other, ["b"])
    assert len(shards(tmp_path)) == 3
    assert compaction.compact(tmp_path, SPACE) == {}
    assert len(shards(tmp_path)) == 1
    check(VectorCache.open(tmp_path, SPACE), {"a", "b"}, ["a", "b", "c"])


def test_a_damaged_shard_stays_and_is_said(crowded: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = VectorCache.open(crowded, SPACE)
    damaged = shards(crowded)[0]
    [lost] = np.load(damaged / "keys.npy")
    flip(damaged / "vectors.npy")
    add(cache, [str(compaction.MOST - 1)])
    assert damaged.exists()
    assert len(shards(crowded)) == 2
    [problem] = verify_cache(crowded)
    assert str(damaged) in problem
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    [gone] = [text for text in EIGHT if keys_of([text])[0] == lost]
    check(cache, EIGHT - {gone}, sorted(EIGHT))
    for number in range(20):  # what is known to be damaged is not tried again
        add(cache, [f"more {number}"])
    assert damaged.exists()
    assert len(caplog.records) == 1


def test_a_merged_shard_was_used_when_its_newest_part_was(crowded: Path) -> None:
    now = time.time()
    for number, shard in enumerate(shards(crowded)):
        os.utime(shard, (now - (number + 10) * DAY,) * 2)
    cache = VectorCache.open(crowded, SPACE)
    newest = now - 5 * DAY
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "retrieve.vector_cache.cache.overfull", lambda *_: False
        )  # the eighth is added, and not merged yet
        add(cache, [str(compaction.MOST - 1)])
    [new] = [shard for shard in shards(crowded) if shard.stat().st_mtime > now - DAY]
    os.utime(new, (newest,) * 2)
    assert compaction.compact(crowded, SPACE) == {}
    [merged] = shards(crowded)
    assert abs(merged.stat().st_mtime - newest) < 1


def test_a_disk_that_refuses_to_merge_keeps_what_is_there(
    crowded: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    cache = VectorCache.open(crowded, SPACE)
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "publish_shard", full)
        for text in (str(compaction.MOST - 1), "one more"):
            add(cache, [text])
    check(cache, EIGHT | {"one more"}, [*sorted(EIGHT), "one more"])
    assert len(caplog.records) == 1
    add(cache, ["and another"])
    assert len(shards(crowded)) < compaction.MOST

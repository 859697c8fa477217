"""How bytes reach the disk, and who may be there at the same time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import IndexCorrupt, IndexLocked, RetrieveError
from retrieve.files import (
    ReaderLock,
    check_small,
    checksum_bytes,
    checksum_file,
    has_readers,
    new_array,
    read_array,
    read_checked,
    remove_folder,
    seal_folder,
    want_descriptor,
    write_array,
    write_file,
    writer_lock,
)
from retrieve.store.documents import DocumentTable, write_documents
from retrieve.store.manifest import read_manifest


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            write_file(path, b"new and longer")
    assert path.read_bytes() == b"old"
    write_file(path, b"new")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"file": b"new"}


def test_bytes_are_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().relative_to(tmp_path)}")
        sync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        steps.append(f"rename {source.relative_to(tmp_path)}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", renamed)
    write_file(tmp_path / "a", b"x")
    assert steps == ["sync .a.new", "rename .a.new", "sync ."]
    steps.clear()
    write_array(tmp_path / "building/sub/x.npy", np.arange(3))
    seal_folder(tmp_path / "building", tmp_path / "sealed")
    assert set(steps[:3]) == {"sync building", "sync building/sub", "sync building/sub/x.npy"}
    assert steps[3:] == ["rename building", "sync ."]


def test_sealing_tells_sizes_and_checksums(tmp_path: Path) -> None:
    write_array(tmp_path / "building/b/x.npy", np.arange(1000))
    (tmp_path / "building/a").write_bytes(b"")
    files = seal_folder(tmp_path / "building", tmp_path / "sealed")
    assert not (tmp_path / "building").exists()
    assert files == {
        name: ((tmp_path / "sealed" / name).stat().st_size, checksum_file(tmp_path / "sealed" / name))
        for name in ("a", "b/x.npy")
    }
    assert files["a"] == (0, checksum_bytes(b""))


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    dtype=st.sampled_from(["u1", "u4", "i8", "f2", "f4", "?", "V16", "S3", "U3"]),
)
def test_arrays_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], dtype: str
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path_factory.mktemp("array") / "x.npy"
    write_array(path, array.T)
    found = read_array(path)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array.T)
    assert not found.flags.writeable


def test_a_new_array_has_its_room_or_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    array = new_array(path, (1000, 30), "float16")
    assert path.stat().st_blocks * 512 >= path.stat().st_size  # no hole that a full disk could not fill
    assert not array.any()
    array[:] = 3
    assert (read_array(path) == 3).all()
    assert new_array(tmp_path / "none.npy", (0, 30), "int8").shape == (0, 30)

    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device, wanted \d+ bytes: .*full\.npy") as caught:
        new_array(tmp_path / "full.npy", (1000, 30), "float16")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array", None])
def test_what_is_no_array_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IndexCorrupt, match=r"x\.npy"):
        read_array(path)


def test_no_flipped_bit_of_a_file_is_read(tmp_path: Path) -> None:
    """With a checksum none; without one a header is right or refused, by no other error than ours."""
    path = tmp_path / "x.npy"
    array = np.arange(24, dtype=np.float16).reshape(4, 6)
    write_array(path, array)
    good, checksum = path.read_bytes(), checksum_file(path)
    for bit in range(8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(IndexCorrupt, match=r"x\.npy fails its checksum"):
            read_array(path, checksum)
        if bit < 8 * 128:
            with pytest.raises(IndexCorrupt, match=r"x\.npy"):
                read_array(path)
    path.write_bytes(good)
    assert np.array_equal(read_array(path, checksum), array)


def test_a_large_array_is_mapped_and_checked_up_to_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npy"
    write_array(path, np.arange(300_000))
    checksum = checksum_file(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexCorrupt, match=r"x\.npy fails its checksum"):
        read_array(path, checksum)
    monkeypatch.setattr("retrieve.files.LARGEST_CHECKED", 1 << 20)
    found = read_array(path, checksum)
    assert found[-1] != 299_999
    assert isinstance(found.base, np.ndarray)
    assert not found.flags.writeable
    assert not check_small(path, len(data), checksum)


@pytest.fixture
def _no_descriptors(tmp_path: Path) -> Iterator[None]:
    """This process may open no more files, not even to import something."""
    import resource

    assert tmp_path.is_dir()
    with writer_lock(tmp_path / "lock"):
        pass
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened) + 64, before[1]))
    try:
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        assert error.errno == errno.EMFILE
    try:
        yield
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_no_descriptors")
def test_a_missing_descriptor_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"  # nothing is opened, so that it need not be there

    def lock() -> None:
        with writer_lock(tmp_path / "lock"):
            pass

    for use in (
        lambda: read_array(path),
        lambda: read_checked(path, ""),
        lambda: checksum_file(path),
        lambda: check_small(path, 1, ""),
        lambda: write_file(path, b""),
        lambda: write_array(path, np.arange(3)),
        lambda: has_readers(path),
        lambda: ReaderLock.take(tmp_path / "readers" / "1"),
        lambda: DocumentTable.open(tmp_path / "documents.sqlite"),
        lambda: write_documents(tmp_path / "documents.sqlite", []),
        lambda: read_manifest(tmp_path),
        want_descriptor,
        lock,
    ):
        with pytest.raises(
            OSError, match=r"Too many open files .*`ulimit -n`.*`retrieve index merge`"
        ) as caught:
            use()
        assert caught.value.errno == errno.EMFILE


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(IndexCorrupt, match=r"x\.npy"):
        read_array(tmp_path / "x.npy")


def test_removing_a_folder_hides_it_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_array(tmp_path / "segment/x.npy", np.arange(3))
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda path: None)  # killed after the rename
        remove_folder(tmp_path / "segment")
    assert [path.name for path in tmp_path.iterdir()] == [".gone-segment"]
    remove_folder(tmp_path / "segment")
    assert not list(tmp_path.iterdir())
    remove_folder(tmp_path / "segment")


def test_one_writer(tmp_path: Path) -> None:
    with (
        writer_lock(tmp_path / "lock"),
        pytest.raises(IndexLocked, match=tmp_path.name),
        writer_lock(tmp_path / "lock"),
    ):
        pass
    with writer_lock(tmp_path / "lock"):
        pass


def test_readers_are_seen_until_the_last_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "readers" / "3"
    assert not has_readers(path)
    first, second = ReaderLock.take(path), ReaderLock.take(path)
    first.release()
    first.release()
    assert has_readers(path)
    assert path.exists()
    del second  # forgotten is as good as released
    assert not has_readers(path)
    assert not path.exists()


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking, a writer may find that nobody holds the file, and remove it."""
    path = tmp_path / "readers" / "3"
    lock = fcntl.flock
    removed = []

    def late(descriptor: int, how: int) -> None:
        if how == fcntl.LOCK_SH and not removed:
            removed.append(path.unlink())
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    held = ReaderLock.take(path)
    assert removed
    assert has_readers(path)
    held.release()


def test_storage_that_nobody_can_write_needs_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="read-only"):
        ReaderLock.take(tmp_path / "readers" / "3")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    ReaderLock.take(tmp_path / "readers" / "3").release()


def test_a_folder_that_may_not_be_written_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "lock"))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(RetrieveError, match=r"cannot be written .*on a copy"), writer_lock(tmp_path / "lock"):
        pass

"""Many arrays in one file: what comes out is what went in, and any damage is named."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retrieve import packed
from retrieve.errors import IndexCorrupt
from retrieve.packed import PackedArrays, PackedWriter

_TYPES = st.sampled_from(
    ["bool", "int8", "uint8", "<u2", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "S3", "<U4"]
)
_ARRAYS = _TYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0))
)


def _written(path: Path, arrays: dict[str, np.ndarray]) -> PackedArrays:
    writer = PackedWriter(path)
    for name, values in arrays.items():
        writer.add(name, values)
    return PackedArrays(path, *writer.finish())


@settings(max_examples=80, deadline=None)
@given(
    arrays=st.dictionaries(st.text(min_size=1, max_size=8), _ARRAYS, max_size=6),
    in_memory=st.sampled_from([0, 1, 100, 1 << 20]),
    rooms=st.sets(st.integers(0, 5)),
)
def test_arrays_come_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray], in_memory: int, rooms: set[int]
) -> None:
    path = tmp_path_factory.mktemp("packed") / "arrays"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_IN_MEMORY", in_memory)
        writer = PackedWriter(path)
        filled = []
        for number, (name, values) in enumerate(arrays.items()):
            if number in rooms:
                filled.append((writer.room(name, values.shape, values.dtype.str), values))
            else:
                writer.add(name, values.T if values.ndim == 1 else np.asfortranarray(values))
        for room, values in filled:  # long after it was made
            room[...] = values
        size, checksum = writer.finish()
        assert path.stat().st_size == size
        found = PackedArrays(path, size, checksum)
        assert found.names == list(arrays)
        for name, values in arrays.items():
            again = found.array(name)
            assert again.dtype == values.dtype and again.shape == values.shape
            assert again.tobytes() == np.ascontiguousarray(values).tobytes()
            assert found.nbytes(name) == values.nbytes and not again.flags.writeable
        assert list(found.damage()) == []
        found.check()


def test_the_same_arrays_give_the_same_bytes_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {f"view/{number}": np.arange(number * 7) for number in range(9)}
    _written(tmp_path / "a", arrays)
    monkeypatch.setattr(packed, "_IN_MEMORY", 64)
    _written(tmp_path / "b", arrays)
    writer = PackedWriter(tmp_path / "c")
    for name, values in arrays.items():
        writer.room(name, values.shape, values.dtype.str)[...] = values
    writer.finish()
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


def test_every_damaged_byte_is_named(tmp_path: Path) -> None:
    path = tmp_path / "arrays"
    writer = PackedWriter(path)
    arrays = {
        "ids/starts": np.arange(5),
        "empty": np.empty((0, 3), "f2"),
        "bits": np.arange(70, dtype=np.uint8),
    }
    for name, values in arrays.items():
        writer.add(name, values)
    size, checksum = writer.finish()
    good = path.read_bytes()
    named = set()
    for at in range(size):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
        try:
            opened = PackedArrays(path, size, checksum)
        except IndexCorrupt as error:
            assert str(path) in str(error) and "directory" in str(error)
            named.add("directory")
            continue
        (name,) = opened.damage()
        named.add(name)
        for (
            asked,
            values,
        ) in arrays.items():  # an array is refused where it is damaged itself, and right elsewhere
            if asked == name:
                with pytest.raises(IndexCorrupt, match=f"fails its checksum in {name}"):
                    opened.array(asked)
            else:
                assert np.array_equal(opened.array(asked), values)
    assert named == {"", "ids/starts", "bits", "directory"}
    for cut in (0, 10, 64, size - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(IndexCorrupt, match="bytes, the manifest says"):
            PackedArrays(path, size, checksum)
        with pytest.raises(IndexCorrupt):
            PackedArrays(path, cut, checksum)
    path.unlink()
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        PackedArrays(path, size, checksum)


def test_an_array_is_compared_once_and_a_large_one_only_when_all_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "arrays"
    writer = PackedWriter(path)
    writer.add("small", np.arange(4))
    writer.add("large", np.arange(400))
    size, checksum = writer.finish()
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    monkeypatch.setattr("retrieve.files.LARGEST_CHECKED", 100)
    opened = PackedArrays(path, size, checksum)
    assert opened.array("large")[109] != 109
    with pytest.raises(IndexCorrupt, match="in large"):
        opened.check()
    opened.array("small")
    monkeypatch.setattr(packed, "checksum_bytes", None)
    assert opened.array("small").tolist() == [0, 1, 2, 3]


def test_a_large_file_takes_one_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    opened = _written(tmp_path / "arrays", {f"{number}": np.arange(100_000) for number in range(9)})
    held = [opened.array(name) for name in opened.names]
    assert len(os.listdir("/proc/self/fd")) == before + 1  # noqa: PTH208
    assert all(array[-1] == 99_999 for array in held)


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    writer = PackedWriter(tmp_path / "arrays")
    with pytest.raises(TypeError, match="object"):
        writer.add("a", np.array([{}], dtype=object))
    with pytest.raises(TypeError, match=">i4"):
        writer.add("a", np.arange(3, dtype=">i4"))
    writer.add("a", np.arange(3))
    with pytest.raises(ValueError, match="two arrays 'a'"):
        writer.room("a", (3,), "int64")


def test_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PackedWriter(tmp_path / "arrays")

    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device, wanted 8000000 bytes: .*arrays"):
        writer.room("vectors", (1_000_000,), "int64")

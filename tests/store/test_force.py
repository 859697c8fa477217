"""An index in the place of another: whoever reads the other goes on, and a crash or a failure costs neither of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from store_crash import contents, die_at, in_child
from store_index import documents, lexical_recipe, make, own_recipe, vectors

from retrieve import Document, Index
from retrieve.errors import IndexLocked
from retrieve.store.create import remove_unfilled
from retrieve.store.manifest import read_manifest

OLD, NEW = lexical_recipe(3), lexical_recipe(4)


class Broken(Exception):
    """The source of documents fails."""


def _old(folder: Path) -> Index:
    index = make(folder, OLD, documents(8, word="old"))
    with index.writer() as writer:
        writer.delete(["d0002"])
    return index


def _fill(folder: Path, rows: list[Document], *, fail: bool = False) -> None:
    def source() -> Iterator[Document]:
        yield from rows
        if fail:
            raise Broken

    with Index.create(folder, NEW, force=True) as made, made.writer() as writer:
        for row in source():
            writer.add([row])


def _names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "segments").iterdir()}


def test_a_reader_of_the_old_index_goes_on_reading_it(tmp_path: Path) -> None:
    folder = tmp_path / "a.index"
    _old(folder).close()
    before = _names(folder)
    with Index.open(folder) as reader, Index.open(folder) as compared:
        expected = compared.search("old law", k=20), list(compared.ids()), compared.get("d0003")
        compared.close()
        _fill(folder, documents(9, word="new"))
        with Index.open(folder) as new:
            with new.writer() as writer:
                writer.delete(["d0001"])
            new.merge()
            assert new.verify() == []
        # Not one of its arrays was touched before.
        assert (reader.search("old law", k=20), list(reader.ids()), reader.get("d0003")) == expected
        assert before < _names(folder)
        assert reader.refresh()
        assert len(reader) == 8
        assert reader.get("d0003") == documents(9, word="new")[3]
        assert reader.recipe.segments.passages == 4
    with Index.open(folder) as new, new.writer():
        pass
    assert not before & _names(folder)
    assert not (folder / "readers" / "2").exists()


def test_the_old_files_go_with_the_first_commit_if_nobody_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "a.index"
    _old(folder).close()
    before = _names(folder)
    with Index.create(folder, NEW, force=True) as made:
        assert (len(made), made.generation) == (0, 3)
        assert _names(folder) == before
        with made.writer():
            pass
        assert made.generation == 4
    assert _names(folder) == set()
    assert list((folder / "deletions").iterdir()) == []


def test_no_generation_means_two_things(tmp_path: Path) -> None:
    """Numbers go on, so that a reader's lock on the old index never stands for the new one."""
    folder = tmp_path / "a.index"
    made = [_old(folder)]
    seen = [(made[0].generation, len(made[0]))]
    for count in (1, 2, 3):
        _fill(folder, documents(count))
        made.append(Index.open(folder))
        seen.append((made[-1].generation, len(made[-1])))
    assert [length for _, length in seen] == [7, 1, 2, 3]
    assert [generation for generation, _ in seen] == [2, 4, 6, 8]
    for index, (_, length) in zip(made, seen, strict=True):
        assert len(list(index.ids())) == length
        index.close()
    with Index.open(folder) as index:
        assert index.verify() == []


def test_a_build_that_failed_gives_the_old_index_back(tmp_path: Path) -> None:
    folder = tmp_path / "a.index"
    with _old(folder) as old:
        expected = old.search("old law", k=20)
    with pytest.raises(Broken):
        _fill(folder, documents(6, word="new"), fail=True)
    with Index.open(folder) as empty:  # what a process that was killed leaves
        assert len(empty) == 0
        assert empty.verify() == []
        sealed = (folder / "pending.json").read_bytes()
        remove_unfilled(folder)
        assert empty.refresh()
        assert empty.search("old law", k=20) == expected
        assert empty.generation == 4
    assert (folder / "pending.json").read_bytes() == sealed
    with Index.create(folder, NEW, force=True) as again:
        again.close()
    _fill(tmp_path / "b.index", documents(6, word="new"))
    with pytest.MonkeyPatch.context() as patch:  # the sealed segment is taken over, not built again
        built = []
        patch.setattr("retrieve.store.uncommitted.SegmentBuilder.build", _counting(built))
        _fill(folder, documents(6, word="new"))
    assert len(built) == 1
    assert {key: data for key, data in contents(folder).items() if key.startswith("segments")} == {
        key: data for key, data in contents(tmp_path / "b.index").items() if key.startswith("segments")
    }
    with Index.open(folder) as new:
        assert len(new) == 6
        assert new.verify() == []


def _counting(built: list[str]) -> object:
    from retrieve.store.segment_builder import SegmentBuilder

    build = SegmentBuilder.build

    def counted(self: SegmentBuilder, name: str, *rest: object) -> object:
        built.append(name)
        return build(self, name, *rest)  # type: ignore[arg-type]

    return counted


def test_forced_again_before_anything_was_committed(tmp_path: Path) -> None:
    folder = tmp_path / "a.index"
    _old(folder).close()
    with Index.create(folder, NEW, force=True), Index.create(folder, own_recipe(), force=True) as other:
        assert read_manifest(folder).replaced == 2
        remove_unfilled(folder)
        assert other.refresh()
        assert len(other) == 7
    with Index.create(folder, own_recipe(), force=True) as other, other.writer() as writer:
        writer.add(documents(3), vectors(3))
    assert read_manifest(folder).replaced is None
    remove_unfilled(folder)
    with Index.open(folder) as index:
        assert len(index) == 3


def test_an_index_whose_manifest_cannot_be_read_is_replaced_when_nobody_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "a.index"
    _old(folder).close()
    with Index.open(folder) as reader:
        (folder / "manifest.json").write_text("{")
        with pytest.raises(IndexLocked, match=r"somebody is reading the index \(2\)"):
            _fill(folder, documents(1))
        assert len(list(reader.ids())) == 7
    _fill(folder, documents(1))
    with Index.open(folder) as index:
        assert (len(index), index.generation, index.verify()) == (1, 1, [])
    assert len(_names(folder)) == 1


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 12, 17, 25, 35, 45, 60])
def test_a_kill_leaves_the_old_index_or_the_new_one(tmp_path: Path, step: int) -> None:
    folder = tmp_path / "a.index"
    with _old(folder) as old:
        expected = old.search("old law", k=20)
    work = partial(_fill, folder, documents(6, word="new"))
    killed = in_child(work, prepare=partial(die_at, folder, step, lambda event, path: True))
    with Index.open(folder) as index:
        assert index.verify() == []
        assert len(index) in (7, 0, 6)
        if len(index) == 7:
            assert index.search("old law", k=20) == expected
    assert killed or len(Index.open(folder)) == 6
    if killed:
        remove_unfilled(folder)
        with Index.open(folder) as index:
            assert len(index) in (7, 6)
        work()
    with Index.open(folder) as index:
        assert (len(index), index.verify()) == (6, [])

"""Order, counts and atomicity of what a writer is asked to do."""

from __future__ import annotations

import errno
import multiprocessing
from collections.abc import Iterable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_index import documents, lexical_recipe, make, own_recipe, segment_files, vectors

from retrieve import Document, Index
from retrieve.errors import (
    BadVectors,
    DimensionMismatch,
    IndexExists,
    IndexLocked,
    InputError,
    RecipeError,
    RetrieveError,
    UsageError,
)


def test_counts_and_last_version_of_an_id_that_comes_often_in_one_add(tmp_path: Path) -> None:
    rows = documents(12)
    newer = [Document("d0003", f"version {number}", "", {}) for number in range(9)]
    with Index.create(tmp_path / "a.index", lexical_recipe(3)) as index:
        with index.writer() as writer:
            added = writer.add([rows[3], *newer[:4], *rows[:3], rows[3], *rows[4:], newer[4], *newer[4:]])
        assert added == (12, 10, 1)
        assert index.get("d0003") == newer[8]
        assert sorted(index.ids()) == [row.id for row in rows]
        assert index.verify() == []


def test_a_disk_without_room_for_vectors_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = documents(6)
    with Index.create(tmp_path / "a.index", own_recipe()) as index:
        index.add(rows[:2], vectors(2))

        def full(descriptor: int, start: int, length: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("retrieve.packed._IN_MEMORY", 0)
            patch.setattr("os.posix_fallocate", full)
            with pytest.raises(OSError, match="No space left on device"):
                index.add(rows[2:], vectors(4))
        assert (len(index), index.generation, index.verify()) == (2, 1, [])
        index.add(rows[2:], vectors(4))
        assert len(index) == 6


def test_an_id_whose_first_version_is_sealed_by_a_neighbour_of_the_same_add_is_live_once(
    tmp_path: Path,
) -> None:
    # "y" comes twice, which cuts and seals "x" while the add that brought it is still running.
    rows = [Document(name, f"{name} {number}", "", {}) for number, name in enumerate("xyyzx")]
    with make(tmp_path / "a.index", lexical_recipe(1), rows) as index:
        assert sorted(index.ids()) == ["x", "y", "z"]
        assert index.get("x") == rows[4]
        assert index.verify() == []


def test_delete_and_add_the_same_again_in_one_commit(tmp_path: Path) -> None:
    rows = documents(8)
    with make(tmp_path / "a.index", lexical_recipe(4), rows) as index:
        for _ in range(3):
            with index.writer() as writer:
                assert writer.delete([row.id for row in rows]) == 8
                assert writer.add(rows) == (8, 0, 0)
            assert sorted(index.ids()) == [row.id for row in rows]
            assert index.verify() == []


def test_delete_by_filter_reaches_documents_that_wait_and_those_that_are_sealed(tmp_path: Path) -> None:
    with make(tmp_path / "a.index", lexical_recipe(4), documents(6)) as index:
        with index.writer() as writer:
            writer.add(documents(5, first=6))
            assert writer.delete(["d0000", "d0009", "none"], where={"number": {"gte": 4}}) == 8
        assert sorted(index.ids()) == ["d0001", "d0002", "d0003"]


def test_an_exception_in_the_block_changes_nothing(tmp_path: Path) -> None:
    with make(tmp_path / "a.index", lexical_recipe(4), documents(6)) as index:
        before = segment_files(index.path), (index.path / "manifest.json").read_bytes()
        with pytest.raises(InputError), index.writer() as writer:
            writer.delete(["d0001"])
            writer.add(documents(30, word="other"))
            writer.add([{"text": "no id"}])
        with Index.open(index.path) as again:
            assert (again.generation, len(again)) == (1, 6)
        assert (index.path / "manifest.json").read_bytes() == before[1]
        with index.writer() as writer:
            writer.add([])
        assert segment_files(index.path) == before[0]


def test_a_bad_document_that_was_caught_is_left_out_and_the_others_are_committed(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a.index", lexical_recipe()) as index:
        with index.writer() as writer:
            for row in [*documents(3), Document("bad", "nul \0", "", {}), *documents(2, first=3)]:
                try:
                    writer.add([row])
                except InputError:
                    continue
        assert len(index) == 5


def test_an_operation_that_failed_half_way_cannot_be_committed(tmp_path: Path) -> None:
    with make(tmp_path / "a.index", own_recipe(), documents(4), vectors(4)) as index:
        with pytest.raises(UsageError, match="half-way"), index.writer() as writer:
            with pytest.raises(BadVectors, match="2 vectors were given"):
                writer.add(documents(2, word="new"), [vectors(1), vectors(2)])
            writer.add(documents(1, word="newer"), vectors(1))
        assert [index.get(row.id) for row in documents(4)] == documents(4)
        assert index.generation == 1


def _broken(count: int) -> Iterator[Document]:
    """More documents than are staged at once, then an error of the caller's own."""
    yield from documents(count)
    raise OSError("the disk with the corpus went away")


@pytest.mark.parametrize(
    ("rows", "own", "error"),
    [
        (_broken(300), vectors(300), OSError),
        (documents(300), vectors(301), BadVectors),
        (documents(300), vectors(299), BadVectors),
    ],
)
def test_an_add_that_failed_after_some_documents_were_staged_cannot_be_committed(
    tmp_path: Path, rows: Iterable[Document], own: np.ndarray, error: type[Exception]
) -> None:
    with Index.create(tmp_path / "a.index", own_recipe(50)) as index:
        with pytest.raises(UsageError, match="half-way"), index.writer() as writer, pytest.raises(error):
            writer.add(rows, own)
        assert (index.generation, len(index)) == (0, 0)


def test_an_add_that_failed_before_any_document_was_staged_leaves_nothing_behind(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a.index", own_recipe()) as index:
        with index.writer() as writer:
            with pytest.raises(OSError, match="went away"):
                writer.add(_broken(100), vectors(100))
            writer.add(documents(1, first=500), vectors(1))
        assert list(index.ids()) == ["d0500"]


def test_nothing_to_do_makes_no_generation(tmp_path: Path) -> None:
    with make(tmp_path / "a.index", lexical_recipe(), documents(4)) as index:
        with index.writer() as writer:
            assert writer.add(documents(4)) == (0, 0, 4)
            writer.add(documents(1, first=9))
            writer.delete(["d0009", "d0010"])
        assert index.generation == 1


def _lock_and_wait(folder: Path, ready: Event, done: Event) -> None:
    with Index.open(folder) as index, index.writer():
        ready.set()
        done.wait(20)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with make(tmp_path / "a.index", lexical_recipe(), documents(4)) as index:
        context = multiprocessing.get_context("fork")
        ready, done = context.Event(), context.Event()
        process = context.Process(target=_lock_and_wait, args=(index.path, ready, done))
        process.start()
        assert ready.wait(20)
        try:
            with pytest.raises(IndexLocked, match="another writer"), index.writer():
                pass
            with pytest.raises(IndexLocked):
                index.merge()
            with pytest.raises(IndexLocked):
                Index.create(index.path, lexical_recipe(), force=True)
            assert len(index.search("court")) == 4
        finally:
            done.set()
            process.join()
        with index.writer(), pytest.raises(IndexLocked), index.writer():
            pass
        with index.writer() as writer:
            writer.delete(["d0000"])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (vectors(2), BadVectors, "fewer vectors than documents"),
        (vectors(4), BadVectors, "more vectors than documents"),
        (vectors(3, dimensions=5), DimensionMismatch, r"\(1, 5\)"),
        ([[1, 2, 3, 4], [1, 2, 3, float("nan")], [1, 2, 3, 4]], BadVectors, "NaN"),
        ([[1, 2, 3, 4], [0, 0, 0, 0], [1, 2, 3, 4]], BadVectors, "zero"),
        ([[1, 2, 3, 4], [1e300, 0, 0, 0], [1, 2, 3, 4]], BadVectors, "infinite"),
        ([[1, 2, 3, 4], ["a", "b"], [1, 2, 3, 4]], BadVectors, "no array of numbers"),
        ([[1, 2, 3, 4], np.ones((2, 4)), [1, 2, 3, 4]], BadVectors, "2 vectors were given"),
        (None, BadVectors, "has no vectors"),
    ],
)
def test_bad_vectors_are_refused_and_nothing_changes(
    tmp_path: Path, given: object, error: type[Exception], message: str
) -> None:
    with make(tmp_path / "a.index", own_recipe(), documents(4), vectors(4)) as index:
        with pytest.raises(error, match=message), index.writer() as writer:
            writer.add(documents(3, first=2, word="new"), given)
        assert (index.generation, len(index)) == (1, 4)
        assert index.search(vector=vectors(1)[0], k=4) == Index.open(index.path).search(
            vector=vectors(1)[0], k=4
        )


def test_vectors_too_large_for_float16_are_refused(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "a.index", own_recipe(normalize=False))
    with pytest.raises(BadVectors, match="too large for float16"), index.writer() as writer:
        writer.add(documents(1), [[70_000, 0, 0, 0]])


def test_vectors_of_any_length_are_normalised_without_overflow(tmp_path: Path) -> None:
    rows = [[3e30, 4e30, 0, 0], [3e-30, 4e-30, 0, 0], [3, 4, 0, 0]]
    with make(tmp_path / "a.index", own_recipe(), documents(3), rows) as index:
        hits = index.search(vector=[3, 4, 0, 0], k=3)
        assert [hit.doc_id for hit in hits] == ["d0000", "d0001", "d0002"]  # equal scores, order of ids
        assert len({hit.score for hit in hits}) == 1


def test_vectors_for_views_that_are_not_there(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "a.index", lexical_recipe())
    with pytest.raises(UsageError, match="no dense view"), index.writer() as writer:
        writer.add(documents(1), vectors(1))


def test_several_vectors_for_several_passages(tmp_path: Path) -> None:
    recipe = own_recipe() | {"passages": {"unit": "words", "size": 3, "boundaries": "none"}}
    text = "one two three four five six seven eight nine"
    own = np.eye(4)[:3]
    with make(
        tmp_path / "a.index", recipe, [Document("a", text), Document("b", "")], [own, np.empty((0, 4))]
    ) as index:
        for position in range(3):
            hit = index.search(vector=own[position], k=5)[0]
            assert (hit.doc_id, hit.score, hit.passages[0].position) == ("a", 1.0, position)
        assert index.info()["empty_documents"] == 1


def test_a_document_without_passages_has_no_vectors_or_one_that_is_dropped(tmp_path: Path) -> None:
    rows = [Document("a", "text"), Document("b", ""), Document("c", ""), Document("d", "")]
    own = [np.eye(4)[0], [], np.empty((0, 4)), np.eye(4)[1]]
    with make(tmp_path / "a.index", own_recipe(), rows, own) as index:
        assert (index.info()["passages"], index.info()["empty_documents"]) == (1, 3)
        assert [hit.doc_id for hit in index.search(vector=np.eye(4)[0], k=4)] == ["a"]
        assert index.verify() == []
        for text, given in (("", np.eye(4)[:2]), ("new", [])):
            with pytest.raises(BadVectors, match="vectors were given"), index.writer() as writer:
                writer.add([Document("e", text)], [given])


def test_one_row_for_each_document_again_changes_nothing(tmp_path: Path) -> None:
    rows = [Document("a", "text"), Document("b", "")]
    with make(tmp_path / "a.index", own_recipe(), rows, vectors(2)) as index:
        with index.writer() as writer:
            assert writer.add(rows, vectors(2)) == (0, 0, 2)
            waiting = Document("c", "")
            assert writer.add([waiting, waiting], vectors(2)) == (1, 0, 1)
        with index.writer() as writer:
            assert writer.add(rows, vectors(2, seed=1)) == (0, 1, 1)


def test_metadata_changes_keep_the_vectors(tmp_path: Path) -> None:
    """Sealed or still waiting, an older version with the same text gives its vectors to the newer one."""
    changed = [Document(row.id, row.text, "", {"number": -1}) for row in documents(6)]
    with make(tmp_path / "a.index", own_recipe(4), documents(4), vectors(6)[:4]) as index:
        with index.writer() as writer:
            writer.add(documents(2, first=4), vectors(6)[4:])
            assert writer.add(changed) == (0, 6, 0)
        for row, vector in zip(changed, vectors(6), strict=True):
            assert index.get(row.id) == row
            best = index.search(vector=vector, k=1)[0]
            assert (best.doc_id, best.score > 0.999) == (row.id, True)
        with pytest.raises(BadVectors, match="has no vectors"), index.writer() as writer:
            writer.add([Document("d0000", "another text", "", {})])


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (lexical_recipe() | {"bm25": {"language": "klingon"}}, "language 'klingon': choose one of none, "),
        (
            own_recipe(factory="IVF4,PQ3"),
            r"dense\.factory = 'IVF4,PQ3' makes no index of 4 dimensions; FAISS",
        ),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_touched(
    tmp_path: Path, recipe: dict[str, Any], said: str
) -> None:
    if "dense" in recipe:
        pytest.importorskip("faiss")
    with pytest.raises(RecipeError, match=said):
        Index.create(tmp_path / "new.index", recipe)
    assert not (tmp_path / "new.index").exists()
    with make(tmp_path / "old.index", lexical_recipe(), documents(1)) as index:
        with pytest.raises(RecipeError, match=said):
            Index.create(index.path, recipe, force=True)
        assert index.verify() == []


def test_create_takes_only_what_is_free_or_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "a.index"
    folder.mkdir()
    (folder / ".manifest.json.new").write_text("{")  # killed between making the folder and the first manifest
    (folder / "lock").touch()
    Index.create(folder, lexical_recipe()).close()
    with Index.create(folder, lexical_recipe() | {"search": {"bm25": {"k1": 1.5}}}) as unfinished:
        assert unfinished.recipe.search.bm25.k1 == 1.5
        with unfinished.writer() as writer:
            writer.add(documents(2))
    for recipe in (lexical_recipe(), lexical_recipe(99)):
        with pytest.raises(IndexExists):
            Index.create(folder, recipe)
    with Index.create(folder, lexical_recipe(99), force=True) as empty:
        assert (len(empty), empty.generation) == (0, 2)
    with pytest.raises(IndexExists, match="index already"):
        Index.create(folder, lexical_recipe(98))
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("irreplaceable")
    for force in (False, True):
        with pytest.raises(IndexExists, match="no index"):
            Index.create(other, lexical_recipe(), force=force)
    assert (other / "chapter.txt").read_text() == "irreplaceable"
    with pytest.raises(IndexExists, match="is a file"):
        Index.create(other / "chapter.txt", lexical_recipe())
    (other / "chapter.txt").chmod(0o755)
    with pytest.raises(RetrieveError, match="is a file and cannot hold one: choose"):
        Index.create(other / "chapter.txt" / "x.index", lexical_recipe())

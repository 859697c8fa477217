"""A writer whose block has ended does nothing more, whoever still holds it: it says so, and no byte is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from store_index import documents, lexical_recipe, make

from retrieve import Document, Index
from retrieve.api import Writer
from retrieve.errors import IndexLocked, UsageError
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.writer import Writer as StoreWriter

USES: dict[str, Callable[[Writer], Any]] = {
    "add": lambda writer: writer.add(documents(7, first=100)),
    "add dicts": lambda writer: writer.add([{"id": "x", "text": "court"}]),
    "add nothing": lambda writer: writer.add([]),
    "delete by id": lambda writer: writer.delete(["d0001"]),
    "delete by filter": lambda writer: writer.delete(where={"number": {"gte": 0}}),
    "delete nobody": lambda writer: writer.delete([]),
}
STORE_USES: dict[str, Callable[[StoreWriter], Any]] = {
    "add": lambda writer: writer.add(documents(7, first=100)),
    "delete": lambda writer: writer.delete(["d0001"]),
    "commit": lambda writer: writer.commit(),
    "enter": lambda writer: writer.__enter__(),
}


def _everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def _public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_every_method_is_tried() -> None:
    assert _public(Writer) == {"add", "delete"}
    assert _public(StoreWriter) == {"open", "close", "encodings", "segments", "add", "delete", "commit"}


def _ended(index: Index) -> Writer:
    with index.writer() as writer:
        writer.add(documents(3, first=50))
    return writer


def _failed(index: Index) -> Writer:
    with pytest.raises(ZeroDivisionError), index.writer() as writer:
        writer.add(documents(30, first=50))
        raise ZeroDivisionError
    return writer


def _without_index(index: Index) -> Writer:
    writer = _ended(index)
    index.close()
    return writer


@pytest.mark.parametrize("end", [_ended, _failed, _without_index])
@pytest.mark.parametrize("use", list(USES))
def test_a_closed_writer_refuses_and_writes_nothing(
    tmp_path: Path, end: Callable[[Index], Writer], use: str
) -> None:
    """Another writer is at work meanwhile, whose segments those of the closed one would stand beside."""
    index = make(tmp_path / "a.index", lexical_recipe(2), documents(4))
    writer = end(index)
    with Index.open(index.path) as other, other.writer() as at_work:
        at_work.add(documents(5, first=200))
        before = _everything(index.path)
        with pytest.raises(UsageError, match="closed"):
            USES[use](writer)
        assert _everything(index.path) == before
    with Index.open(index.path) as again:
        assert set(again.ids()) >= {row.id for row in documents(5, first=200)}
        assert "d0100" not in again
        assert again.verify() == []


@pytest.mark.parametrize("use", list(STORE_USES))
def test_the_writer_of_the_store_refuses_too(tmp_path: Path, use: str) -> None:
    with make(tmp_path / "a.index", lexical_recipe(2), documents(4)) as index:
        writer = StoreWriter.open(index.path, PassageEncoder(index.recipe))
        writer.add(documents(3, first=50))
        writer.close()
        writer.close()
        before = _everything(index.path)
        with pytest.raises(UsageError, match=r"this writer is closed.*index\.writer"):
            STORE_USES[use](writer)
        assert _everything(index.path) == before


def test_no_document_of_the_caller_is_asked_for(tmp_path: Path) -> None:
    index = make(tmp_path / "a.index", lexical_recipe(), documents(1))
    rows = iter(documents(3, first=50))
    with pytest.raises(UsageError, match="closed"):
        _ended(index).add(rows)
    assert len(list(rows)) == 3


def test_an_index_that_is_closed_inside_the_block_commits_nothing(tmp_path: Path) -> None:
    index = make(tmp_path / "a.index", lexical_recipe(2), documents(4))
    with pytest.raises(UsageError, match="index is closed"), index.writer() as writer:
        writer.add(documents(5, first=50))
        index.close()
        for use in USES.values():
            with pytest.raises(UsageError, match="index is closed"):
                use(writer)
    with Index.open(index.path) as again:
        assert (again.generation, len(again)) == (1, 4)
        with again.writer() as writer:
            writer.add(documents(1, first=80))


def _closing(rows: list[Document], after: int, block: AbstractContextManager[Writer]) -> Iterator[Document]:
    """Documents; after some of them the block ends from within, as a framework's clean-up may do it."""
    for number, row in enumerate(rows):
        if number == after:
            block.__exit__(None, None, None)
        yield row


@pytest.mark.parametrize("after", [0, 1, 256])
def test_documents_that_go_on_after_the_block_has_ended(tmp_path: Path, after: int) -> None:
    """Before the first of them was taken in: what was done before is committed, these documents are refused."""
    with make(tmp_path / "a.index", lexical_recipe(20), documents(4)) as index:
        block = index.writer()
        writer = block.__enter__()
        writer.delete(["d0001"])
        with pytest.raises(UsageError, match="this writer is closed"):
            writer.add(_closing(documents(700, first=100), after, block))
        assert sorted(index.ids()) == ["d0000", "d0002", "d0003"]
        _is_free_and_whole(index)


@pytest.mark.parametrize("after", [257, 300, 699])
def test_documents_that_go_on_after_the_block_was_ended_in_their_midst(tmp_path: Path, after: int) -> None:
    """Some were taken in: half of an operation is not committed, and ending the block says so."""
    with make(tmp_path / "a.index", lexical_recipe(20), documents(4)) as index:
        block = index.writer()
        writer = block.__enter__()
        writer.delete(["d0001"])
        with pytest.raises(UsageError, match="still at work"):
            writer.add(_closing(documents(700, first=100), after, block))
        with pytest.raises(UsageError, match="this writer is closed"):
            writer.add(documents(1))
        index.refresh()
        assert (index.generation, len(index)) == (1, 4)
        _is_free_and_whole(index)


def _is_free_and_whole(index: Index) -> None:
    assert index.verify() == []
    with index.writer() as writer:
        writer.add(documents(1, first=9000))
    assert "d9000" in index


def test_an_iterator_that_hides_the_error_of_the_block_gets_nowhere(tmp_path: Path) -> None:
    with make(tmp_path / "a.index", lexical_recipe(20), documents(4)) as index:
        block = index.writer()
        writer = block.__enter__()

        def rows() -> Iterator[Document]:
            yield from documents(300, first=100)
            with pytest.raises(UsageError, match="still at work"):
                block.__exit__(None, None, None)
            before = _everything(index.path)
            yield from documents(600, first=500)
            assert _everything(index.path) == before

        with pytest.raises(UsageError, match="this writer is closed"):
            writer.add(rows())
        assert (index.generation, len(index)) == (1, 4)
        _is_free_and_whole(index)


def test_a_block_that_ends_while_another_thread_adds(tmp_path: Path) -> None:
    """The other thread's documents are an operation that has not ended: nothing is committed, and both are told."""
    with make(tmp_path / "a.index", lexical_recipe(20), documents(4)) as index:
        taken, ended = threading.Event(), threading.Event()
        caught: list[BaseException] = []

        def rows() -> Iterator[Document]:
            yield from documents(400, first=100)
            taken.set()
            assert ended.wait(30)
            yield from documents(400, first=600)

        def work(writer: Writer) -> None:
            try:
                writer.add(rows())
            except UsageError as error:
                caught.append(error)

        with ExitStack() as stack:
            with pytest.raises(UsageError, match="still at work"), index.writer() as writer:
                thread = threading.Thread(target=work, args=(writer,))
                stack.callback(thread.join, 30)
                stack.callback(ended.set)
                thread.start()
                assert taken.wait(30)
            before = _everything(index.path)
        assert ["this writer is closed" in str(error) for error in caught] == [True]
        assert _everything(index.path) == before
        assert (index.generation, len(index)) == (1, 4)
        _is_free_and_whole(index)


def test_whoever_is_told_of_progress_may_end_the_block(tmp_path: Path) -> None:
    """In the middle of a step: it keeps the lock until it is over, and its documents are not in."""
    with make(tmp_path / "a.index", lexical_recipe(20), documents(4)) as index:
        locked: list[bool] = []

        def progress(stage: str, done: int, total: int | None) -> None:
            store.close()
            with pytest.raises(IndexLocked), Index.open(index.path) as other:
                other.merge()
            locked.append(True)

        store = StoreWriter.open(index.path, PassageEncoder(index.recipe), progress)
        with pytest.raises(UsageError, match="this writer is closed"):
            store.add(documents(300, first=100))
        assert locked == [True]
        assert (index.generation, len(index)) == (1, 4)
        _is_free_and_whole(index)

"""A second writer takes over what the first had sealed, if it is the very same, and leaves nothing stale behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from store_index import documents, lexical_recipe, make, own_recipe, segment_files, vectors
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index
from retrieve.store.manifest import seal_object


class Killed(Exception):
    """Stands for the end of a process."""


def _broken_off(rows: Sequence[Document], after: int) -> Iterator[Document]:
    yield from rows[:after]
    raise Killed


def _interrupt(index: Index, rows: Sequence[Document], after: int) -> list[str]:
    """Add so many documents one by one and break off; returns the sealed segments."""
    with pytest.raises(Killed), index.writer() as writer:
        for row in _broken_off(rows, after):
            writer.add([row])
    pending = json.loads((index.path / "pending.json").read_text())
    return [sealed["entry"]["id"] for sealed in pending["sealed"]]


def _taken_over(caplog: pytest.LogCaptureFixture) -> int:
    return sum("used as it is" in record.getMessage() for record in caplog.records)


@pytest.fixture
def _informed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="retrieve")


pytestmark = pytest.mark.usefixtures("_informed")


def test_the_encoder_is_not_asked_for_what_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = {
        "name": "tiny",
        "bm25": {},
        "dense": {"model": str(tiny_encoder_folder(tmp_path / "encoder")), "backend": "torch"},
        "segments": {"passages": 5},
    }
    rows = documents(23)
    with make(tmp_path / "whole.index", recipe, rows) as whole:
        wanted = segment_files(whole.path)
    with Index.create(tmp_path / "a.index", recipe) as index:
        assert len(_interrupt(index, rows, 17)) == 3
    from retrieve.encoders.dense.encoder import Encoder

    encoded: list[str] = []
    encode = Encoder.encode_documents

    def counting(self: Encoder, texts: Sequence[str], **options: object) -> object:
        encoded.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(Encoder, "encode_documents", counting)
    with Index.create(tmp_path / "a.index", recipe) as index:
        with index.writer() as writer:
            writer.add(rows)
        assert _taken_over(caplog) == 3
        assert encoded == [row.text for row in rows[15:]]
        assert segment_files(index.path) == wanted
        assert not (index.path / "pending.json").exists()


def test_a_source_that_changed_in_the_middle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = documents(23)
    changed = [*rows[:7], Document("d0007", "quite another text"), *rows[8:]]
    with Index.create(tmp_path / "a.index", lexical_recipe(5)) as index:
        sealed = _interrupt(index, rows, 17)
        with index.writer() as writer:
            writer.add(changed)
        assert _taken_over(caplog) == 1
        with make(tmp_path / "fresh.index", lexical_recipe(5), changed) as fresh:
            assert segment_files(index.path) == segment_files(fresh.path)
        assert not (index.path / "segments" / sealed[1]).exists()
        assert index.verify() == []


def test_a_source_that_became_shorter_or_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, count in (("short", 8), ("empty", 0)):
        with Index.create(tmp_path / name, lexical_recipe(5)) as index:
            _interrupt(index, documents(23), 17)
            with index.writer() as writer:
                writer.add(documents(count))
            assert len(index) == count
            with make(tmp_path / f"{name}.fresh", lexical_recipe(5), documents(count)) as fresh:
                fresh_files = segment_files(fresh.path) if count else {}
            assert segment_files(index.path) == fresh_files
            assert not (index.path / "pending.json").exists()


def test_own_vectors_are_content(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Index.create(tmp_path / "a.index", own_recipe(5)) as index:
        with pytest.raises(Killed), index.writer() as writer:
            writer.add(documents(20), vectors(20))
            raise Killed
        with index.writer() as writer:
            writer.add(documents(20), [*vectors(20)[:7], *vectors(13, seed=1)])
        assert _taken_over(caplog) == 1
        best = index.search(vector=vectors(13, seed=1)[0], k=1)[0]
        assert (best.doc_id, best.score > 0.999) == ("d0007", True)


def test_a_damaged_sealed_segment_is_built_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = documents(23)
    with Index.create(tmp_path / "a.index", lexical_recipe(5)) as index:
        sealed = _interrupt(index, rows, 17)
        damaged = index.path / "segments" / sealed[1] / "arrays"
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x07")
        with index.writer() as writer:
            writer.add(rows)
        assert (_taken_over(caplog), "is damaged" in caplog.text) == (1, True)
        assert index.verify() == []
        with make(tmp_path / "fresh.index", lexical_recipe(5), rows) as fresh:
            assert segment_files(index.path) == segment_files(fresh.path)


@pytest.mark.parametrize("change", ["recipe_digest", "encoder", "base", "garbage", "flipped"])
def test_a_pending_list_of_something_else_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    rows = documents(23)
    with Index.create(tmp_path / "a.index", lexical_recipe(5)) as index:
        _interrupt(index, rows, 17)
        path = index.path / "pending.json"
        good = path.read_bytes()
        damaged = {"garbage": b"{", "flipped": good.replace(b'"passages":5', b'"passages":4', 1)}
        pending = json.loads(good)
        del pending["checksum"]
        assert seal_object(pending) == good
        other = seal_object(pending | {change: 7 if change == "base" else "x"})
        path.write_bytes(damaged.get(change, other))
        assert path.read_bytes() != good
        with index.writer() as writer:
            assert not path.exists()
            assert not list((index.path / "segments").iterdir())
            writer.add(rows)
        assert _taken_over(caplog) == 0
        assert len(index) == 23


def test_another_order_of_operations_is_another_build(tmp_path: Path) -> None:
    """Deletes and updates between the documents of a sealed segment: found again, or built again, never half of it."""
    rows = documents(12)
    with Index.create(tmp_path / "a.index", lexical_recipe(4)) as index:

        def work(finish: bool) -> None:
            with index.writer() as writer:
                writer.add(rows[:3])
                writer.delete(["d0001"])
                writer.add([Document("d0000", "newer"), *rows[3:]])
                writer.delete(where={"number": 5})
                if not finish:
                    raise Killed

        with pytest.raises(Killed):
            work(finish=False)
        work(finish=True)
        assert sorted(index.ids()) == sorted({row.id for row in rows} - {"d0001", "d0005"})
        assert index.get("d0000") == Document("d0000", "newer")
        assert index.verify() == []


def test_an_id_that_comes_again_while_a_sealed_segment_is_awaited(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a.index", lexical_recipe(5)) as index:
        _interrupt(index, documents(23), 17)
        with index.writer() as writer:
            counts = [writer.add([row]) for row in (*documents(3), Document("d0001", "newer"), *documents(1))]
        assert counts == [(1, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
        assert index.get("d0001") == Document("d0001", "newer")
        assert list(index.ids()) == ["d0000", "d0001", "d0002"]


def test_an_unfinished_index_goes_on_where_its_encoder_moved(tmp_path: Path) -> None:
    first = {"name": "t", "dense": {"model": str(tiny_encoder_folder(tmp_path / "one")), "backend": "torch"}}
    second = {"name": "t", "dense": {"model": str(tiny_encoder_folder(tmp_path / "two")), "backend": "torch"}}
    Index.create(tmp_path / "a.index", first).close()
    (tmp_path / "one").rename(tmp_path / "gone")
    with Index.create(tmp_path / "a.index", second) as index, index.writer() as writer:
        writer.add(documents(2))

"""Processes that build segments side by side: the same bytes for any number, and nothing left of a failure."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from store_crash import contents
from store_index import documents, lexical_recipe, make, own_recipe, vectors
from tiny_models import tiny_encoder_folder

from retrieve import Document, Index
from retrieve.errors import EncoderMismatch, IndexLocked, RetrieveError, UsageError
from retrieve.files import ReaderLock
from retrieve.store import build_workers


def _encoded_recipe(folder: Path, passages: int = 10, **dense: Any) -> dict[str, Any]:
    model = str(tiny_encoder_folder(folder / "encoder"))
    return {
        "name": "tiny",
        "bm25": {},
        "dense": {"model": model, "backend": "torch", **dense},
        "segments": {"passages": passages},
    }


def _work(index: Index, own: bool, workers: int) -> None:
    """Updates of text and of metadata, deletes by id and filter, a document that comes back, equal texts."""
    rows = documents(70)
    rows += [Document(f"twin{row.id}", row.text, "", row.metadata) for row in rows[::5]]
    chance = vectors(len(rows))

    def given(count: int, seed: int) -> Any:
        return vectors(count, seed=seed) if own else None

    with index.writer(workers=workers) as writer:
        assert writer.add(rows[:60], chance[:60] if own else None) == (60, 0, 0)
        changed = [
            Document("d0003", "another text", "", {}),
            Document("d0058", rows[58].text, "", {"number": 1}),
        ]
        assert writer.add(changed, given(2, 1)) == (0, 2, 0)
        assert writer.delete(["d0010", "d0059", "nobody"]) == 2
        assert writer.add(rows[60:], chance[60:] if own else None) == (len(rows) - 60, 0, 0)
        assert writer.add(rows[40:45], chance[40:45] if own else None) == (0, 0, 5)
        assert writer.delete(where={"number": {"gte": 64}}) == 7
        assert writer.add([rows[10]], given(1, 2)) == (1, 0, 0)
        writer.add(documents(30, first=100), given(30, 4))


@pytest.mark.parametrize(
    ("own", "numbers"), [(True, (1, 3)), pytest.param(False, (1, 3), marks=pytest.mark.long)]
)
def test_the_number_of_workers_changes_no_byte(tmp_path: Path, own: bool, numbers: tuple[int, ...]) -> None:
    recipe = own_recipe(10) if own else _encoded_recipe(tmp_path)
    found = []
    for workers in numbers:
        with Index.create(tmp_path / f"{workers}.index", recipe, cache=False) as index:
            _work(index, own, workers)
            assert index.verify() == []
            found.append((contents(index.path), index.encodings))
    assert len({name.split("/")[1] for name in found[0][0] if name.startswith("segments/")}) > 8
    assert (found[0][1][0] > 0) is not own
    assert all(other == found[0] for other in found[1:])


def test_one_segment_alone_is_built_by_the_process_that_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process more took as long, and its documents had to be sent there: 33 s in place of 21 for 270 MB of text."""
    monkeypatch.delattr(build_workers.BuildWorkers, "_start")
    with Index.create(tmp_path / "a.index", lexical_recipe(1_000)) as index:
        with index.writer(workers=2) as writer:
            writer.add(documents(40))
        assert len(index) == 40


def test_what_is_learned_on_the_way(tmp_path: Path) -> None:
    """Before there are 1,000 passages segments are built here, one by one; after that beside each other."""
    rows, own = documents(1600), vectors(1600)
    recipe = own_recipe(200, factory="IVF4,Flat")
    found = []
    for workers in (1, 2):
        with Index.create(tmp_path / f"{workers}.index", recipe) as index:
            with index.writer(workers=workers) as writer:
                writer.add(rows, own)
            found.append(contents(index.path))
    assert any(name.startswith("trained/") for name in found[0])
    assert found[1] == found[0]


def test_an_error_in_a_process_is_raised_here_and_nothing_is_left(tmp_path: Path) -> None:
    """Each process loads the encoder for itself, and refuses one that is no longer the index's."""
    with make(tmp_path / "a.index", _encoded_recipe(tmp_path, 5), documents(3)) as index:
        before = contents(index.path)
        tiny_encoder_folder(tmp_path / "other", seed=1)
        (tmp_path / "other" / "model.safetensors").replace(tmp_path / "encoder" / "model.safetensors")
        with (
            pytest.raises(EncoderMismatch, match="the index was built with"),
            index.writer(workers=2) as writer,
        ):
            writer.add(documents(20, first=50, word="gene"))
        with pytest.raises(UsageError, match="this writer is closed"):
            writer.delete(["d0001"])
        assert contents(index.path) == before
        assert multiprocessing.active_children() == []


def test_a_process_that_dies(tmp_path: Path) -> None:
    with Index.create(tmp_path / "a.index", lexical_recipe(5)) as index:
        with pytest.raises(RetrieveError, match="has died"), index.writer(workers=2) as writer:
            writer.add(documents(9))
            for child in multiprocessing.active_children():
                child.kill()
                child.join()
            writer.add(documents(50, first=10))
        assert len(index) == 0
        with index.writer() as writer:
            writer.add(documents(20))
        assert index.verify() == []


def test_a_process_that_is_never_told_to_end_ends() -> None:
    """As one does that was being started while another died: the executor waits for it and says nothing to it."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=build_workers._end_after, args=(stop, 0.1))
    process.start()
    process.join(timeout=2)
    assert process.is_alive()
    stop.set()
    process.join(timeout=30)
    assert process.exitcode == 1


_BUILD = """
import sys
from retrieve import Document, Index
if __name__ == "__main__":
    recipe = {"name": "lexical", "passages": {"unit": "words", "mode": "whole"}, "bm25": {}}
    with Index.create(sys.argv[1], recipe | {"segments": {"passages": 300}}) as index:
        with index.writer(workers=int(sys.argv[2])) as writer:
            writer.add(
                Document(f"d{number:05}", f"court of law number n{number} " * 20) for number in range(6000)
            )
"""


def test_a_killed_writer_takes_its_processes_along_and_its_work_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    script.write_text(_BUILD)
    folder, whole = tmp_path / "a.index", tmp_path / "whole.index"
    subprocess.run([sys.executable, script, whole, "1"], check=True, timeout=60)
    killed = subprocess.Popen([sys.executable, script, folder, "2"])
    pending = folder / "pending.json"
    deadline = time.monotonic() + 60
    while not pending.exists() or pending.read_text().count('"position"') < 3:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    subprocess.run([sys.executable, script, folder, "2"], check=True, timeout=60)
    assert contents(folder) == contents(whole)


def test_a_writer_waits_for_the_processes_of_a_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_workers, "_PATIENCE", 0.05)
    with make(tmp_path / "a.index", lexical_recipe(5), documents(3)) as index:
        orphan = ReaderLock.take(index.path / "readers/workers")
        with pytest.raises(IndexLocked, match="was killed"), index.writer():
            pass
        orphan.release()
        with index.writer() as writer:
            writer.delete(["d0001"])
        assert len(index) == 2


def test_no_process_is_started_for_one_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(build_workers.BuildWorkers, "_start")
    make(tmp_path / "a.index", lexical_recipe(5), documents(20)).close()
    with Index.open(tmp_path / "a.index") as index, pytest.raises(UsageError, match="at least 1"):
        index.writer(workers=0).__enter__()

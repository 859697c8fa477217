"""An index that was opened, and searched, before a fork answers in both: every back end, every view, any lock."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import fork_answers
import pytest
from store_crash import in_child
from tiny_models import WORDS, tiny_cross_encoder_folder, tiny_encoder_folder, tiny_sparse_folder

from retrieve import Index
from retrieve import fork_safety as process
from retrieve.fork_safety import ForkSafeLock
from retrieve.store.documents import DocumentTable

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc, and forks"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]

PASSAGES = {"unit": "words", "size": 12, "boundaries": "none"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough that torch shares out what it does among threads."""
    folder = tmp_path_factory.mktemp("models")
    tiny_encoder_folder(folder / "dense", dimensions=384)
    tiny_cross_encoder_folder(folder / "cross")
    settings: dict[str, Any] = {"level": "token", "dimensions": 128, "winners": 6, "query_winners": 3}
    tiny_sparse_folder(folder / "token", cap=20, **settings)
    return folder


def filled(folder: Path, recipe: dict[str, Any]) -> Path:
    texts = [" ".join(WORDS[(7 * n + 3 * i) % len(WORDS)] for i in range(12)) for n in range(200)]
    index = Index.create(folder, {"name": "toy", "passages": PASSAGES} | recipe)
    with index, index.writer() as writer:
        writer.add([{"id": str(n), "text": text, "metadata": {"n": n}} for n, text in enumerate(texts)])
    return folder


def check(modules: str, *indexes: tuple[Path, list[dict[str, Any]]]) -> None:
    arguments = [part for path, options in indexes for part in (str(path), json.dumps(options))]
    done = subprocess.run(
        [sys.executable, fork_answers.__file__, modules, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_views_with_torch_and_faiss(tmp_path: Path, models: Path) -> None:
    where = {"where": {"n": {"gte": 20}}}
    dense = {"model": str(models / "dense"), "backend": "torch", "precision": "fp32"}
    uhd = {"model": str(models / "token"), "level": "token"}
    check(
        "torch transformers faiss",
        (
            filled(tmp_path / "ivf", {"bm25": {}, "dense": dense | {"factory": "IVF4,Flat"}}),
            [{"using": "hybrid"} | where, where | {"using": "dense"}],
        ),
        (filled(tmp_path / "token", {"uhd": uhd}), [{}]),
    )


@pytest.mark.long
def test_a_cross_encoder_alone(tmp_path: Path, models: Path) -> None:
    """Here it is the first to use torch in the child."""
    check(
        "torch transformers",
        (filled(tmp_path / "i", {"bm25": {}}), [{"reranker": str(models / "cross")}]),
    )


@pytest.mark.long
@pytest.mark.usefixtures("real_machine")
def test_openvino(tmp_path: Path, models: Path) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    pytest.importorskip("nncf", reason="the extra openvino is not installed")
    dense = {"model": str(models / "dense"), "backend": "openvino"}
    token = {"model": str(models / "token"), "backend": "openvino", "precision": "fp32"}
    where = {"where": {"n": {"gte": 20}}}
    check(
        "openvino",
        (filled(tmp_path / "int8", {"bm25": {}, "dense": dense | {"precision": "int8"}}), [where]),
        (filled(tmp_path / "fp32", {"dense": dense | {"precision": "fp32"}}), [{}]),
        (filled(tmp_path / "token", {"uhd": token}), [{}]),
    )


# -- what it rests on -----------------------------------------------------------------------------------------------


def in_time(work: Any) -> None:
    """Work in a child that must end by itself."""
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 3)
    assert fork_answers.ended(child) == 0


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_answers, "PATIENCE", 5.0)


def held_by_another_thread(lock: Any, release: threading.Event) -> threading.Thread:
    taken = threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(30)
    return thread


def test_a_lock_that_was_held_at_the_fork_is_free_in_the_child() -> None:
    lock, release = ForkSafeLock(), threading.Event()
    thread = held_by_another_thread(lock, release)

    def work() -> bool:
        with lock:
            return True

    try:
        in_time(work)
    finally:
        release.set()
        thread.join()


def test_a_fork_waits_for_a_lock_that_asks_for_it() -> None:
    lock, release = ForkSafeLock(awaited=True), threading.Event()
    done: list[str] = []

    class Noted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            result = super().wait(timeout)
            done.append("work")
            return result

    noted = Noted()
    thread = held_by_another_thread(lock, noted)
    threading.Timer(0.2, noted.set).start()
    in_time(lambda: done == ["work"])
    thread.join()
    release.set()
    with lock:  # and it is free again
        pass


class Slow:
    """A property that another thread is computing."""

    def __init__(self, begun: threading.Event, go_on: threading.Event) -> None:
        self.events = begun, go_on

    @cached_property
    def value(self) -> int:
        begun, go_on = self.events
        begun.set()
        go_on.wait(30)
        return 1


def test_a_property_that_another_thread_was_computing_is_computed_in_the_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "Slow", Slow, raising=False)  # as a class of the package
    begun, go_on = threading.Event(), threading.Event()
    slow = Slow(begun, go_on)
    thread = threading.Thread(target=lambda: slow.value)
    thread.start()
    begun.wait(30)
    ready = threading.Event()
    ready.set()
    try:
        in_time(lambda: Slow(threading.Event(), ready).value == 1)
    finally:
        go_on.set()
        thread.join()


def test_a_child_opens_a_document_table_of_its_own(tmp_path: Path) -> None:
    folder = filled(tmp_path / "i", {"bm25": {}})
    [path] = folder.rglob("documents.sqlite")
    table = DocumentTable.open(path)
    wanted, before = table.get([3], ["3"]), table._connection

    def work() -> bool:
        same = table.get([3], ["3"]) == wanted and table._connection is not before
        table.close()
        return same

    in_time(work)
    assert table.get([3], ["3"]) == wanted
    assert table._connection is before
    assert not in_child(table.close)  # closes nothing of its parent's
    assert table.get([3], ["3"]) == wanted


def test_what_is_kept_in_children_does_not_end_there_and_ends_here() -> None:
    ends: list[str] = []

    class Thing:
        def __init__(self) -> None:
            self.itself = self  # so that it is garbage before it is collected

        def __del__(self) -> None:
            ends.append("ended")

    gc.collect()
    process.keep_in_children(Thing())

    def work() -> bool:
        gc.collect()
        return not ends and gc.isenabled()

    in_time(work)
    assert gc.isenabled()
    gc.collect()
    assert ends == ["ended"]


def test_what_was_loaded_before_a_fork_is_known_after_it() -> None:
    assert not process.inherited("json")
    in_time(lambda: process.inherited("json") and not process.inherited("antigravity"))

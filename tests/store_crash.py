"""Builds that are killed with SIGKILL and repeated to the end, and the undisturbed build that they must equal.

A build has three phases: a first commit from one JSONL file, deletes and upserts from another, a merge. Each runs in
a forked child, which dies either at a random moment or just before its n-th change to the index folder. The suite runs
a few of them, `scripts/campaigns/crash.py` a hundred.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retrieve import Document, Hit, Index, Recipe
from retrieve.corpora.check import document_from
from retrieve.errors import IndexNotFound
from retrieve.passages.encoder import PassageEncoder

DIMENSIONS = 4
WORDS = ["court", "law", "liability", "carrier", "goods", "article", "protein", "gene", "wing", "flow"]
QUERY = "court liability of carrier"
PHASES = (1, 2, 3)

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "sqlite3.connect"})

Files = dict[str, bytes]


class Scenario(NamedTuple):
    """What is built, and the folder of the input files. Without an encoder, vectors are drawn by document."""

    folder: Path
    recipe: dict[str, Any]

    @classmethod
    def make(cls, folder: Path, recipe: dict[str, Any], *, documents: int, seed: int = 0) -> Scenario:
        """Write both JSONL files: the second updates a third of the first, half of that in metadata only."""
        chance = random.Random(seed)
        folder.mkdir(parents=True, exist_ok=True)
        first = [_document(chance, number) for number in range(documents)]
        second = []
        for number in range(0, documents, 3):
            changed = dict(first[number], metadata={"year": 2100 + number})
            second.append(changed if number % 2 else dict(changed, text=f"{changed['text']} gene flow"))
        second += [_document(chance, number) for number in range(documents, documents + documents // 3)]
        for number, rows in enumerate((first, second), start=1):
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{number}.jsonl").write_text(lines, encoding="utf-8")
        return cls(folder, recipe)

    def build(self, index_folder: Path, phase: int) -> None:
        """One phase, from whatever an interrupted run of it left; it changes nothing where it is done already."""
        try:
            index = Index.open(index_folder)
        except IndexNotFound:
            index = Index.create(index_folder, self.recipe)
        if phase == 3:
            index.merge()
            return
        lines = (self.folder / f"{phase}.jsonl").read_text(encoding="utf-8").splitlines()
        documents = [document_from(json.loads(line)) for line in lines]
        own = self.recipe.get("dense", {}).get("model") == "none"
        with index, index.writer() as writer:
            if phase == 2:
                writer.delete(["d001", "d007", "d013", "d019"])  # none of them comes again
            writer.add(documents, _vectors(index.recipe, documents) if own else None)


class Undisturbed(NamedTuple):
    """A build that nothing happened to: its bytes and answers after each phase, and how long each phase took.

    `before` are copies of the index as each phase found it.
    """

    before: tuple[Path, ...]
    files: tuple[Files, ...]
    answers: tuple[list[Hit], ...]
    seconds: tuple[float, ...]

    @classmethod
    def build(cls, scenario: Scenario, folder: Path) -> Undisturbed:
        """All phases, each in a child as the disturbed ones are."""
        before, files, answers, seconds = [], [], [], []
        for phase in PHASES:
            before.append(folder.with_name(f"before-{phase}"))
            if folder.exists():
                shutil.copytree(folder, before[-1])
            started = time.monotonic()
            assert not in_child(lambda phase=phase: scenario.build(folder, phase))
            seconds.append(time.monotonic() - started)
            files.append(contents(folder))
            answers.append(answer(folder))
            with Index.open(folder) as index:
                assert index.verify() == []
        return cls(tuple(before), tuple(files), tuple(answers), tuple(seconds))


def disturb(scenario: Scenario, folder: Path, phase: int, undisturbed: Undisturbed, **kill: Any) -> bool:
    """Run one phase, kill it as told (see `in_child`), check, repeat it to the end, check; returns whether it died."""
    shutil.rmtree(folder, ignore_errors=True)
    if undisturbed.before[phase - 1].exists():
        # Links, not copies: no file of an index is ever written to again, so what they share stays as it is.
        shutil.copytree(undisturbed.before[phase - 1], folder, copy_function=os.link)
    killed = in_child(lambda: scenario.build(folder, phase), **kill)
    check_killed(folder, phase, undisturbed)
    assert not in_child(lambda: scenario.build(folder, phase))
    check_finished(folder, phase, undisturbed)
    return killed


def in_child(
    work: Callable[[], object],
    *,
    prepare: Callable[[], object] = lambda: None,
    kill_after: float | None = None,
) -> bool:
    """Run work in a forked child; returns whether it was killed. Any other end than success is an error.

    `prepare` runs in the child first (`die_at`), `kill_after` kills it after so many seconds.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            prepare()
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - a child must never return into its parent's work
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the child ended with status {status}"
    return status != 0


def die_at(folder: Path, step: int, counts: Callable[[str, str], bool]) -> None:
    """Arrange that this process is killed just before its `step`-th change to a folder, of those that count.

    `counts` is asked with the kind of change and the path below the folder (no path: a removal inside a subfolder).
    """
    inside = f"{folder}{os.sep}"
    left = step

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & _WRITES:
                return
        elif event not in _CHANGES:
            return
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        relative = path.partition(inside)[2]
        below_fd = event in ("os.remove", "os.rmdir") and arguments[1] != -1
        if (relative or below_fd) and counts(event, relative):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def answer(folder: Path) -> list[Hit]:
    """What the index says to one question."""
    with Index.open(folder) as index:
        vector = np.ones(DIMENSIONS) if index.recipe.dense and index.recipe.dense.model == "none" else None
        return index.search(QUERY, k=20, vector=vector, using=list(index.recipe.views))


def contents(folder: Path) -> Files:
    """Every file that a build is answerable for: all but the locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock" and path.parent.name != "readers"
    }


def check_killed(folder: Path, phase: int, undisturbed: Undisturbed) -> None:
    """After a kill the index is whole and answers from the old generation or from the new one."""
    try:
        index = Index.open(folder)
    except IndexNotFound:
        assert phase == PHASES[0]
        return
    with index:
        assert index.verify() == []
        generation = index.generation
    assert generation in (phase - 1, phase)
    assert answer(folder) == ([] if generation == 0 else undisturbed.answers[generation - 1])


def check_finished(folder: Path, phase: int, undisturbed: Undisturbed) -> None:
    """After the repeated run every byte is as if nothing had happened, and so are the answers and `verify`."""
    found, wanted = contents(folder), undisturbed.files[phase - 1]
    assert sorted(found) == sorted(wanted), f"{sorted(found.keys() ^ wanted.keys())} differ"
    differ = [name for name, data in found.items() if data != wanted[name]]
    assert not differ, f"{differ} differ"


def _document(chance: random.Random, number: int) -> dict[str, Any]:
    text = " ".join(chance.choices(WORDS, k=chance.choice([0, 5, 9, 30])))
    return {"_id": f"d{number:03}", "title": "law" * (number % 2), "text": text, "metadata": {"year": number}}


def _vectors(recipe: Recipe, documents: list[Document]) -> Iterator[np.ndarray[Any, np.dtype[np.float64]]]:
    for document, windows in zip(documents, PassageEncoder(recipe).split(documents), strict=True):
        numbers = np.random.default_rng(int(document.id[1:]) + len(document.text))
        yield numbers.normal(size=(len(windows.spans), DIMENSIONS))

"""Compiled kernels are kept where they can be, and nothing fails where they cannot. In processes of their own.

What cannot be written is a path below a file, which holds for every user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from toy_index import corpus, make_index, toy_recipe

from retrieve import kernels
from retrieve.cli import main

MODULE = """
from retrieve.kernels import kernel

@kernel
def twice(number):
    return 2 * number

@kernel
def four_times(number):
    return twice(twice(number))
"""

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
import sums
print(sums.four_times(10), sums.twice(2.5))
"""


def made(folder: Path) -> Path:
    """A folder with a module of two kernels."""
    (folder / "code").mkdir()
    (folder / "code" / "sums.py").write_text(MODULE)
    (folder / "file").write_text("no folder")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return made(tmp_path)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled once, for tests that damage a copy."""
    folder = made(tmp_path_factory.mktemp("compiled"))
    run(folder)
    return folder


def run(place: Path, program: str = PROGRAM, **variables: str) -> list[str]:
    """What a program says in a process of its own, whose only caches are those named."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment |= {"RETRIEVE_CACHE": str(place / "file" / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(place / "code"), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "40 5.0\n"), done.stderr
    return done.stderr.splitlines()


def compiled_in(folder: Path) -> int:
    return len(list(folder.rglob("*.nbc"))) if folder.is_dir() else 0


def no_place_beside_the_source(place: Path) -> None:
    (place / "code" / "__pycache__").write_text("no folder")


def test_kernels_are_kept_beside_their_source_and_compiled_once(place: Path) -> None:
    [said] = run(place)
    assert said.startswith("INFO compiling")
    assert "half a minute" in said
    assert compiled_in(place / "code" / "__pycache__") == 3  # two kernels, one of them for two types
    assert run(place) == []


def test_a_folder_that_is_named_is_the_only_one(place: Path) -> None:
    assert len(run(place)) == 1
    assert len(run(place, NUMBA_CACHE_DIR=str(place / "new" / "numba"))) == 1
    assert compiled_in(place / "new") == 3
    assert run(place, NUMBA_CACHE_DIR=str(place / "new" / "numba")) == []


def test_without_a_place_beside_the_source_it_is_the_users_cache(place: Path) -> None:
    no_place_beside_the_source(place)
    for named in ({}, {"NUMBA_CACHE_DIR": str(place / "file" / "numba")}):
        cache = place / f"cache{len(named)}"
        assert len(run(place, RETRIEVE_CACHE=str(cache), **named)) == 1
        assert compiled_in(cache / "kernels") == 3
        assert run(place, RETRIEVE_CACHE=str(cache), **named) == []


def test_where_nothing_can_be_written_it_works_and_says_once_what_to_set(place: Path) -> None:
    no_place_beside_the_source(place)
    said, warned = run(place)
    assert said.startswith("INFO compiling")
    assert warned.startswith("WARNING")
    assert "$NUMBA_CACHE_DIR or $RETRIEVE_CACHE" in warned
    assert run(place, "import logging; logging.disable(logging.WARNING)" + PROGRAM) == []


def test_what_is_there_is_used_where_nothing_can_be_written(place: Path) -> None:
    run(place)
    refuse = """
from retrieve import kernels
def refuse(*_): raise PermissionError(13, "Permission denied")
kernels._save = refuse
"""
    assert run(place, refuse + PROGRAM) == []
    [_, warned] = run(place, refuse + PROGRAM + "sums.twice(True)")
    assert "Permission denied" in warned


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("how", ["empty", "cut", "other", "folder"])
def test_a_damaged_file_is_made_anew(place: Path, compiled: Path, ending: str, how: str) -> None:
    shutil.rmtree(place / "code")
    shutil.copytree(compiled / "code", place / "code")  # with its times, by which a cache is known
    for path in (place / "code" / "__pycache__").glob(f"*.{ending}"):
        data = path.read_bytes()
        path.unlink()
        if how == "folder":
            path.mkdir()
        else:
            path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "other": b"other" * 9}[how])
    said = run(place)
    assert said[0].startswith("INFO compiling")
    if how != "folder":
        assert len(said) == 1
        assert run(place) == []


def test_the_clock_stands_still_while_kernels_are_compiled() -> None:
    start = kernels.clock()
    assert kernels.clock() > start
    kernels._compiling.on_start(None)
    kernels._compiling.on_start(None)  # a kernel that another one calls
    stopped = kernels.clock()
    time.sleep(0.01)
    kernels._compiling.on_end(None)
    assert kernels.clock() == stopped
    kernels._compiling.on_end(None)
    assert stopped < kernels.clock()
    before, real = kernels.clock(), time.perf_counter()
    assert kernels.clock() - before <= time.perf_counter() - real + 0.1


def test_compiling_is_no_part_of_the_time_that_search_and_run_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents, _ = corpus(5, seed=1)
    make_index(tmp_path / "x.index", documents, None, toy_recipe(views=("bm25",)), commits=1).close()
    (tmp_path / "queries.tsv").write_text("1\tcourt law\n")
    times = iter([10.0, 10.25, 20.0, 24.0])
    monkeypatch.setattr(kernels, "clock", lambda: next(times))
    found = CliRunner().invoke(main, ["search", str(tmp_path / "x.index"), "court", "--format", "tsv"])
    assert "in 250 ms" in found.stderr
    arguments = [str(tmp_path / "x.index"), str(tmp_path / "queries.tsv"), "--out", str(tmp_path / "run")]
    ran = CliRunner().invoke(main, ["run", *arguments])
    assert "1 query in 4.0 s" in ran.stderr

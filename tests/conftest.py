"""Settings of the whole test suite."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from retrieve.encoders import machine

# A look-up by name without a network takes a minute of retries; read when huggingface_hub is first imported.
os.environ["HF_HUB_OFFLINE"] = "1"

# Converted models and cached vectors of a test are nobody else's; a converted model serves all tests of a session.
_CACHE = tempfile.TemporaryDirectory(prefix="retrieve-cache-")
os.environ["RETRIEVE_CACHE"] = _CACHE.name


def pytest_collection_finish() -> None:
    """What all test modules have loaded is not looked through again whenever something asks for a collection."""
    gc.collect()
    gc.freeze()


# The suite is the same on every run; `--hypothesis-profile=default` looks for new examples.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="module")
def _no_waiting_for_the_disk(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests do not wait for the disk: `test_files.py` sees to it that bytes are synced, and in order.

    A process that dies takes nothing of the page cache with it, so that syncing changes nothing elsewhere.
    """
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ != "test_files":
            patch.setattr(os, "fsync", lambda descriptor: None)
        yield


# What "auto" means in tests: converting every tiny model of theirs would take minutes. Tests of the back ends
# themselves ask for the fixture `real_machine`.
_REAL = machine.this_machine()
machine.this_machine = lambda: machine.Machine(openvino=False, nncf=False, gpu=False, int8=False, bf16=False)


@pytest.fixture
def real_machine(monkeypatch: pytest.MonkeyPatch) -> machine.Machine:
    """The machine as it is."""
    monkeypatch.setattr(machine, "this_machine", lambda: _REAL)
    return _REAL


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for one test alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RETRIEVE_CACHE", str(folder))
    return folder

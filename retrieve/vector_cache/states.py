"""Token states on disk: one sealed folder of arrays for one collection under one encoder, named by all that shaped it.

Built in a dot-folder that its builder holds a lock on, then renamed: who meets a dot-folder without a lock may take it
away. A folder whose checksums do not hold is made anew.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.files import checksum_file, new_array, publish_folder, read_array, remove_folder, write_array
from retrieve.vector_cache.shards import folders_in

META = "meta.json"

Arrays = dict[str, npt.NDArray[Any]]

_log = logging.getLogger("retrieve")


def states_folder(root: Path, digest: str) -> Path:
    """Where the states of this digest are, or will be."""
    return root / "states" / digest


def open_states(folder: Path) -> Arrays | None:
    """The arrays of a folder, memory-mapped, every byte checked; None where it is not there, or damaged (a warning)."""
    if not folder.is_dir():
        return None
    problem = states_damage(folder)
    if problem is not None:
        _log.warning("kept token states are damaged and made anew: %s", problem)
        with _written(folder):
            remove_folder(folder)
        return None
    with suppress(OSError):  # a cache that cannot be written is of use all the same
        os.utime(folder)  # `prune` goes by it
    return read_states(folder)


def read_states(folder: Path) -> Arrays:
    """The arrays of a folder, memory-mapped, their bytes not checked. Raises `UsageError` where it is not there."""
    if not folder.is_dir():
        raise UsageError(f"token states were kept in {folder} and are gone: keep them again")
    return {path.stem: read_array(path) for path in sorted(folder.glob("*.npy"))}


def states_damage(folder: Path) -> str | None:
    """What is wrong with a folder, every byte of it read; None if nothing is."""
    try:
        files: dict[str, str] = json.loads((folder / META).read_bytes())["files"]
        wrong = [name for name, checksum in files.items() if checksum_file(folder / name) != checksum]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        return f"{folder} cannot be read: {error}"
    return f"{folder / wrong[0]} fails its checksum" if wrong else None


@contextmanager
def building_states(
    folder: Path, shapes: Mapping[str, tuple[tuple[int, ...], str]], fingerprint: str
) -> Iterator[tuple[Arrays, Callable[[Arrays], None]]]:
    """Arrays on disk to be filled, by name their shape and type, and the call that adds others and seals the folder.

    `fingerprint` is the encoder's, by which the folder can be removed. Raises `UsageError` where the disk has no room
    for the arrays, before any is filled, or cannot be written.
    """
    building = folder.with_name(f".{uuid4().hex}")
    with _written(folder):
        building.mkdir(parents=True)
        remove_left_states(folder.parents[1])  # they hold the room that is wanted now
    held = os.open(building, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with _written(folder):
            arrays = {name: new_array(building / f"{name}.npy", *kind) for name, kind in shapes.items()}

        @_written(folder)
        def finish(others: Arrays) -> None:
            for name, array in (arrays | others).items():
                if isinstance(array, np.memmap):
                    array.flush()
                else:
                    write_array(building / f"{name}.npy", array)
            files = {path.name: checksum_file(path) for path in sorted(building.iterdir())}
            meta = {"fingerprint": fingerprint, "files": files}
            (building / META).write_text(json.dumps(meta, sort_keys=True), encoding="utf-8")
            try:
                publish_folder(building, folder)
            except OSError:
                if not folder.is_dir():  # else another process was quicker with the same
                    raise

        yield arrays, finish
    finally:
        os.close(held)
        shutil.rmtree(building, ignore_errors=True)  # it has another name now, or it failed


def states_folders(root: Path) -> list[Path]:
    """The folders of token states under a cache's root, sorted by name."""
    return folders_in(root / "states")


def states_encoder(folder: Path) -> str | None:
    """The fingerprint of the encoder that made a folder's states; None if that cannot be read."""
    try:
        fingerprint = json.loads((folder / META).read_bytes())["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return fingerprint if isinstance(fingerprint, str) else None


def remove_left_states(root: Path) -> int:
    """Remove what builders that were killed left behind; returns how many folders."""
    left = 0
    for path in (root / "states").glob(".*"):
        with suppress(FileNotFoundError):  # another process was quicker
            if path.is_dir() and _is_left(path):
                remove_folder(path)
                left += 1
    return left


def _is_left(path: Path) -> bool:
    """Whether nobody builds in the folder. A young one may be about to be locked."""
    held = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return time.time() - path.stat().st_mtime > 60


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Say what to do where the disk refuses."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"token states cannot be kept in {folder.parent}: {error}; set $RETRIEVE_CACHE to a folder that can be "
            "written and has room for them, or go without keeping them"
        ) from error

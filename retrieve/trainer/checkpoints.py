"""A training's folder of checkpoints: what it was begun with, the last checkpoint that is whole, and its end.

The trainer takes a checkpoint's learning rate over the one asked for, and another seed over the checkpoint's, and says
neither: so what a training was begun with is written down, and another one is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from retrieve.errors import IndexLocked, TrainingError
from retrieve.files import write_file, writer_lock

BEGUN, ENDED, WEIGHTS = "training.json", "curves.json", "weights.safetensors"
_LOCK = "lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a training's folder, made if need be, while it goes on; of processes of one training the first holds it.

    Raises `TrainingError` at once where another training goes on there: both would be spoilt.
    """
    with ExitStack() as held:
        if int(os.environ.get("RANK", "0")) == 0:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(writer_lock(folder / _LOCK))
            except IndexLocked as error:
                raise TrainingError(
                    f"another training goes on in {folder}: wait for its end, or name another folder"
                ) from error
        yield


def begin(folder: Path, record: Mapping[str, Any]) -> None:
    """Take the folder for this training, or go on with it. One that failed before it made anything leaves it free.

    Raises `TrainingError` where another training, or something else, is in it, naming what differs.
    """
    path = folder / BEGUN
    wanted = json.loads(json.dumps(record))
    made = {each.name for each in folder.iterdir()} - {_LOCK} if folder.exists() else set()
    if path.is_file() and made != {BEGUN}:
        found = json.loads(path.read_text(encoding="utf-8"))
        if different := sorted(key for key in found.keys() | wanted if found.get(key) != wanted.get(key)):
            key = different[0]
            raise TrainingError(
                f"{folder} has the checkpoints of another training: its {key} is {found.get(key)!r}, this one's is "
                f"{wanted.get(key)!r} ({len(different)} differences: {', '.join(different)}); name another folder, or "
                "delete that one"
            )
        return
    if made - {BEGUN}:
        raise TrainingError(f"{folder} has files of something else: name a folder that is new, or empty")
    folder.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps(wanted, indent=1).encode())


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the latest step; one that was cut off while it was written is passed over."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_whole(path)]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _is_whole(state: Path) -> bool:
    """Whether a checkpoint's last file is: the trainer writes it in place."""
    try:
        json.loads(state.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def end(folder: Path, network: torch.nn.Module, curves: list[dict[str, float]]) -> None:
    """Keep what came out, so that the same training need not be gone through again."""
    save_file({name: array.contiguous() for name, array in network.state_dict().items()}, folder / WEIGHTS)
    write_file(folder / ENDED, json.dumps(curves).encode())


def ended(folder: Path, network: torch.nn.Module) -> list[dict[str, float]] | None:
    """The curves of a training that came to its end, whose weights are put into the network; None of any other."""
    if not (folder / ENDED).is_file():
        return None
    network.load_state_dict(load_file(folder / WEIGHTS))
    curves: list[dict[str, float]] = json.loads((folder / ENDED).read_text(encoding="utf-8"))
    return curves

"""A classifier on disk: a folder of JSON and safetensors, nothing that runs when it is read.

It is written beside its place and renamed; an old folder is moved aside first and deleted last, so that a crash leaves
the old one or the new one whole. Checksums of the JSON and of the weights are inside it: a damaged folder is an error,
never another prediction.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.classify.records import Examples, State
from retrieve.errors import ModelCorrupt, ModelMismatch, UsageError
from retrieve.files import checksum_bytes, publish_folder, remove_folder
from retrieve.recipe import canonical
from retrieve.types import LabelSet

FORMAT = 1
RECORD = "model.json"
WEIGHTS = "weights.safetensors"


def save_parts(folder: Path, record: dict[str, Any], state: State, *, force: bool) -> None:
    """Write a model's record and state, all or nothing; through a link, where it leads. Errors as of `check_place`."""
    from safetensors.numpy import save

    check_place(folder, force=force)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    weights = save({name: np.ascontiguousarray(array) for name, array in state.arrays.items()})
    whole = {
        "format": FORMAT,
        "versions": {name: version(name) for name in ("retrieve-engine", "torch", "scikit-learn")},
        **record,
        "state": state.settings,
        "weights": checksum_bytes(weights),
    }
    whole["checksum"] = checksum_bytes(canonical(whole))
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        building.chmod(0o777 & ~_umask())
        (building / WEIGHTS).write_bytes(weights)
        text = json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)
        (building / RECORD).write_text(text, encoding="utf-8")
        _publish(building, folder)
    except BaseException:
        remove_folder(building)
        raise


def check_place(folder: Path, *, force: bool) -> None:
    """Raise `UsageError` where no model can be saved: the place is taken, by something else than a classifier with
    `force`, or no folder can be made there. Made to be asked before a training.
    """
    if folder.exists():
        if not force:
            raise UsageError(
                f"{folder} is there already: choose another place, or replace the classifier there with force"
            )
        if not (folder / RECORD).is_file():
            raise UsageError(f"{folder} is there already and is no classifier's folder: choose another place")
    above = next(path for path in folder.absolute().parents if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"{folder} cannot be made: {above} is no folder to write in; choose another place")


def _publish(building: Path, folder: Path) -> None:
    """Give the finished folder its name; what had it is deleted when the new one is there."""
    aside = building.with_name(f"{building.name}-old")
    try:
        if folder.exists():
            folder.rename(aside)
        publish_folder(building, folder)
    except OSError as error:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        elif error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
        else:
            remove_folder(aside)
            raise UsageError(
                f"{folder} was written by another process at the same time: theirs is kept; save elsewhere, or again"
            ) from error
        raise
    remove_folder(aside)


def load_parts(folder: Path, estimator: str | None) -> tuple[dict[str, Any], State]:
    """A model's record and state. Raises `ModelMismatch` for another estimator's folder or a newer format,
    `ModelCorrupt` for a damaged one, `UsageError` where there is none.
    """
    from safetensors.numpy import load

    record = read_record(folder)
    if estimator is not None and record["estimator"] != estimator:
        raise ModelMismatch(
            f"{folder} is a {record['estimator']}, wanted a {estimator}: load it with that class"
        )
    weights = (folder / WEIGHTS).read_bytes() if (folder / WEIGHTS).is_file() else b""
    if checksum_bytes(weights) != record["weights"]:
        raise ModelCorrupt(
            f"{folder / WEIGHTS} is missing or damaged: train again, or restore it from a copy"
        )
    return record, State(record["state"], load(weights))


def read_record(folder: Path) -> dict[str, Any]:
    """What a folder says of its model, without the weights; errors as of `load_parts`."""
    path = folder / RECORD
    if not path.is_file():
        raise UsageError(f"{folder} is no classifier's folder: there is no {RECORD} in it")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = record.pop("checksum")
        if record.get("format", 0) > FORMAT:
            raise ModelMismatch(
                f"{folder} is of format {record['format']}, this version reads up to {FORMAT}: update it"
            )
        if found != checksum_bytes(canonical(record)):
            raise ValueError("its checksum is another one")  # noqa: TRY301
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelCorrupt(f"{path} is damaged ({error}): train again, or restore it from a copy") from error
    return record


def check_labels(known: LabelSet, wanted: LabelSet | Sequence[str] | None) -> None:
    """Raise `ModelMismatch` if a model was made for other labels than `wanted`, naming the first that differs."""
    if wanted is None:
        return
    names = wanted.names if isinstance(wanted, LabelSet) else tuple(wanted)
    if names == known.names:
        return
    missing, added = set(names) - set(known.names), set(known.names) - set(names)
    difference = (
        f"{min(missing)!r} is not among its labels"
        if missing
        else f"it has {min(added)!r} besides"
        if added
        else "they are in another order"
    )
    raise ModelMismatch(
        f"the model was made for {len(known.names)} labels and {len(names)} are wanted; {difference}: train it anew"
    )


def data_digest(train: Examples, validation: Examples, labels: LabelSet) -> str:
    """SHA-256 of ids, texts and targets that a model was made of, in their order."""
    digest = hashlib.sha256(canonical(list(labels.names)))
    for part in (train, validation):
        for item in part.documents:
            digest.update(canonical([item.document.id, item.document.title, item.document.text]))
        digest.update(np.ascontiguousarray(part.targets).tobytes())
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

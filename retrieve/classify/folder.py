"""A classifier on disk: its record and its weights, which have a checksum in it; and what it may be used for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.classify.records import Examples, State
from retrieve.errors import ModelCorrupt, ModelMismatch
from retrieve.files import checksum_bytes
from retrieve.recipe import canonical
from retrieve.trainer.model_folder import ModelKind
from retrieve.types import LabelSet

KIND = ModelKind("classifier", "model.json", 1)
WEIGHTS = "weights.safetensors"


def save_parts(folder: Path, record: dict[str, Any], state: State, *, force: bool) -> None:
    """Write a model's record and state, all or nothing; through a link, where it leads. Errors as of `check_place`."""
    from safetensors.numpy import save

    weights = save({name: np.ascontiguousarray(array) for name, array in state.arrays.items()})

    def fill(building: Path) -> dict[str, Any]:
        (building / WEIGHTS).write_bytes(weights)
        return {"state": state.settings, "weights": checksum_bytes(weights)}

    versions = {name: version(name) for name in ("retrieve-engine", "torch", "scikit-learn")}
    KIND.write(folder, {"versions": versions, **record}, fill, force=force)


def check_place(folder: Path, *, force: bool) -> None:
    """Raise `UsageError` where no classifier can be saved: see `ModelKind`. Made to be asked before a training."""
    KIND.check_place(folder, force=force)


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
    return KIND.read(folder)


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

"""Where converted models are kept: one sealed folder per encoder, precision and version of OpenVINO.

Looking a conversion up loads neither torch nor transformers; only making one does, once, in `convert.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from retrieve.encoders.calibration import Tokenize, calibration_texts
from retrieve.encoders.folder import ModelFolder
from retrieve.encoders.openvino.telemetry import no_telemetry
from retrieve.errors import EncoderError, MissingExtra
from retrieve.files import checksum_file, publish_folder, remove_folder

META = "meta.json"

LAYOUT = 4
"""Raised when what is kept of a conversion, or how it is made, changes."""

_log = logging.getLogger("retrieve")


@cache
def calibration_digest() -> str:
    """SHA-256 of the sample and of how graphs are made, 16 hexadecimal digits: what a manifest records of int8."""
    return hashlib.sha256("\n".join([str(LAYOUT), *calibration_texts()]).encode()).hexdigest()[:16]


def converted(
    model: ModelFolder, fingerprint: str, root: Path, *, int8: bool, rows: Tokenize, pad: int
) -> Path:
    """The folder under `root` with a model's graphs, converted now if it is not there whole.

    Where nothing can be written under `root` it is converted in a temporary folder, for as long as this process lives.
    `rows` tokenizes texts as documents are; `pad` fills up batches. Raises `EncoderError` if OpenVINO cannot convert
    the model, or nothing can be written anywhere.
    """
    kind = f"int8-{calibration_digest()}" if int8 else "fp32"
    name = f"{fingerprint[:32]}-{kind}-{LAYOUT}-openvino-{version('openvino')}"
    for folder in (root, *_TEMPORARY.values()):
        if is_whole(folder / name):
            return folder / name
    if int8 and importlib.util.find_spec("nncf") is None:
        raise MissingExtra("int8 under OpenVINO", "openvino")
    try:
        return _made(model, root / name, int8=int8, rows=rows, pad=pad)
    except OSError as error:
        place = _temporary(root, error) / name
    return _made(model, place, int8=int8, rows=rows, pad=pad)


def _made(model: ModelFolder, place: Path, *, int8: bool, rows: Tokenize, pad: int) -> Path:
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent.with_suffix(".lock")):  # who waited finds the other's conversion
        if not is_whole(place):
            _make(model, place, int8=int8, rows=rows, pad=pad)
    return place


_TEMPORARY: dict[int, Path] = {}
"""By the process that made it: a folder for models that cannot be kept. A forked process reads its parent's."""


def _temporary(root: Path, problem: OSError) -> Path:
    """This process's temporary folder of models, gone when the process ends; says so when it is made."""
    own = os.getpid()
    if own not in _TEMPORARY:
        remedy = "set $RETRIEVE_CACHE to a folder that can be written"
        try:
            made = Path(tempfile.mkdtemp(prefix="retrieve-"))
        except OSError as error:
            raise EncoderError(
                f"nowhere to keep a converted model, neither under {root} ({problem}) nor in a temporary folder "
                f"({error}): {remedy}"
            ) from error
        _log.warning(
            "converted models cannot be kept, so every process converts anew: %s (%s)", remedy, problem
        )
        _TEMPORARY[own] = made / "models"
        atexit.register(_remove_temporary, own, made)
    return _TEMPORARY[own]


def _remove_temporary(owner: int, folder: Path) -> None:
    if os.getpid() == owner:  # a forked child ends too
        shutil.rmtree(folder, ignore_errors=True)


def _make(model: ModelFolder, place: Path, *, int8: bool, rows: Tokenize, pad: int) -> None:
    from retrieve.encoders.openvino.convert import convert

    root = place.parent
    once = "" if root in _TEMPORARY.values() else ": this is done once"
    _log.info("converting %s for OpenVINO (%s)%s", model.root, "int8" if int8 else "fp32", once)
    building = root / f".building-{os.getpid()}-{place.name}"
    remove_folder(building)
    building.mkdir()
    try:
        # What the converters print is no product of ours, and what they would report is nobody's business.
        with contextlib.redirect_stdout(sys.stderr), no_telemetry():
            convert(model, building, int8=int8, rows=rows, pad=pad)
        _seal(building, place)
        gc.collect()  # graphs that calibration ran have threads, for which a forked process would wait in vain
    finally:
        remove_folder(building)


def is_whole(place: Path) -> bool:
    """Whether every file of a conversion is there with its checksum."""
    try:
        files = json.loads((place / META).read_text(encoding="utf-8"))["files"]
        return all(checksum_file(place / name) == checksum for name, checksum in files.items())
    except (OSError, ValueError, KeyError):
        return False


def _seal(building: Path, place: Path) -> None:
    files = {path.name: checksum_file(path) for path in sorted(building.iterdir())}
    (building / META).write_text(json.dumps({"files": files}, sort_keys=True), encoding="utf-8")
    remove_folder(place)  # a damaged one
    publish_folder(building, place)

"""The files of a model folder: weights, and JSON that is read without running anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retrieve.errors import EncoderError


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that hold a module's weights, in a fixed order."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return (folder / "model.safetensors",)
    if index.is_file():
        names = set(read_object(index).get("weight_map", {}).values())
        files = tuple(folder / name for name in sorted(names))
        missing = [path.name for path in files if path.parent != folder or not path.is_file()]
        if missing or not files:
            raise EncoderError(f"{index} names weights that are not there: {', '.join(missing) or 'none'}")
        return files
    pickled = [path for path in sorted(folder.iterdir()) if path.suffix in (".bin", ".pt", ".pth", ".ckpt")]
    if pickled:
        raise EncoderError(
            f"{folder} has its weights only as {pickled[0].name}, a pickle, which can run code: load it where "
            "you trust it and save it again with save_pretrained(..., safe_serialization=True)"
        )
    raise EncoderError(f"{folder}: no model.safetensors")


def refuse_code(root: Path) -> None:
    """Raise `EncoderError` if `root` is no folder, holds a `.py` file, or a setting that asks for code."""
    if not root.is_dir():
        raise EncoderError(f"{root} is not a folder")
    code = sorted(root.rglob("*.py"))
    if code:
        raise EncoderError(
            f"{root} holds code ({code[0].name}): only weights, tokenizer and settings are read"
        )
    for path in sorted(root.rglob("*config.json")):
        for key in ("auto_map", "trust_remote_code"):
            if _asks_for(json_of(path), key):
                raise EncoderError(f"{path} asks for code of its own ({key}), which is never run")


def json_of(path: Path) -> Any:
    """The JSON of a file, or `EncoderError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"{path} cannot be read as JSON: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file, or `EncoderError`."""
    value = json_of(path)
    if not isinstance(value, dict):
        raise EncoderError(f"{path}: wanted a JSON object, found {type(value).__name__}")
    return value


def read_optional(path: Path) -> dict[str, Any]:
    """The JSON object of a file, empty where there is none."""
    return read_object(path) if path.is_file() else {}


def _asks_for(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return bool(value.get(key)) or any(_asks_for(inner, key) for inner in value.values())
    return isinstance(value, list) and any(_asks_for(inner, key) for inner in value)

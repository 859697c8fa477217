"""An index as format 1 had it: every array a file of NumPy's, the manifest naming each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.files import checksum_file
from retrieve.packed import PackedArrays
from retrieve.store.manifest import read_manifest, seal_object


def to_format_one(folder: Path) -> None:
    """Write an index anew in the format before this one; the generations before its current one go."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    del manifest["checksum"]
    manifest["format"] = 1
    for segment in manifest["segments"]:
        _unpack(folder / "segments" / segment["id"], segment["files"], "arrays", "")
        if (deletions := segment["deletions"]) is not None:
            place = folder / "deletions" / str(deletions["generation"])
            _unpack(place, deletions["files"], f"{segment['id']}.arrays", f"{segment['id']}.")
    (folder / "manifest.json").write_bytes(seal_object(manifest))
    for older in folder.glob("manifest.*.json"):
        older.unlink()
    assert read_manifest(folder).format == 1


def _unpack(folder: Path, files: dict[str, Any], name: str, prefix: str) -> None:
    packed = files.pop(name)
    arrays = PackedArrays(folder / name, packed["size"], packed["checksum"])
    for array in arrays.names:
        path = folder / f"{prefix}{array}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, arrays.array(array))
        key = path.relative_to(folder).as_posix()
        files[key] = {"size": path.stat().st_size, "checksum": checksum_file(path)}
    (folder / name).unlink()
    for key in sorted(files):
        files[key] = files.pop(key)

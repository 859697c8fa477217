"""One digest that says whether two encoders give the same vectors: what an index keeps instead of a name.

It covers everything that shapes a vector and nothing that does not (folder, name, prompts, which the recipe keeps),
and hashes files as they lie, so that opening an index needs no torch.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from retrieve.encoders.folder import (
    SPLADE,
    WEIGHED_MODULES,
    ModelFolder,
    Module,
    pooling_modes,
    splade_settings,
)
from retrieve.encoders.folder_files import read_object, weight_files
from retrieve.encoders.tokens import tokenizer_files

# Keys of config.json that say where a model comes from and how it was stored, not what it computes.
PROVENANCE = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


def fingerprint(model: ModelFolder, *, normalize: bool, limit: int) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON (sorted keys, no spaces) of these parts:

    - `config`: config.json of the transformer without the keys of `PROVENANCE`;
    - `weights`: SHA-256 of each of its safetensors files;
    - `tokenizer`: tokenizer.json without its truncation and padding, which are switched off, as canonical JSON; or the
      SHA-256 of each older vocabulary file by name; and `lower_case`;
    - `modules`: pooling modes, and kind, settings and weights of every other module (a Normalize at the end
      is said by `normalize`);
    - `normalize` and `limit`;
    - `winners`, only where there is such a head: its settings and weights. Codes depend on them and vectors do not, so
      what keeps vectors asks for the fingerprint of the model without it;
    - `truncate` and `most_active`, only where there are such, the first with whether unit vectors are cut.
    """
    parts: dict[str, Any] = {
        "version": 1,
        "config": {key: value for key, value in model.config.items() if key not in PROVENANCE},
        "weights": [_digest(path) for path in weight_files(model.transformer)],
        "tokenizer": _tokenizer(model.transformer),
        "lower_case": model.lower_case,
        "modules": [_describe(module) for module in model.modules],
        "normalize": normalize,
        "limit": limit,
    }
    if model.winners is not None:
        parts["winners"] = _describe(model.winners)
    if model.truncate is not None:
        parts["truncate"] = {"dimensions": model.truncate, "unit": model.normalizes}
    if model.most_active is not None:
        parts["most_active"] = model.most_active
    return hashlib.sha256(_canonical(parts)).hexdigest()


def _describe(module: Module) -> dict[str, Any]:
    if module.kind == "Pooling":
        return {"kind": "Pooling", "modes": list(pooling_modes(module))}
    if module.kind == SPLADE:  # its dimension is written or not, depending on what was encoded before
        return {"kind": module.kind, **splade_settings(module)}
    files = weight_files(module.folder) if module.kind in WEIGHED_MODULES else ()
    return {
        "kind": module.kind,
        "settings": dict(module.settings),
        "weights": [_digest(path) for path in files],
    }


def _tokenizer(folder: Path) -> Any:
    files = tokenizer_files(folder)
    if files[0].name != "tokenizer.json":
        return {path.name: _digest(path) for path in files}
    content = read_object(files[0])
    return hashlib.sha256(_canonical({**content, "truncation": None, "padding": None})).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

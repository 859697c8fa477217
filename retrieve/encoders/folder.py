"""What a model folder says about itself, read and judged before anything in it is loaded.

A folder is data from a stranger: it may hold weights as safetensors, a tokenizer and JSON, and name modules out of
a short list; anything that would run code (`.py`, `auto_map`, pickled weights) is refused here, without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from retrieve.encoders.folder_files import json_of, read_object, read_optional, refuse_code, weight_files
from retrieve.errors import EncoderError

Pooling = Literal["cls", "mean", "max", "last"]

POOLINGS: Mapping[str, str] = {"cls": "cls", "mean": "mean", "max": "max", "last": "lasttoken"}
"""Our names of the pooling modes → those of sentence-transformers."""

WINNERS = "WinnerTakeAll"
WINNERS_TYPE = f"retrieve.encoders.winners.{WINNERS}"
"""The one class of our own that a folder may name, by this very name."""

UNTRAINED = "untrained WinnerTakeAll"
"""A token-level head that no folder has: it follows from its settings."""

SPLADE = "SpladePooling"

WEIGHED_MODULES = ("Dense", "LayerNorm", WINNERS)
ENCODER_MODULES = ("Transformer", "Pooling", "Normalize", "Dropout", "Dense", "LayerNorm")

# Old releases of sentence-transformers named the file after the architecture.
TRANSFORMER_SETTINGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)

# Architectures that number positions from the padding token's id + 1, so that so many of their table are never used.
OFFSET_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm"}
    | {"xlm-roberta", "xlm-roberta-xl", "xmod"}
)

# Settings of the transformer module that we apply, or that do not matter to a text encoder. Any other one that is
# set would be ignored by us and change the vectors, so it is refused.
KNOWN_SETTINGS = (
    "max_seq_length",
    "do_lower_case",
    "transformer_task",
    "modality_config",
    "module_output_name",
    "method_output_name",
    "unpad_inputs",
)

# What a model is loaded for, in sentence-transformers' words → which of its outputs the back ends take.
OUTPUTS: Mapping[str, str] = {"feature-extraction": "last_hidden_state", "fill-mask": "logits"}

MULTI_VECTOR = ("MultiVectorEncoder", "ColBERT")
"""Model types whose texts have a vector for every token."""

SETTINGS = "config_sentence_transformers.json"


@dataclass(frozen=True, slots=True)
class Module:
    """One step after the transformer: its class name in sentence-transformers, folder and settings."""

    kind: str
    folder: Path
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A checked model: `transformer` holds config.json, the weights and the tokenizer; `modules` follow it.

    `max_tokens` is the limit the folder names itself; `lower_case` a lower-casing on top of the tokenizer's own;
    `normalizes` says that a Normalize came last, which is then no longer among `modules`; `winners` is the head that
    makes binary codes of the vectors, and no part of what makes the vectors. `truncate`: the first dimensions of a
    vector that are kept, after a Normalize that came last; `most_active`: the largest weights of a sparse row that are.
    """

    root: Path
    transformer: Path
    config: Mapping[str, Any]
    modules: tuple[Module, ...] = ()
    max_tokens: int | None = None
    lower_case: bool = False
    normalizes: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    winners: Module | None = None
    truncate: int | None = None
    most_active: int | None = None


def read_encoder_folder(root: Path, pooling: Pooling | None) -> ModelFolder:
    """Check and read a sentence-transformers folder, or a bare transformers folder, which needs `pooling`.

    A `SparseEncoder` that ends in a text-level `WinnerTakeAll` is the encoder before it, with that head. Raises
    `EncoderError` for code, pickled weights, missing parts, unknown modules, or a `pooling` that contradicts the
    folder's own.
    """
    refuse_code(root)
    if pooling is not None and pooling not in POOLINGS:
        raise EncoderError(f"pooling is {pooling!r}, wanted one of {', '.join(POOLINGS)}")
    if not (root / "modules.json").is_file():
        return _read_bare(root, pooling)
    transformer, *modules = read_modules(root, ENCODER_MODULES)
    if transformer.kind != "Transformer":
        raise EncoderError(f"{root}: the first module is {transformer.kind}, wanted a Transformer")
    task = task_of(transformer)
    if task != "feature-extraction":
        raise EncoderError(
            f"{root} is a model for {task}: wanted one whose transformer_task is feature-extraction"
        )
    check_outputs(transformer)
    _check_pooling(root, modules, pooling)
    winners = modules.pop() if modules[-1].kind == WINNERS else None
    _check_winners(root, modules, winners)
    normalizes = modules[-1].kind == "Normalize"
    return ModelFolder(
        root=root,
        transformer=transformer.folder,
        config=read_transformer(transformer.folder),
        modules=tuple(modules[:-1] if normalizes else modules),
        max_tokens=transformer.settings.get("max_seq_length"),
        lower_case=bool(transformer.settings.get("do_lower_case")),
        normalizes=normalizes,
        **read_prompts(root),
        winners=winners,
        # Of a head's codes the library cuts nothing off.
        truncate=read_count(root, "truncate_dim") if winners is None else None,
    )


def refuse_truncated(model: ModelFolder) -> None:
    """Raise `EncoderError` for a folder that keeps a part of its vectors: a training works on whole ones."""
    if model.truncate is not None:
        raise EncoderError(
            f"{model.root} keeps {model.truncate} dimensions of its vectors (truncate_dim), which is not offered in "
            f"training: take truncate_dim out of a copy's {SETTINGS}"
        )


def read_cross_encoder_folder(root: Path) -> ModelFolder:
    """Check and read the folder of a cross-encoder: one transformer with a classifier, and nothing after it."""
    refuse_code(root)
    named = (root / "modules.json").is_file()
    modules = read_modules(root, ENCODER_MODULES) if named else [Module("Transformer", root, {})]
    if [module.kind for module in modules] != ["Transformer"]:
        raise EncoderError(
            f"{root} has the modules {', '.join(module.kind for module in modules)}: wanted a transformer alone, of a "
            "cross-encoder or a masked language model"
        )
    transformer, settings = modules[0].folder, modules[0].settings
    config = read_transformer(transformer)
    return ModelFolder(
        root=root,
        transformer=transformer,
        config=config,
        max_tokens=settings.get("max_seq_length"),
        lower_case=bool(settings.get("do_lower_case")),
        **read_prompts(root),
    )


def read_transformer(folder: Path) -> Mapping[str, Any]:
    """The config.json of a folder that also has safetensors weights; `EncoderError` where it has not."""
    if not (folder / "config.json").is_file():
        inside = sorted(each.parent.name for each in folder.glob("*/modules.json"))
        hint = f"; it holds the encoder folders {', '.join(inside)}: give one of them" if inside else ""
        raise EncoderError(f"{folder}: no config.json, so this is no transformers model{hint}")
    if (folder / "adapter_config.json").is_file():
        raise EncoderError(f"{folder} is an adapter: merge it into its base model and save that")
    weight_files(folder)
    return read_object(folder / "config.json")


def pooling_modes(module: Module) -> tuple[str, ...]:
    """The modes of a Pooling module, in sentence-transformers' words and order; several are concatenated."""
    named = module.settings.get("pooling_mode")
    if named is not None:
        return (named,) if isinstance(named, str) else tuple(named)
    flags = {  # how releases before 5.4 wrote it
        "cls": "pooling_mode_cls_token",
        "max": "pooling_mode_max_tokens",
        "mean": "pooling_mode_mean_tokens",
        "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
        "weightedmean": "pooling_mode_weightedmean_tokens",
        "lasttoken": "pooling_mode_lasttoken",
    }
    # A mean is what the library takes where nothing is said.
    return tuple(mode for mode, flag in flags.items() if module.settings.get(flag)) or ("mean",)


def splade_settings(module: Module) -> dict[str, Any]:
    """How a SpladePooling makes weights of logits; `EncoderError` for a way that is not known."""
    known = {"pooling_strategy": ("max", "sum"), "activation_function": ("relu", "log1p_relu")}
    settings = {name: module.settings.get(name, ways[0]) for name, ways in known.items()}
    for name, way in settings.items():
        if way not in known[name]:
            raise EncoderError(f"{module.folder}: {name} is {way!r}, wanted one of {', '.join(known[name])}")
    return settings


def _read_bare(root: Path, pooling: Pooling | None) -> ModelFolder:
    config = read_transformer(root)
    if pooling is None:
        raise EncoderError(
            f"{root} is a plain transformers model, which does not say how token vectors become one: "
            f"set pooling to {', '.join(POOLINGS)}"
        )
    return ModelFolder(root, root, config, (Module("Pooling", root, {"pooling_mode": POOLINGS[pooling]}),))


def read_modules(root: Path, kinds: Sequence[str]) -> list[Module]:
    """The modules that modules.json names, Dropout left out; `EncoderError` for others than those of `kinds`.

    `kinds` are classes of sentence-transformers; `WINNERS_TYPE` is read besides them.
    """
    kind = read_optional(root / SETTINGS).get("model_type")
    if kind in MULTI_VECTOR:
        raise EncoderError(
            f"{root} is a {kind}, which has a vector for every token of a text: no view searches such vectors; "
            "wanted a SentenceTransformer or a SparseEncoder"
        )
    entries = json_of(root / "modules.json")
    if not isinstance(entries, list) or not entries:
        raise EncoderError(f"{root / 'modules.json'}: wanted a list of modules")
    # Dropout does nothing outside training.
    modules = (_read_module(root, entry, kinds) for entry in entries)
    return [module for module in modules if module.kind != "Dropout"]


def read_prompts(root: Path) -> dict[str, Any]:
    """`prompts` by name, and the name of the `default_prompt`, as config_sentence_transformers.json has them."""
    path = root / SETTINGS
    settings = read_optional(path)
    prompts, default = settings.get("prompts") or {}, settings.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise EncoderError(f"{path}: wanted prompts as an object of strings, found {prompts!r}")
    if not isinstance(default, str | None):
        raise EncoderError(f"{path}: wanted the name of a prompt as default_prompt_name, found {default!r}")
    return {"prompts": prompts, "default_prompt": default}


def read_count(root: Path, key: str) -> int | None:
    """A number of dimensions that config_sentence_transformers.json gives under a key, None where it gives none."""
    value = read_optional(root / SETTINGS).get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise EncoderError(
            f"{root / SETTINGS}: {key} is {value!r}, wanted a whole number of dimensions, at least 1"
        )
    return value


def task_of(transformer: Module) -> str:
    """What a transformer module is loaded for, in sentence-transformers' words; `EncoderError` for what is not run."""
    task: str = transformer.settings.get("transformer_task") or "feature-extraction"
    if task not in OUTPUTS:
        raise EncoderError(
            f"{transformer.folder} is a model for {task}: wanted one for {' or '.join(OUTPUTS)}"
        )
    return "fill-mask" if transformer.kind == "MLMTransformer" else task


def check_outputs(transformer: Module) -> None:
    """Raise `EncoderError` where a transformer module takes another output of its model than is taken here."""
    text = transformer.settings.get("modality_config", {}).get("text", {})
    found = {
        "method": text.get("method"),
        "method_output_name": text.get("method_output_name"),
        "module_output_name": transformer.settings.get("module_output_name"),
    }
    wanted = {
        "method": "forward",
        "method_output_name": OUTPUTS[task_of(transformer)],
        "module_output_name": "token_embeddings",
    }
    for key, value in found.items():
        if value not in (None, wanted[key]):
            raise EncoderError(f"{transformer.folder}: {key} is {value!r}, wanted {wanted[key]}")


def _read_module(root: Path, entry: Any, kinds: Sequence[str]) -> Module:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("type", "path")):
        raise EncoderError(f"{root / 'modules.json'}: wanted modules with a type and a path, found {entry!r}")
    package, _, kind = entry["type"].rpartition(".")
    theirs = package.partition(".")[0] == "sentence_transformers" and kind in kinds
    if not theirs and entry["type"] != WINNERS_TYPE:
        raise EncoderError(
            f"{root}: module {entry['type']} is not loaded; wanted of sentence_transformers: {', '.join(kinds)}, "
            f"or {WINNERS_TYPE}"
        )
    path = PurePosixPath(entry["path"])
    if path.is_absolute() or ".." in path.parts:
        raise EncoderError(f"{root}: module path {entry['path']!r} leaves the folder")
    folder = root / path
    if kind in ("Transformer", "MLMTransformer"):
        return Module(kind, folder, _transformer_settings(folder))
    settings = read_optional(folder / "config.json")
    if kind in WEIGHED_MODULES:
        weight_files(folder)
    for key in ("module_input_name", "module_output_name"):
        if settings.get(key) not in (None, "sentence_embedding"):
            raise EncoderError(
                f"{folder}: {key} is {settings[key]!r}, wanted sentence_embedding: modules work on the pooled vector"
            )
    # The library would fall back to another activation with no more than a log line.
    activation = settings.get("activation_function", "torch.")
    if kind != SPLADE and not str(activation).startswith("torch."):
        raise EncoderError(f"{folder}: activation {activation} is not one of torch's")
    return Module(kind, folder, settings)


def _transformer_settings(folder: Path) -> Mapping[str, Any]:
    files = (path for name in TRANSFORMER_SETTINGS if (path := folder / name).is_file())
    settings = next((read_object(path) for path in files), {})
    strange = sorted(key for key, value in settings.items() if value and key not in KNOWN_SETTINGS)
    if strange:
        raise EncoderError(f"{folder} has settings that this engine does not apply: {', '.join(strange)}")
    if "text" not in settings.get("modality_config", {"text": {}}):
        raise EncoderError(f"{folder} does not take plain text")
    return settings


def _check_pooling(root: Path, modules: list[Module], pooling: Pooling | None) -> None:
    found = [pooling_modes(module) for module in modules if module.kind == "Pooling"]
    if not found and any(_works_on_tokens(module) for module in modules):
        raise EncoderError(f'{root} has no Pooling, its head works on tokens: set uhd.level = "token"')
    if len(found) != 1:
        raise EncoderError(f"{root} has {len(found)} Pooling modules, wanted one: it is no encoder of texts")
    if pooling is not None and found[0] != (POOLINGS[pooling],):
        raise EncoderError(f"{root} pools by {'+'.join(found[0])}, asked for {pooling}: leave pooling out")


def _works_on_tokens(module: Module) -> bool:
    return module.kind == WINNERS and module.settings.get("level") == "token"


def _check_winners(root: Path, modules: list[Module], winners: Module | None) -> None:
    if any(module.kind == WINNERS for module in modules):
        raise EncoderError(
            f"{root}: {WINNERS} is not the last module, wanted it to be: nothing takes its codes"
        )
    if winners is not None and winners.settings.get("level", "text") != "text":
        raise EncoderError(
            f"{root} pools the tokens and then takes winners of the {winners.settings['level']} level: "
            'a head after a Pooling has level = "text"'
        )

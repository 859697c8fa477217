"""What the folder of a sparse encoder says about itself, judged like that of a dense one before anything is loaded.

Two kinds are read: masked language models whose logits are pooled (SPLADE), and transformers whose every token has
winners (UHD at token level), by a head of the folder's or by an untrained one. UHD at text level is a dense encoder
with a head: `read_encoder_folder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrieve.encoders.folder import (
    ENCODER_MODULES,
    SETTINGS,
    SPLADE,
    UNTRAINED,
    WINNERS,
    ModelFolder,
    Module,
    check_outputs,
    read_count,
    read_modules,
    read_prompts,
    read_transformer,
    splade_settings,
    task_of,
)
from retrieve.encoders.folder_files import refuse_code
from retrieve.errors import EncoderError

SPARSE_MODULES = ("Transformer", "MLMTransformer", SPLADE)


def head_of(root: Path) -> Module | None:
    """The head at the end of a folder's modules, of winners or SPLADE's; None where it has none."""
    refuse_code(root)
    if not (root / "modules.json").is_file():
        return None
    last = read_modules(root, (*SPARSE_MODULES, *ENCODER_MODULES[1:]))[-1]
    return last if last.kind in (WINNERS, SPLADE) else None


def read_sparse_folder(root: Path, untrained: Mapping[str, Any] | None = None) -> ModelFolder:
    """Check and read the folder of a `SparseEncoder`, or a bare transformers folder of a masked language model.

    The one module of the result is a `SpladePooling` or a token-level `WinnerTakeAll`. With `untrained`, arguments of
    that class, any encoder of texts will do: its transformer alone is taken, and such a head, unless the folder has
    one. Raises `EncoderError` for code, pickled weights, missing parts, other modules, and settings that are not
    understood.
    """
    refuse_code(root)
    named = (root / "modules.json").is_file()
    if untrained is not None and head_of(root) is None:
        transformer = read_modules(root, ENCODER_MODULES)[0] if named else Module("Transformer", root, {})
        return _folder(root, transformer, Module(UNTRAINED, root, untrained))
    if not named:
        return _read_bare(root)
    transformer, *modules = read_modules(root, (*SPARSE_MODULES, *ENCODER_MODULES[1:]))
    if len(modules) > 1 and modules[-1].kind == WINNERS and modules[-1].settings.get("level") != "token":
        raise EncoderError(f'{root} pools tokens, its head works on whole texts: set uhd.level = "text"')
    kinds = [transformer.kind, *(module.kind for module in modules)]
    masked = task_of(transformer) == "fill-mask"
    if len(modules) != 1 or modules[0].kind != (SPLADE if masked else WINNERS):
        raise EncoderError(
            f"{root} has the modules {', '.join(kinds)} ({'with' if masked else 'without'} the masked-language-model "
            f"head), wanted a masked language model and {SPLADE}, or a Transformer and {WINNERS}"
        )
    head = modules[0]
    if head.kind == WINNERS and head.settings.get("level") != "token":
        raise EncoderError(
            f'{root}: {WINNERS} without a Pooling before it has level = "token", found another'
        )
    if head.kind == SPLADE:
        splade_settings(head)
    return _folder(root, transformer, head)


def _folder(root: Path, transformer: Module, head: Module) -> ModelFolder:
    check_outputs(transformer)
    most_active = read_count(root, "max_active_dims")
    if most_active is not None and head.kind != SPLADE:
        raise EncoderError(
            f"{root} has max_active_dims = {most_active} and binary codes, whose ones are all alike: take it out of "
            f"{SETTINGS}, and say by the head's winners and cap how many there are"
        )
    return ModelFolder(
        root=root,
        transformer=transformer.folder,
        config=read_transformer(transformer.folder),
        modules=(head,),
        max_tokens=transformer.settings.get("max_seq_length"),
        lower_case=bool(transformer.settings.get("do_lower_case")),
        **read_prompts(root),
        most_active=most_active,
    )


def _read_bare(root: Path) -> ModelFolder:
    config = read_transformer(root)
    architectures = config.get("architectures") or []
    if not any(str(name).endswith("ForMaskedLM") for name in architectures):
        raise EncoderError(
            f"{root} is a plain transformers model of {', '.join(map(str, architectures)) or 'no named architecture'}, "
            "wanted one with a masked-language-model head (…ForMaskedLM), or a folder saved by SparseEncoder"
        )
    # What sentence-transformers takes for such a model, and how the published SPLADE checkpoints were trained.
    return ModelFolder(root, root, config, (Module(SPLADE, root, {}),))

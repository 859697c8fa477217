"""Model folders small enough to make in a test: random weights that depend on the seed alone, an English-ish
WordPiece vocabulary, and a tokenizer.json that truncates at 16 and pads, as some published ones do.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TEXT = """
the of and to in is for that with as by on are from this be was it not or which have has an at we
can these their been were but also more than other may such used one two most time law court act
article cell protein blood gene patient disease drug risk study effect wing flow heat pressure
boundary layer library function class value return object string number list file module error index
search query document passage retrieval text model data method result system information
"""
WORDS = tuple(TEXT.split())
ENDINGS = ("##s", "##ed", "##ing", "##er", "##ly", "##ion", "##al", "##ity", "##ment", "##ness")


def tiny_encoder_folder(
    path: Path, *, seed: int = 0, dimensions: int = 32, limit: int = 64, pooling: str = "mean"
) -> Path:
    """A sentence-transformers folder (Transformer, Pooling, Normalize) with vectors of `dimensions`."""
    tiny_bare_folder(path, seed=seed, dimensions=dimensions, positions=2 * limit)
    kinds = {"0": ("", "Transformer"), "1": ("1_Pooling", "Pooling"), "2": ("2_Normalize", "Normalize")}
    modules = [
        {"idx": int(name), "name": name, "path": folder, "type": f"sentence_transformers.models.{kind}"}
        for name, (folder, kind) in kinds.items()
    ]
    write_json(path / "modules.json", modules)
    write_json(path / "sentence_bert_config.json", {"max_seq_length": limit, "do_lower_case": False})
    flag = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "last": "lasttoken"}[pooling]
    settings = {"word_embedding_dimension": dimensions, f"pooling_mode_{flag}": True}
    write_json(path / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": False, **settings})
    return path


def tiny_bare_folder(path: Path, *, seed: int = 0, dimensions: int = 32, positions: int = 128) -> Path:
    """A plain transformers folder: a BERT of two layers without anything on top."""
    from transformers import BertModel

    return _save(path, BertModel, seed, dimensions, positions)


def tiny_cross_encoder_folder(path: Path, seed: int = 0) -> Path:
    """A BERT of two layers that gives one score to a pair."""
    from transformers import BertForSequenceClassification

    return _save(path, BertForSequenceClassification, seed, 32, 128, num_labels=1)


def tiny_masked_lm_folder(path: Path, seed: int = 0) -> Path:
    """A BERT of two layers with a head that predicts tokens, as SPLADE starts from."""
    from transformers import BertForMaskedLM

    return _save(path, BertForMaskedLM, seed, 32, 128)


def tiny_sparse_folder(path: Path, *, seed: int = 0, limit: int = 64, **settings: Any) -> Path:
    """A folder saved by `SparseEncoder`: with `settings` of WinnerTakeAll its head is that, else SpladePooling.

    At text level it pools by means and normalises.
    """
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling, Transformer

    from retrieve.encoders.winners import WinnerTakeAll

    start = path.parent / f"{path.name}-start"
    if not settings:
        tiny_masked_lm_folder(start, seed)
        first = Transformer(str(start), transformer_task="fill-mask", max_seq_length=limit)
        SparseEncoder(modules=[first, SpladePooling()], device="cpu").save_pretrained(str(path))
        return path
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    tiny_bare_folder(start, seed=seed)
    options = {"output_hidden_states": True} if "layers" in settings else {}
    modules: list[Any] = [Transformer(str(start), max_seq_length=limit, config_kwargs=options)]
    if settings.get("level", "text") == "text":
        modules += [Pooling(32, "mean"), Normalize()]
    modules.append(WinnerTakeAll(32, **settings))
    SparseEncoder(modules=modules, device="cpu").save_pretrained(str(path))
    return path


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _save(path: Path, architecture: Any, seed: int, dimensions: int, positions: int, **settings: Any) -> Path:
    import torch
    from transformers import BertConfig
    from transformers.utils import logging

    config = BertConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=dimensions,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * dimensions,
        max_position_embeddings=positions,
        initializer_range=0.2,  # far enough from zero that different texts get different vectors
        **settings,
    )
    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        architecture(config).save_pretrained(path)
    _save_tokenizer(path, positions)
    return path


def _vocabulary() -> dict[str, int]:
    characters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*SPECIAL, *characters, *(f"##{character}" for character in characters), *WORDS, *ENDINGS]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def _save_tokenizer(path: Path, positions: int) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    vocabulary = _vocabulary()
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(path / "tokenizer.json"))
    names = dict(
        zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)
    )
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": positions}
    write_json(path / "tokenizer_config.json", {**settings, **names})
    (path / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary), encoding="utf-8")

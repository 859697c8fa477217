"""One tiny checkpoint of every encoder family that is supported, with the kind of tokenizer that the family has.

Each is two layers of random weights, saved as its published models are: the traps (numbered positions, windows,
special tokens at one end, padding ids) are in the configuration and the tokenizer, not in the size.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tiny_models import ENDINGS, TEXT, WORDS, write_json

LIMIT = 64
"""Tokens that each of them can read, special ones included."""

WIDTH = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
BERT = {**WIDTH, "max_position_embeddings": LIMIT, "pad_token_id": 0}
# Positions are numbered from the padding id + 1, so two rows of the table are never used.
ROBERTA = {**WIDTH, "max_position_embeddings": LIMIT + 2, "pad_token_id": 1}
DECODER = {**BERT, "num_key_value_heads": 1, "head_dim": 16, "bos_token_id": 2, "eos_token_id": 3}


class Frame(NamedTuple):
    """The special tokens of a family in the order of their ids, and those before and after each text."""

    special: tuple[str, ...]
    before: str | None
    after: str | None


BRACKETS = Frame(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), "[CLS]", "[SEP]")
ANGLES = Frame(("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "<s>", "</s>")
SENTENCE_BEGINS = Frame(("<pad>", "<unk>", "<s>", "</s>"), "<s>", None)
SENTENCE_ENDS = Frame(("<pad>", "<unk>", "<s>", "</s>"), None, "</s>")


class Family(NamedTuple):
    """Architecture and settings in transformers, its tokenizer, and the pooling its sentence encoders use."""

    model_type: str
    settings: Mapping[str, Any]
    tokenizer: Callable[[Path], int]
    pooling: str = "mean"


def tiny_family(name: str, folder: Path, seed: int = 0) -> Path:
    """Save the family's model and tokenizer as a bare transformers folder."""
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    family = FAMILIES[name]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = family.tokenizer(folder)
    config = AutoConfig.for_model(
        family.model_type, vocab_size=vocabulary, **{"initializer_range": 0.2, **family.settings}
    )
    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModel.from_config(config).save_pretrained(folder)
    return folder


def _wordpiece(folder: Path) -> int:
    """BERT's own."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    characters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*BRACKETS.special, *WORDS, *ENDINGS, *characters, *(f"##{letter}" for letter in characters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _save(tokenizer, BRACKETS, folder)


def _byte_pairs(frame: Frame) -> Callable[[Path], int]:
    """GPT-2's bytes: of RoBERTa, of ModernBERT, and of today's decoders."""

    def save(folder: Path) -> int:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=list(frame.special),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator([TEXT], trainer)
        return _save(tokenizer, frame, folder)

    return save


def _pieces(frame: Frame) -> Callable[[Path], int]:
    """SentencePiece's unigrams: of XLM-R, ALBERT, BigBird and DeBERTa."""

    def save(folder: Path) -> int:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        scored = [(token, 0.0) for token in frame.special]
        scored += [(f"▁{word}", -4.0) for word in dict.fromkeys(WORDS)]
        scored += [(character, -9.0) for character in f"▁{string.ascii_letters}{string.digits}äé,."]
        tokenizer = Tokenizer(models.Unigram(scored, frame.special.index(_named(frame, "unk"))))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        return _save(tokenizer, frame, folder)

    return save


def _save(tokenizer: Any, frame: Frame, folder: Path) -> int:
    from tokenizers import processors

    tokenizer.add_special_tokens(list(frame.special))
    around = [token for token in (frame.before, "$A", frame.after) if token is not None]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(around),
        special_tokens=[(token, frame.special.index(token)) for token in around if token != "$A"],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": _named(frame, "pad"), "unk_token": _named(frame, "unk")}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LIMIT}
    write_json(folder / "tokenizer_config.json", {**settings, **names})
    return int(tokenizer.get_vocab_size())


def _named(frame: Frame, name: str) -> str:
    return next(token for token in frame.special if name in token.lower())


FAMILIES: Mapping[str, Family] = {
    "bert": Family("bert", BERT, _wordpiece),
    "roberta": Family("roberta", ROBERTA, _byte_pairs(ANGLES)),
    "xlm-roberta": Family("xlm-roberta", ROBERTA, _pieces(ANGLES), "cls"),
    "albert": Family("albert", {**BERT, "embedding_size": 16}, _pieces(BRACKETS)),
    "distilbert": Family(
        "distilbert",
        {
            "dim": 32,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 64,
            "max_position_embeddings": LIMIT,
            "pad_token_id": 0,
        },
        _wordpiece,
        "cls",
    ),
    "mobilebert": Family(
        "mobilebert",
        {**BERT, "embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2},
        _wordpiece,
    ),
    "electra": Family("electra", {**BERT, "embedding_size": 16}, _wordpiece, "max"),
    "mpnet": Family("mpnet", ROBERTA, _byte_pairs(ANGLES)),
    "deberta-v2": Family(
        "deberta-v2",
        {
            **BERT,
            "relative_attention": True,
            "position_biased_input": False,
            "position_buckets": 8,
            "max_relative_positions": -1,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
        },
        _pieces(BRACKETS),
    ),
    "modernbert": Family(
        "modernbert",
        {
            **BERT,
            "global_attn_every_n_layers": 2,
            "local_attention": 8,
            "initializer_cutoff_factor": 2.0,
            "bos_token_id": 2,
            "cls_token_id": 2,
            "eos_token_id": 3,
            "sep_token_id": 3,
        },
        _byte_pairs(BRACKETS),
        "cls",
    ),
    "big_bird": Family(
        "big_bird",
        {
            **BERT,
            "block_size": 2,
            "num_random_blocks": 1,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "sep_token_id": 3,
        },
        _pieces(BRACKETS),
    ),
    "longformer": Family("longformer", {**ROBERTA, "attention_window": [8, 8]}, _byte_pairs(ANGLES), "cls"),
    "nomic_bert": Family("nomic_bert", BERT, _wordpiece),
    "llama": Family("llama", DECODER, _byte_pairs(SENTENCE_BEGINS), "last"),
    "qwen3": Family("qwen3", DECODER, _byte_pairs(SENTENCE_ENDS), "last"),
}

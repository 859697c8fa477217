"""Texts to token ids and character offsets, by the Rust tokenizer alone: no torch, no transformers.

The same tokenizer cuts passages, counts and feeds the model. Truncation and padding, which a file may switch on
(MiniLM's cuts at 128), are switched off when it is loaded and it is never changed after: so threads can share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.folder_files import read_object
from retrieve.errors import EncoderError, InputError

IntArray = NDArray[np.int64]

# Encodings of the Rust library take some 100 bytes a token: a slice of texts at a time bounds them, by their number and
# by their characters, as a table of figures has four times as many tokens as prose of the same length.
SLICE = 512
SLICE_CHARACTERS = 1 << 17

_UNKNOWN = frozenset({"[UNK]", "<unk>"})

VOCABULARY_FILES = ("vocab.txt", "vocab.json", "merges.txt", "*.model")
TOKENIZER_SETTINGS = ("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json")


class TokenRow(NamedTuple):
    """One text (or pair) as the model is fed it, special tokens included; `cut`: tokens left out by the limit."""

    ids: NDArray[np.int32]
    types: NDArray[np.int32]
    cut: int


class Tokens:
    """A tokenizer without truncation or padding. `special`: tokens added to one text; `pad`: the id of padding."""

    def __init__(self, tokenizer: Any, pad: int) -> None:
        self._tokenizer = tokenizer
        self.pad = pad
        self.special: int = tokenizer.num_special_tokens_to_add(False)

    def names(self, count: int) -> list[str]:
        """The tokens of ids 0 to `count` - 1; an id that has none is named by its number in brackets."""
        return [self._tokenizer.id_to_token(number) or f"[{number}]" for number in range(count)]

    def offsets(self, texts: Sequence[str]) -> list[IntArray]:
        """(T,2) start and end characters of every token of each text; without special tokens, nothing cut.

        Tokens of one character (bytes of an emoji) may share their offsets.
        """
        encodings = encode_slices(self._tokenizer.encode_batch, texts, add_special_tokens=False)
        return [np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) for encoding in encodings]

    def pieces(self, text: str) -> tuple[int, int]:
        """Tokens of a text with a letter or digit in them: those that are known, and those that stand for what is not.

        A word that the tokenizer knows is one piece, of another it makes several, or one that is unknown.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        at = [
            token
            for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True)
            if any(map(str.isalnum, text[start:end]))
        ]
        unknown = sum(token in _UNKNOWN for token in at)
        return len(at) - unknown, unknown

    def rows(self, texts: Sequence[str], limit: int) -> list[TokenRow]:
        """Each text as at most `limit` tokens with its special tokens; what is too much is cut from the end."""
        found = self._fitted(self._tokenizer.encode_batch_fast, texts, limit)
        return [row_of(encoding, cut) for encoding, cut in found]

    def rows_with_offsets(self, texts: Sequence[str], limit: int) -> list[tuple[TokenRow, IntArray]]:
        """Like `rows`, each with the (T,2) start and end characters of its tokens; special tokens have (0, 0)."""
        found = self._fitted(self._tokenizer.encode_batch, texts, limit)
        return [
            (row_of(encoding, cut), np.array(encoding.offsets, np.int64).reshape(-1, 2))
            for encoding, cut in found
        ]

    def _fitted(self, encode: Any, texts: Sequence[str], limit: int) -> Iterator[tuple[Any, int]]:
        """Encodings by a batch method, cut at the limit, and by how much; special tokens come after the cut."""
        for encoding in encode_slices(encode, texts, add_special_tokens=False):
            cut = max(0, len(encoding) + self.special - limit)
            if cut:
                encoding.truncate(len(encoding) - cut)
            yield self._tokenizer.post_process(encoding), cut


def encode_slices(encode: Any, inputs: Sequence[Any], **options: bool) -> Iterator[Any]:
    """Encodings by a batch method of the Rust library, a bounded number at a time."""
    start = 0
    while start < len(inputs):
        part: list[Any] = []
        characters = 0
        for item in inputs[start : start + SLICE]:
            characters += _characters(item)
            if part and characters > SLICE_CHARACTERS:
                break
            part.append(item)
        try:
            yield from encode(part, **options)
        except TypeError as error:
            raise InputError("", _unencodable(part, start)) from error
        start += len(part)


def _characters(item: Any) -> int:
    """Of a text, or a pair; what is neither is refused by the tokenizer."""
    return sum(len(text) for text in (item if isinstance(item, tuple) else (item,)) if isinstance(text, str))


def row_of(encoding: Any, cut: int) -> TokenRow:
    """The ids and token types of a Rust encoding."""
    return TokenRow(np.array(encoding.ids, np.int32), np.array(encoding.type_ids, np.int32), cut)


def load_tokenizer(folder: Path, *, lower_case: bool) -> Any:
    """A fresh `tokenizers.Tokenizer` of a folder, truncation and padding off; `lower_case` puts that step in front.

    From tokenizer.json where there is one; else transformers builds it from the older vocabulary files.
    """
    from tokenizers import Tokenizer, normalizers

    files = tokenizer_files(folder)
    if files[0].name == "tokenizer.json":
        read_object(files[0])  # the Rust library raises a bare Exception for a file that was cut short
        tokenizer = Tokenizer.from_file(str(files[0]))
    else:
        tokenizer = _from_vocabulary(folder)
    if lower_case:
        steps = [normalizers.Lowercase()]
        if tokenizer.normalizer is not None:
            steps.append(tokenizer.normalizer)
        tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenizer_files(folder: Path) -> tuple[Path, ...]:
    """The files that decide how a folder's tokenizer works: tokenizer.json, or the older vocabulary files."""
    if (folder / "tokenizer.json").is_file():
        return (folder / "tokenizer.json",)
    vocabularies = [path for name in VOCABULARY_FILES for path in sorted(folder.glob(name))]
    if not vocabularies:
        raise EncoderError(
            f"{folder}: no tokenizer (tokenizer.json, vocab.txt, ...): save one beside the model"
        )
    return tuple(vocabularies) + tuple(
        path for name in TOKENIZER_SETTINGS if (path := folder / name).is_file()
    )


def _from_vocabulary(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EncoderError(f"{folder}: the tokenizer cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise EncoderError(f"{folder}: the tokenizer has no tokenizer.json, nor can one be made of its files")
    return tokenizer.backend_tokenizer


def _unencodable(inputs: Sequence[Any], start: int) -> str:
    """Why the Rust library, which only says that it wanted a string, refused one of the texts or pairs."""
    for number, item in enumerate(inputs, start):
        for text in item if isinstance(item, tuple) else (item,):
            if not isinstance(text, str):
                return f"text {number} is a {type(text).__name__}, wanted a string"
            # Surrogates are the only characters of a Python string that UTF-8 has no bytes for.
            at = next((at for at, character in enumerate(text) if "\ud800" <= character <= "\udfff"), None)
            if at is not None:
                return f"text {number} holds a lone surrogate at character {at}, wanted valid Unicode"
    return f"the tokenizer refuses one of the texts {start} to {start + len(inputs) - 1}"

"""Passages of about 200 words for models that cut none, and a text without each of them: evidence by occlusion."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from retrieve.classify.records import IntArray
from retrieve.errors import UsageError
from retrieve.text.passages import Splitter
from retrieve.types import Document, LabelledDocument

_WORDS = 200
_WORD = re.compile(r"\w+")


def word_passages(document: LabelledDocument, words: int = _WORDS) -> IntArray:
    """Spans (S,2) of passages of at most `words` words, characters of the document's text.

    Paragraphs that the data name are joined up to so many, and cut where they are longer; a text without any is cut at
    blank lines and ends of sentences. A text without a word has no passage, or the one that holds it.
    """
    text = document.document.text
    pieces = list(document.paragraphs) or [(0, len(text))]
    splitter = Splitter(
        offsets=_word_offsets,
        limit=None,
        size=words,
        overlap=0,
        mode="window",
        title="none",
        boundaries="sentence",
    )
    parts = [Document(document.document.id, text[start:end]) for start, end in pieces]
    spans: list[tuple[int, int]] = []
    held = 0
    for (start, _), part, cut in zip(pieces, parts, splitter.split(parts), strict=True):
        for left, right in cut.spans.tolist():
            count = len(_WORD.findall(part.text[left:right]))
            if spans and held + count <= words:
                spans[-1] = (spans[-1][0], start + right)
                held += count
            else:
                spans.append((start + left, start + right))
                held = count
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def texts_without(document: LabelledDocument, spans: IntArray) -> list[str]:
    """The text without the characters of each passage, (S,2) or (S,K,2) of parts that do not overlap.

    Raises `UsageError` for spans outside of the text.
    """
    text = document.document.text
    if len(spans) and (spans.min() < 0 or spans.max() > len(text)):
        raise UsageError(
            f"passages leave the text of document {document.document.id!r}, {len(text)} characters: "
            "cut them from this text"
        )
    return [_without(text, sorted(map(tuple, span.reshape(-1, 2).tolist()))) for span in spans]


def _without(text: str, parts: Sequence[tuple[int, ...]]) -> str:
    kept, at = [], 0
    for start, end in parts:
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])


def _word_offsets(texts: Sequence[str]) -> list[IntArray]:
    return [
        np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)
        for text in texts
    ]

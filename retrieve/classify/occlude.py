"""Passages of about 200 words for models that cut none, and a text without each of them: evidence by occlusion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from retrieve.classify.records import IntArray
from retrieve.errors import UsageError
from retrieve.text.splitter import Splitter
from retrieve.types import Document, LabelledDocument

_WORDS = 200
_WORD = re.compile(r"\w+")
_TERM = re.compile(r"\w\w+")
_TOGETHER = 64
"""Passages whose rows are held at a time: each row has the terms of nearly the whole text."""


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


def texts_without(document: LabelledDocument, spans: IntArray) -> Iterator[str]:
    """The text without the characters of each passage, (S,2) or (S,K,2) of parts that do not overlap.

    One after the other: all of a long text's together take its length squared.

    Raises `UsageError` for spans outside of the text.
    """
    text = _checked(document, spans)
    return (_without(text, _parts(span)) for span in spans)


def rows_without(
    vectorizer: Any, document: LabelledDocument, spans: IntArray, ngrams: int
) -> Iterator[csr_matrix]:
    """TF-IDF rows of `texts_without`, some at a time, equal to those of the texts themselves.

    The whole text is counted once, and of each passage only its surroundings: n-grams that are nowhere near it stay.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    text = _checked(document, spans)
    places = np.array([match.start() for match in _TERM.finditer(text)], dtype=np.int64)
    whole = CountVectorizer.transform(vectorizer, [text])
    for start in range(0, len(spans), _TOGETHER):
        before: list[str] = []
        after: list[str] = []
        for span in spans[start : start + _TOGETHER]:
            parts = _parts(span)
            first, last = _around(places, parts[0][0], max(end for _, end in parts), ngrams + 1, len(text))
            before.append(text[first:last])
            inside = LabelledDocument(Document("", before[-1]))
            after.extend(texts_without(inside, span.reshape(1, -1, 2) - first))
        ones = csr_matrix(np.ones((len(before), 1)))
        counts = ones @ whole - CountVectorizer.transform(vectorizer, before)
        counts = (counts + CountVectorizer.transform(vectorizer, after)).tocsr()
        counts.eliminate_zeros()
        yield vectorizer._tfidf.transform(counts, copy=False)


def _checked(document: LabelledDocument, spans: IntArray) -> str:
    text = document.document.text
    if len(spans) and (spans.min() < 0 or spans.max() > len(text)):
        raise UsageError(
            f"passages leave the text of document {document.document.id!r}, {len(text)} characters: "
            "cut them from this text"
        )
    return text


def _around(places: IntArray, start: int, end: int, terms: int, length: int) -> tuple[int, int]:
    """Where the `terms`-th term before `start` begins, and the one that so many after `end` lie before."""
    left = int(np.searchsorted(places, start)) - terms - 1
    right = int(np.searchsorted(places, end)) + terms + 1
    return (int(places[left]) if left >= 0 else 0), (int(places[right]) if right < len(places) else length)


def _parts(span: IntArray) -> list[tuple[int, ...]]:
    return sorted(map(tuple, span.reshape(-1, 2).tolist()))


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

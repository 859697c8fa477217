"""Which words of a text became which terms: what shows a person the words that a term stands for.

The analyzer itself keeps no places, because normal forms move them; here the words are found in the text as it stands,
and each is analysed by itself. In scripts without spaces a term belongs to two neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from retrieve.text.analyze import Analyzer


class WordTerms(NamedTuple):
    """Characters `start` to `end` of a text and their terms: none for a stop word, several for a parted one."""

    start: int
    end: int
    terms: tuple[str, ...]


def word_terms(text: str, analyzer: Analyzer) -> Iterator[WordTerms]:
    """The words of `text` in order with their terms, all of which together are `analyzer.terms(text)`.

    Pairs of an unspaced script overlap, as its terms do. Order and count of terms may differ from the analyzer's in
    what its normal form joins or parts across words.
    """
    spans = analyzer.word_offsets(text).tolist()
    terms = _Terms(analyzer)
    paired = False  # with the word before
    for number, (start, end) in enumerate(spans):
        pair = None
        if number + 1 < len(spans) and spans[number + 1][0] == end:
            pair = _pair(text, start, end, spans[number + 1][1], terms)
        if pair is not None:
            yield pair
        elif not paired:
            yield WordTerms(start, end, terms[text[start:end]])
        paired = pair is not None


def found_words(text: str, wanted: frozenset[str], analyzer: Analyzer) -> list[tuple[int, int]]:
    """Where words with a term of `wanted` stand: characters (start, end), sorted, those that touch as one."""
    found: list[tuple[int, int]] = []
    if not wanted:
        return found
    for start, end, terms in word_terms(text, analyzer):
        if wanted.isdisjoint(terms):
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


class _Terms(dict[str, tuple[str, ...]]):
    """Word → terms, filled on demand: the words of a text repeat."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__()
        self._analyzer = analyzer

    def __missing__(self, word: str) -> tuple[str, ...]:
        terms = self[word] = tuple(self._analyzer.terms(word))
        return terms


def _pair(text: str, start: int, middle: int, end: int, terms: _Terms) -> WordTerms | None:
    """Two words without anything between them, if they give one term together that neither gives by itself."""
    both = terms[text[start:end]]
    if len(both) == 1 and both not in (terms[text[start:middle]], terms[text[middle:end]]):
        return WordTerms(start, end, both)
    return None

"""Which words of a text became which terms: what shows a person the words that a term stands for.

The analyzer itself keeps no places, because normal forms move them; here the words are found in the text as it stands,
and each is analysed by itself. In scripts without spaces a term belongs to two neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from retrieve.text.analyze import Analyzer
from retrieve.text.word_forms import Forms


class WordTerms(NamedTuple):
    """Characters `start` to `end` of a text and their terms: none for a stop word, several for a parted one."""

    start: int
    end: int
    terms: tuple[str, ...]


def word_terms(text: str, analyzer: Analyzer) -> Iterator[WordTerms]:
    """The words of `text` in order with their terms, all of which together are `analyzer.terms(text)`.

    Pairs of an unspaced script overlap, as its terms do, and each of their characters stands beside them where the
    analyzer's rules index it. Order and count of terms may differ from the analyzer's in what its normal form joins or
    parts across words.
    """
    spans = analyzer.word_offsets(text).tolist()
    forms = _Forms(analyzer)
    before = False  # paired with the word before
    for number, (start, end) in enumerate(spans):
        alone = forms[text[start:end]]
        pair = None
        if number + 1 < len(spans) and spans[number + 1][0] == end:
            after = spans[number + 1][1]
            pair = _pair(alone, forms[text[start:after]], forms[text[end:after]])
        if not (before or pair is not None) or analyzer.indexes_characters:
            yield WordTerms(start, end, alone.indexed)
        if pair is not None:
            yield WordTerms(start, after, pair)
        before = pair is not None


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


class _Forms(dict[str, Forms]):
    """Word → its terms, filled on demand: the words of a text repeat."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__()
        self._analyzer = analyzer

    def __missing__(self, word: str) -> Forms:
        forms = self[word] = Forms(tuple(self._analyzer.terms(word)), tuple(self._analyzer.asked(word)))
        return forms


def _pair(first: Forms, both: Forms, second: Forms) -> tuple[str, ...] | None:
    """The term of two words without anything between them, if together they ask for one that neither asks for."""
    if len(both.asked) == 1 and both.asked not in (first.asked, second.asked):
        return both.asked
    return None

"""The analyzer of indexes that were made before rules 3: they go on with the terms they have.

A word is a run of letters, marks and numbers, because `\\w` shreds Hindi and Thai. Scripts that are written without
spaces give overlapping bigrams of grapheme clusters, which need no dictionary and find any substring of two. A word
that a line end parted gives the whole and its parts.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import regex

from retrieve.text.analyze import Analyzer
from retrieve.text.layout import PARTED, with_parts
from retrieve.text.stemmers import make_stemmer
from retrieve.text.word_forms import cluster_spans, clusters

# Scripts without spaces, and the iteration, closing, length and voicing marks that Unicode shares between them.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\u3006\u3031-\u3035\u303C\u30FC\uFF70\uFF9E\uFF9F"
_WORD = regex.compile(rf"[\p{{L}}\p{{M}}\p{{N}}_]++(?:{PARTED}[\p{{L}}\p{{M}}\p{{N}}_]++)*+")
_ANY_UNSPACED = regex.compile(rf"[{_UNSPACED}]")
# Group 1 is a run of an unspaced script, marks of any script included; everything else is an ordinary word.
_RUN = regex.compile(
    rf"(?V1)([[\p{{L}}\p{{M}}\p{{N}}]&&[{_UNSPACED}]][[\p{{L}}\p{{M}}\p{{N}}]&&[{_UNSPACED}\p{{M}}]]*)"
    rf"|[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]++(?:{PARTED}[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]++)*+"
)
# Each byte of an ASCII text as "x" where it belongs to a word, as a space where it does not.
_ASCII_WORDS = bytes(ord("x") if _WORD.match(chr(code)) else ord(" ") for code in range(128)).ljust(256)

# The other characters of such a text as spaces: splitting there takes a tenth of the time of finding words.
_ASCII_SPACES = {code: " " for code in range(128) if not _WORD.match(chr(code))}

_CACHED_STEMS = 30_000  # surface forms per thread, some 8 MB; the words of a language repeat soon


class FormerAnalyzer(Analyzer):
    """NFKC, lower case, words and bigrams, stop words, stemmer. Safe in many threads."""

    @property
    def rules(self) -> int:
        """By which rules text becomes terms."""
        return 2

    @property
    def indexes_characters(self) -> bool:
        """A character is a term only where it stands alone."""
        return False

    def terms(self, text: str) -> list[str]:
        """The terms of `text` in order, without stop words, stemmed; none is empty or holds whitespace or NUL."""
        normal = (text if text.isascii() else unicodedata.normalize("NFKC", text)).lower()
        stems = self._stems()
        if normal.isascii():
            return [stem for word in normal.translate(_ASCII_SPACES).split() if (stem := stems[word])]
        if _ANY_UNSPACED.search(normal) is None:
            words = _WORD.findall(normal)
            if PARTED in normal:
                words = chain.from_iterable(map(with_parts, words))
            return [stem for word in words if (stem := stems[word])]
        terms: list[str] = []
        for match in _RUN.finditer(normal):
            if match[1]:
                terms.extend(_bigrams(match[1]))
            else:
                terms.extend(stem for word in with_parts(match[0]) if (stem := stems[word]))
        return terms

    def asked(self, text: str) -> list[str]:
        """The terms that `text` asks for: the same."""
        return self.terms(text)

    def counted(self, text: str) -> dict[str, int]:
        """How often `text` asks for each term, by first appearance."""
        return Counter(self.terms(text))

    def word_offsets(self, text: str) -> npt.NDArray[np.int64]:
        """Character offsets (T,2) int64 of all words of `text`, stop words included, sorted, none overlapping.

        In unspaced scripts each grapheme cluster is a word. The words are found in the text as it stands, not in
        its normal form, so that no map between the two is needed. They are the words that `terms` sees except
        where NFKC splits or makes one (`½` becomes `1` and `2`, the symbol `℡` becomes `tel`), and a word that a line
        end parted is one: enough to count and cut by.
        """
        spans = list(_word_spans(text))
        return np.array(spans, dtype=np.int64).reshape(len(spans), 2)

    def count_words(self, text: str) -> int:
        """How many words `word_offsets` finds, without their places, which take most of its time."""
        if text.isascii():
            return (b" " + text.encode().translate(_ASCII_WORDS)).count(b" x")
        if _ANY_UNSPACED.search(text) is None:
            return len(_WORD.findall(text))
        return sum(1 for _ in _word_spans(text))

    def _stems(self) -> _Stems:
        """This thread's stems: a Snowball stemmer keeps state and may not be called from two threads at once."""
        stems: _Stems | None = getattr(self._local, "former", None)
        if stems is None:
            stems = self._local.former = _Stems(self.language, self._stopped)
        return stems


class _Stems(dict[str, str]):
    """Word → stem, filled on demand; a stop word has the empty stem. Looking up is what makes `terms` fast."""

    def __init__(self, language: str, stopped: frozenset[str]) -> None:
        super().__init__()
        self._stopped = stopped
        self._stemmer = make_stemmer(language)

    def __missing__(self, word: str) -> str:
        if len(self) >= _CACHED_STEMS:
            self.clear()
        if word in self._stopped:
            stem = ""
        elif self._stemmer is None:
            stem = word
        else:
            stem = self._stemmer.stemWord(word) or word  # `porter` gives nothing for "s"
        self[word] = stem
        return stem


def _bigrams(run: str) -> list[str]:
    """Overlapping pairs of grapheme clusters; a single cluster stays."""
    single = clusters(run)
    if len(single) == 1:
        return [run]
    return [first + second for first, second in pairwise(single)]


def _word_spans(text: str) -> Iterator[tuple[int, int]]:
    if _ANY_UNSPACED.search(text) is None:
        for match in _WORD.finditer(text):
            yield match.span()
        return
    for match in _RUN.finditer(text):
        if match[1]:
            yield from cluster_spans(text, *match.span())
        else:
            yield match.span()

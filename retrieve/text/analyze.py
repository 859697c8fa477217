"""The analyzer: one text to the terms BM25 counts, and to the words that measure and cut a passage.

Words are those of UAX #29, as Lucene's StandardTokenizer draws them, with exceptions that `word_forms.py` and the
core's `words.cpp` name. Scripts that are written without spaces give overlapping bigrams of grapheme clusters, which
need no dictionary and find any substring of two. A word that a line end parted gives the whole and its parts.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrieve._core import WordTable, count_words, word_spans
from retrieve.files import checksum_bytes
from retrieve.recipe import ANALYSIS_OPTIONS
from retrieve.text.compounds import words_fingerprint
from retrieve.text.stemmer_identity import stemmer_fingerprint
from retrieve.text.stemmers import LUCENE_PORTER, checked_language
from retrieve.text.word_forms import TURKISH, Forms, WordForms, cluster_spans

if TYPE_CHECKING:
    from retrieve.recipe import BM25

RULES = 3
"""How text becomes terms, by number: raised when a change here gives any text other terms. Indexes record it."""

# Lucene's EnglishAnalyzer: 33 words.
_LUCENE_ENGLISH = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with"
)
ENGLISH_STOPWORDS = frozenset(_LUCENE_ENGLISH.split())
_OF_LANGUAGES = dict.fromkeys(("english", LUCENE_PORTER), ENGLISH_STOPWORDS)

_MOST_WORDS = 1 << 17  # distinct ones remembered by a thread, some 20 MB; the words of a language repeat soon
_MOST_BYTES = 1 << 23
_FEW_WORDS = 32  # counted one by one sooner than by a table


class Analyzer:
    """Words and bigrams, their normal forms, stop words, stemmer. Safe in many threads.

    Stop words are compared before stemming. `english` and `lucene-porter` have Lucene's 33; other languages have a
    stemmer and no stop list; `none` has neither. A word that its stemmer would reduce to nothing stays as it is.
    """

    def __init__(
        self,
        language: str = "english",
        *,
        stopwords: bool = True,
        identifiers: bool = False,
        fold_accents: bool = False,
        compounds: bool = False,
    ) -> None:
        """`language` is a Snowball algorithm, `lucene-porter` or `none`.

        `identifiers`: the parts of `parseHTTPResponse` are terms beside the whole. `fold_accents`: `cafe` is `café`.
        `compounds`, for German: parts of compounds are terms beside the whole. Anything else than the known languages
        raises `RecipeError`, which names them.
        """
        self.language = checked_language(language)
        self.identifiers = identifiers
        self.fold_accents = fold_accents
        self.compounds = compounds
        self._stopped = stopwords_of(language) if stopwords else frozenset[str]()
        self._local = threading.local()

    @property
    def rules(self) -> int:
        """By which rules text becomes terms."""
        return RULES

    @property
    def indexes_characters(self) -> bool:
        """Whether the characters of an unspaced script are terms beside their pairs."""
        return True

    @cached_property
    def stemmer(self) -> str | None:
        """What the installed stemmer makes of telling words, as a digest: under another one terms are others.

        None where there is no stemmer, or one that is written here and stays. The release of another is no part of a
        recipe, which does not choose it. Of compounds it has the known words too.
        """
        if self.compounds:
            return checksum_bytes(f"{stemmer_fingerprint(self.language)} {words_fingerprint()}".encode())
        return None if self.language in ("none", LUCENE_PORTER) else stemmer_fingerprint(self.language)

    @property
    def lowers_capitals(self) -> bool:
        """Whether capitals of ASCII may be taken for their small letters before anything else is known of a word."""
        return self.language != TURKISH and not self.identifiers

    def word_forms(self) -> WordForms:
        """What becomes of words, for one thread."""
        return WordForms(
            self.language,
            self._stopped,
            identifiers=self.identifiers,
            fold_accents=self.fold_accents,
            compounds=self.compounds,
        )

    def terms(self, text: str) -> list[str]:
        """The terms of `text` in order, without stop words, stemmed; none is empty or holds whitespace or NUL."""
        return [term for forms in self._words.forms(text) for term in forms.indexed]

    def asked(self, text: str) -> list[str]:
        """The terms that `text` asks for as a query: those of `terms`, less the single characters beside bigrams."""
        return [term for forms in self._words.forms(text) for term in forms.asked]

    def counted(self, text: str) -> dict[str, int]:
        """How often `asked` has each term, by first appearance; of a long text sooner than all of them."""
        return self._words.counted(text)

    def word_offsets(self, text: str) -> npt.NDArray[np.int64]:
        """Character offsets (T,2) int64 of all words of `text`, stop words included, sorted, none overlapping.

        In unspaced scripts each grapheme cluster is a word. A word that a line end parted is one.
        """
        bounds, runs = word_spans(text)
        spans = bounds.reshape(-1, 2)
        if not len(runs):
            return spans
        parted = [np.array(list(cluster_spans(text, *spans[run].tolist())), np.int64) for run in runs]
        lengths = np.ones(len(spans), np.int64)
        lengths[runs] = [len(part) for part in parted]
        ends = np.cumsum(lengths)
        found = np.repeat(spans, lengths, axis=0)
        for run, part in zip(runs, parted, strict=True):
            found[ends[run] - len(part) : ends[run]] = part
        return found

    def count_words(self, text: str) -> int:
        """How many words `word_offsets` finds, without their places, which take most of its time."""
        count = count_words(text)
        return len(self.word_offsets(text)) if count < 0 else count

    @property
    def _words(self) -> _Words:
        """This thread's words: a Snowball stemmer keeps state and may not be called from two threads at once."""
        words: _Words | None = getattr(self._local, "words", None)
        if words is None:
            words = self._local.words = _Words(self.word_forms(), lower=self.lowers_capitals)
        return words


def stopwords_of(language: str) -> frozenset[str]:
    """The words that an analyzer of this language leaves out; none where it has no list."""
    return _OF_LANGUAGES.get(language, frozenset())


def analyzer_of(section: BM25) -> Analyzer:
    """The analyzer that a recipe describes. Raises `RecipeError` for a language without a stemmer."""
    if section.rules == RULES:
        options = {name: getattr(section, name) for name in ANALYSIS_OPTIONS}
        return Analyzer(section.language, stopwords=section.stopwords, **options)
    from retrieve.text.former_rules import FormerAnalyzer

    return FormerAnalyzer(section.language, stopwords=section.stopwords)


class _Words:
    """The forms of the words met so far."""

    def __init__(self, word_forms: WordForms, *, lower: bool) -> None:
        self._word_forms = word_forms
        self._numbers = WordTable(lower=lower)
        self._forms: list[Forms] = []

    def forms(self, text: str) -> Iterator[Forms]:
        """Those of each word of a text, in order."""
        numbers = self._known(text)  # which may begin a new list of forms
        return map(self._forms.__getitem__, numbers)

    def counted(self, text: str) -> dict[str, int]:
        """The terms that a text asks for; of a long text each distinct word is looked at once."""
        found: dict[str, int] = {}
        known = self._known(text)
        counts = Counter(known).items() if len(known) > _FEW_WORDS else zip(known, repeat(1))
        for number, times in counts:
            for term in self._forms[number].asked:
                found[term] = found.get(term, 0) + times
        return found

    def _known(self, text: str) -> list[int]:
        """The number of each word of a text, whose forms are there then."""
        if len(self._forms) > _MOST_WORDS or self._numbers.bytes > _MOST_BYTES:
            self._numbers.clear()
            self._forms = []
        numbers: list[int] = self._numbers.numbers(text).tolist()
        if len(self._numbers) > len(self._forms):
            self._forms += map(self._word_forms.of, self._numbers.since(len(self._forms)))
        return numbers

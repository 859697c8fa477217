"""Stemmers by the names that recipes have for them: Snowball's, Porter's own, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import Stemmer

from retrieve.errors import RecipeError
from retrieve.text.porter import PorterStemmer

LUCENE_PORTER = "lucene-porter"
"""English as Lucene's EnglishAnalyzer has it."""


class WordStemmer(Protocol):
    """What PyStemmer's objects are. One may keep state, and is not for two threads at once."""

    def stemWord(self, word: str, /) -> str:  # noqa: N802 - PyStemmer's name
        """The stem of a word in small letters; it may be empty."""
        ...

    def stemWords(self, words: Sequence[str], /) -> list[str]:  # noqa: N802
        """Those of many."""
        ...


def checked_language(language: str) -> str:
    """A language that there is a stemmer for, or `none`; raises `RecipeError` for others."""
    known = ["none", LUCENE_PORTER, *Stemmer.algorithms()]
    if language not in known:
        raise RecipeError(f"no analyzer for language {language!r}: choose one of {', '.join(known)}")
    return language


def make_stemmer(language: str) -> WordStemmer | None:
    """A new one that keeps no words; None for `none`."""
    if language == "none":
        return None
    if language == LUCENE_PORTER:
        return PorterStemmer()
    made: WordStemmer = Stemmer.Stemmer(language, 0)
    return made

"""The fingerprint of a stemmer: fixed for a release line, another one as soon as a telling word has another stem."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import Stemmer

from retrieve.text import stemmer_identity
from retrieve.text.analyze import Analyzer
from retrieve.text.stemmer_identity import stemmer_fingerprint

_REAL = Stemmer.Stemmer


def altered(change: Callable[[str, str], str]) -> type:
    """A stemmer class that is the installed one but for what `change` makes of a word and its stem."""

    class Altered:
        def __init__(self, language: str, cache: int) -> None:
            self._real = _REAL(language, cache)

        def stemWord(self, word: str) -> str:
            return change(word, self._real.stemWord(word))

        def stemWords(self, words: list[str]) -> list[str]:
            return [self.stemWord(word) for word in words]

    return Altered


def test_every_language_has_a_fingerprint_of_its_own() -> None:
    found = {language: stemmer_fingerprint(language) for language in Stemmer.algorithms()}
    assert len(set(found.values())) == len(found) >= 30
    assert found == {language: stemmer_fingerprint(language) for language in Stemmer.algorithms()}


def test_the_words_are_for_ever() -> None:
    # Indexes keep these: whoever changes the list makes every index refuse the stemmer that built it.
    assert stemmer_fingerprint("english") == "a515118eee6617ef446eb66f0b348dd7"
    assert stemmer_fingerprint("german") == "aa1f962962a657affb3b21b4e444c147"


@pytest.mark.parametrize("language", Stemmer.algorithms())
def test_each_language_has_words_that_its_stemmer_shortens(language: str) -> None:
    words = stemmer_identity._TELLING.split()
    assert len(words) == len(set(words))
    stems = Stemmer.Stemmer(language, 0).stemWords(words)
    assert sum(word != stem for word, stem in zip(words, stems, strict=True)) >= 8


@pytest.mark.parametrize(
    "word", ["organization", "university", "emergency", "interval", "skis", "internment", "evening"]
)
def test_one_other_stem_is_another_fingerprint(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    before = stemmer_fingerprint("english")
    other = altered(lambda given, stem: f"{stem}x" if given == word else stem)
    monkeypatch.setattr(Stemmer, "Stemmer", other)
    assert stemmer_fingerprint("english") != before


def test_an_analyzer_knows_its_stemmer() -> None:
    assert Analyzer("none").stemmer is None
    assert Analyzer("english").stemmer == Analyzer("english", stopwords=False).stemmer
    assert Analyzer("english").stemmer == stemmer_fingerprint("english")
    assert Analyzer("porter").stemmer != Analyzer("english").stemmer

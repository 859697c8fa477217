"""Porter's stemmer of English as it was published, which is the one that Lucene's EnglishAnalyzer has.

Porter, "An algorithm for suffix stripping", Program 14 (1980), with the three departures that its author lists for his
own programs: words of one or two letters stay, `-bli` stands where the paper has `-abli`, and `-logi` is `-log`.
Snowball's `porter` and `english` are others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

_VOWELS = frozenset("aeiou")

# Suffix → what stands in its place. Of those that a word ends with the longest alone is tried.
_SECOND = {
    "ational": "ate",
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "izer": "ize",
    "bli": "ble",
    "alli": "al",
    "entli": "ent",
    "eli": "e",
    "ousli": "ous",
    "ization": "ize",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "iveness": "ive",
    "fulness": "ful",
    "ousness": "ous",
    "aliti": "al",
    "iviti": "ive",
    "biliti": "ble",
    "logi": "log",
}
_THIRD = {
    "icate": "ic",
    "ative": "",
    "alize": "al",
    "iciti": "ic",
    "ical": "ic",
    "ful": "",
    "ness": "",
}
_LAST = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize"
_FOURTH = dict.fromkeys(_LAST.split(), "")


class PorterStemmer:
    """The stemmer, called as PyStemmer's are. It keeps nothing from word to word."""

    def stemWord(self, word: str) -> str:  # noqa: N802 - PyStemmer's name
        """The stem of a word in small letters; only letters of English decide, any other is a consonant."""
        if len(word) < 3:
            return word
        word = _without_e(_fourth(_third(_second(_first(word)))))
        return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word

    def stemWords(self, words: Sequence[str]) -> list[str]:  # noqa: N802
        """Those of many."""
        return [self.stemWord(word) for word in words]


def _first(word: str) -> str:
    """Steps 1a to 1c: plurals, -ed, -ing, and a final y."""
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if word.endswith("eed"):
        word = word[:-1] if _measure(word[:-3]) else word
    else:
        for suffix in ("ed", "ing"):
            stem = word.removesuffix(suffix)
            if stem != word and _has_vowel(stem):
                word = _mended(stem)
                break
    return f"{word[:-1]}i" if word.endswith("y") and _has_vowel(word[:-1]) else word


def _mended(stem: str) -> str:
    """What -ed or -ing was taken off, with the e that it had lost, or without a consonant that it had doubled."""
    if stem.endswith(("at", "bl", "iz")):
        return f"{stem}e"
    if stem[-1:] == stem[-2:-1] and _kinds(stem).endswith("c"):  # "yy" is double: its second is a consonant
        return stem if stem[-1] in "lsz" else stem[:-1]
    return f"{stem}e" if _measure(stem) == 1 and _is_short(stem) else stem


def _second(word: str) -> str:
    return _replaced(word, _SECOND, 0)


def _third(word: str) -> str:
    return _replaced(word, _THIRD, 0)


def _fourth(word: str) -> str:
    if word.endswith("ion") and not word.endswith(("sion", "tion")):
        return word
    return _replaced(word, _FOURTH, 1)


def _without_e(word: str) -> str:
    """Step 5a."""
    if not word.endswith("e"):
        return word
    stem = word[:-1]
    measure = _measure(stem)
    return stem if measure > 1 or (measure == 1 and not _is_short(stem)) else word


def _replaced(word: str, suffixes: Mapping[str, str], least: int) -> str:
    """The word with its longest suffix of these replaced, where the measure of what is before it is above `least`."""
    for length in range(min(len(word), 7), 1, -1):
        replacement = suffixes.get(word[-length:])
        if replacement is not None:
            stem = word[:-length]
            return stem + replacement if _measure(stem) > least else word
    return word


def _kinds(word: str) -> str:
    """A "v" for each vowel, a "c" for each other letter; y is a vowel behind a consonant."""
    kinds = ""
    for letter in word:
        is_vowel = letter in _VOWELS or (letter == "y" and kinds.endswith("c"))
        kinds += "v" if is_vowel else "c"
    return kinds


def _measure(stem: str) -> int:
    """Porter's m: how often a consonant follows a vowel."""
    return sum(pair == ("v", "c") for pair in pairwise(_kinds(stem)))


def _has_vowel(stem: str) -> bool:
    return "v" in _kinds(stem)


def _is_short(stem: str) -> bool:
    """Whether it ends with consonant, vowel, consonant, the last not being w, x or y."""
    return _kinds(stem).endswith("cvc") and stem[-1] not in "wxy"

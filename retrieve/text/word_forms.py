"""What becomes of one word of a text: normal form, language's rules, stem. Each distinct word comes here once.

The core finds the words (`retrieve/_core/words.cpp`); their forms are looked up from then on, so that what is done here
may take its time.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, compress, pairwise
from typing import NamedTuple

import regex

from retrieve._core import word_spans
from retrieve.text.accents import without_accents
from retrieve.text.compounds import german_compounds
from retrieve.text.identifiers import identifier_parts
from retrieve.text.layout import PARTED, with_parts
from retrieve.text.stemmers import LUCENE_PORTER, make_stemmer

_EMOJI = regex.compile(r"(?V1)[[\p{Extended_Pictographic}\p{Regional_Indicator}]--[\p{N}\p{L}]]")
_PRESENTATION = str.maketrans("", "", "\ufe0e\ufe0f")  # whether an emoji is shown in colour
# Removed inside words: soft hyphens, joiners, marks of direction, fillers, what only draws an Arabic word longer, the
# narrow space of French thousands, and what encloses a character (keycaps).
_UNSEEN = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Me}\u0640]+|(?<=\p{Nd})\u202F(?=\p{Nd})")
_UNSEEN_SPACE = "\u200b"  # where a word may be broken: between words, or inside a long one
_CLUSTER = regex.compile(r"\X")
_ACRONYM = regex.compile(r"(?:\p{L}\p{M}*\.)+\p{L}\p{M}*")

_SAME = dict.fromkeys(map(ord, "‘’‛ʼ՚＇"), "'")
_SAME |= {0x066B: ".", 0x066C: ",", ord('"'): "\u05f4", 0x0130: "i"}
_DOTLESS = str.maketrans({"I": "ı"})
TURKISH = "turkish"
"""The language whose small letter of I has no dot."""

# Articles and pronouns that lose their vowel before a word that begins with one (Lucene's lists).
_ELISIONS = {
    "french": "l m t qu n s j d c jusqu quoiqu lorsqu puisqu",
    "italian": "c l all dall dell nell sull coll pell gl agl dagl degl negl sugl un m t s v d",
    "catalan": "d l m n s t",
    "irish": "d m b",
}
_ENGLISH = ("english", "porter", LUCENE_PORTER)
# Languages whose stemmers bring together without accents what they bring together with them: they lose at most .5 % of
# the pairs of words. The French one would lose a fifth of them, the Turkish one a third.
_FOLDED_FIRST = frozenset(
    [
        *_ENGLISH,
        "none",
        "danish",
        "dutch",
        "dutch_porter",
        "finnish",
        "german",
        "greek",
        "norwegian",
        "russian",
        "serbian",
    ]
)


class Forms(NamedTuple):
    """The terms of a word: those that are indexed, and those that it asks for. They differ where words are bigrams."""

    indexed: tuple[str, ...]
    asked: tuple[str, ...]


class WordForms:
    """Word → terms, by the rules of a language. Not for two threads at once: a Snowball stemmer keeps state.

    `identifiers`: whether the parts of names in program texts are terms beside the whole. `fold_accents`: whether terms
    have no accents. `compounds`: whether the parts of German compounds are terms beside the whole; raises
    `MissingExtra`.
    """

    def __init__(
        self,
        language: str,
        stopped: frozenset[str],
        *,
        identifiers: bool = False,
        fold_accents: bool = False,
        compounds: bool = False,
    ) -> None:
        self._language = language
        self._stopped = stopped
        self._identifiers = identifiers
        self._fold_accents = fold_accents
        self._compounds = german_compounds() if compounds else None
        # Of a word of a script with spaces.
        self._has_one_term = not (identifiers or fold_accents or compounds)
        self._stemmer = make_stemmer(language)

    def of(self, word: str) -> Forms:
        """The terms of a word as it stands in a text. None is empty, or holds white space or NUL."""
        if word.isascii():
            return self._with_parts(word)
        if _EMOJI.match(word):
            return _of_terms(word.translate(_PRESENTATION))
        if _UNSEEN_SPACE in word and not len(word_spans(word)[1]):
            word = PARTED.join(filter(None, word.split(_UNSEEN_SPACE)))
        if PARTED in word:
            return _together(map(self._with_parts, with_parts(word)))
        return self._with_parts(word)

    def indexed(self, words: Sequence[str]) -> list[tuple[str, ...]]:
        """The indexed terms of each of many words: plain ones are stemmed all at once."""
        if self._stemmer is None or self._language == TURKISH or not self._has_one_term:
            return [self.of(word).indexed for word in words]
        plain = [word.isascii() and word.isalnum() and word not in self._stopped for word in words]
        stems = iter(self._stemmer.stemWords([word.lower() for word in compress(words, plain)]))
        return [
            (next(stems) or word,) if is_plain else self._indexed_one(word)
            for word, is_plain in zip(words, plain, strict=True)
        ]

    def _indexed_one(self, word: str) -> tuple[str, ...]:
        """What `of` says; a word of ASCII is one word in small letters too, and need not be looked through again."""
        return self._terms(word.lower()) if word.isascii() else self.of(word).indexed

    def _with_parts(self, word: str) -> Forms:
        """The terms of a word, then those of its parts if it is an identifier and these are wanted."""
        forms = self._forms(self._normal(word))
        if not self._identifiers:
            return forms
        seen = unicodedata.normalize("NFKC", _UNSEEN.sub("", word))
        parts = [] if _ACRONYM.fullmatch(seen) else identifier_parts(seen)
        return _together([forms, *(self._forms(self._normal(part)) for part in parts)])

    def _normal(self, word: str) -> str:
        """NFKC, without what is not seen, in small letters, digits and apostrophes those of ASCII."""
        if word.isascii() and self._language != TURKISH:
            return word.lower()
        normal = unicodedata.normalize("NFKC", _UNSEEN.sub("", word)).translate(_SAME)
        if self._language == TURKISH:
            normal = normal.translate(_DOTLESS)
        normal = unicodedata.normalize("NFKC", normal.casefold()).replace("i\u0307", "i")
        if normal.isascii():
            return normal
        return "".join(map(_ascii_digit, normal))

    def _forms(self, normal: str) -> Forms:
        """The terms of a normal form, in which there may be several words, or none."""
        if normal.isalnum() and normal.isascii():
            return _of_terms(*self._terms(normal))
        bounds, runs = word_spans(normal)
        unspaced = frozenset(runs.tolist())
        indexed: list[str] = []
        asked: list[str] = []
        for number, (start, end) in enumerate(bounds.reshape(-1, 2).tolist()):
            found = normal[start:end]
            forms = _bigrams(found) if number in unspaced else _of_terms(*self._terms(found))
            indexed += forms.indexed
            asked += forms.asked
        return Forms(tuple(indexed), tuple(asked))

    def _terms(self, word: str) -> tuple[str, ...]:
        """The terms of one word in small letters; none of a stop word."""
        if "." in word and _ACRONYM.fullmatch(word):
            word = word.replace(".", "")
        if "'" in word:
            word = self._without_clitics(word)
        if word in self._stopped:
            return ()
        if self._has_one_term:
            return (self._stem(word),)
        parts = () if self._compounds is None else self._compounds.parts(word)
        return tuple(chain.from_iterable(map(self._stems, (word, *parts))))

    def _stems(self, word: str) -> tuple[str, ...]:
        """One, or two of a word whose stem is another without its accents."""
        if not self._fold_accents:
            return (self._stem(word),)
        folded = without_accents(self._stem(without_accents(word)))
        if self._language in _FOLDED_FIRST:
            return (folded,)
        # This stemmer knows endings by their accents: it sees the word as it is, and as who writes none has it.
        whole = without_accents(self._stem(word))
        return (whole,) if whole == folded else (whole, folded)

    def _stem(self, word: str) -> str:
        if self._stemmer is None:
            return word
        return self._stemmer.stemWord(word) or word  # `porter` gives nothing for "s"

    def _without_clitics(self, word: str) -> str:
        """A word without what an apostrophe ties to it: a possessive, an elided article, a Turkish ending."""
        if self._language in _ENGLISH:
            return word.removesuffix("'s") or word
        if self._language == TURKISH:
            return word.partition("'")[0] or word
        article, _, rest = word.partition("'")
        return rest if rest and article in self._elided else word

    @cached_property
    def _elided(self) -> frozenset[str]:
        return frozenset(_ELISIONS.get(self._language, "").split())


def clusters(run: str) -> list[str]:
    """What a reader takes for the characters of a run."""
    found: list[str] = _CLUSTER.findall(run)
    return found


def cluster_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where those of a run stand, which is text[start:end]."""
    for cluster in clusters(text[start:end]):
        yield start, start + len(cluster)
        start += len(cluster)


def _bigrams(run: str) -> Forms:
    """Of a run of a script without spaces: overlapping pairs, and single characters for who asks for one alone."""
    single = clusters(run)
    if len(single) == 1:
        return _of_terms(run)
    pairs = tuple(first + second for first, second in pairwise(single))
    return Forms((*chain.from_iterable(zip(single, pairs, strict=False)), single[-1]), pairs)


def _together(forms: Iterable[Forms]) -> Forms:
    """The terms of several words as those of one."""
    several = list(forms)
    return Forms(
        tuple(chain.from_iterable(each.indexed for each in several)),
        tuple(chain.from_iterable(each.asked for each in several)),
    )


def _of_terms(*terms: str) -> Forms:
    """Those that are indexed are asked for."""
    return Forms(terms, terms)


def _ascii_digit(character: str) -> str:
    value = unicodedata.digit(character, None) if character.isdecimal() else None
    return character if value is None else str(value)

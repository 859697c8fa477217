"""Words beside their terms: together they are what the analyzer makes of the text, and each stands where it says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.text.analyze import Analyzer
from retrieve.text.word_terms import found_words, word_terms

ENGLISH = Analyzer()

# Scripts with and without spaces next to each other, stop words, and words parted at line ends.
SPACED = (
    "the",
    "Carriers",
    "liable",
    "한국어",
    "Été",
    "1,000",
    "x",
    "Ärzte",
    "перевозчик",
    "الناقل",
    "हिन्दी",
)
UNSPACED = ("承运人", "的", "責任", "ความรับผิด", "かい", "ンド")
PIECES = st.sampled_from([*SPACED, *UNSPACED, "\f", ", ", "\n", *"    "])
PARTED = st.sampled_from(["respon\u00ad\u00adsible", "well\u00ad\u00adknown"])


@given(st.lists(PIECES, max_size=12).map("".join))
def test_the_terms_of_the_words_are_those_of_the_text(text: str) -> None:
    words = list(word_terms(text, ENGLISH))
    assert [term for word in words for term in word.terms] == ENGLISH.terms(text)
    assert all(0 <= word.start < word.end <= len(text) for word in words)
    assert words == sorted(words, key=lambda word: word.start)


@given(st.lists(PIECES | PARTED, max_size=12).map("".join), st.lists(PIECES, max_size=2).map("".join))
def test_found_words_are_apart_and_cover_every_word_with_a_wanted_term(text: str, query: str) -> None:
    wanted = frozenset(ENGLISH.asked(query))
    found = found_words(text, wanted, ENGLISH)
    assert all(end < start for (_, end), (start, _) in pairwise(found))
    for word in word_terms(text, ENGLISH):
        covered = any(start <= word.start and word.end <= end for start, end in found)
        assert covered or wanted.isdisjoint(word.terms)
    assert all(not wanted.isdisjoint(ENGLISH.terms(text[start:end])) for start, end in found)


@pytest.mark.parametrize(
    ("text", "query", "words"),
    [
        ("The Carriers carry what a carrier carried.", "carriers", ["Carriers", "carrier"]),
        ("航空运输承运人的责任", "承运人", ["承运人"]),
        ("航空运输承运人的责任", "承", ["承"]),
        ("مسؤولية الناقل الجوي", "الناقل", ["الناقل"]),
        ("Ответственность перевозчика", "перевозчика", ["перевозчика"]),
        ("ความรับผิดของผู้ขนส่ง", "ขนส่ง", ["ขนส่ง"]),
        ("a respon\u00ad\u00adsible one", "responsible", ["respon\u00ad\u00adsible"]),
        ("a well\u00ad\u00adknown one", "known", ["well\u00ad\u00adknown"]),
        ("ＦＵＬＬ width", "full", ["ＦＵＬＬ"]),
        ("the the", "the", []),
        ("", "law", []),
    ],
)
def test_words_found_in_several_scripts(text: str, query: str, words: list[str]) -> None:
    found = found_words(text, frozenset(ENGLISH.asked(query)), ENGLISH)
    assert [text[start:end] for start, end in found] == words

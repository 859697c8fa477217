"""The analyzer of indexes made before rules 3, against a character-by-character oracle: it must not change."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.text.former_rules import FormerAnalyzer

HAN = "手机法院国家"
PLAIN = FormerAnalyzer("none")
# One character per grapheme cluster, so that the oracle needs no cluster rules.
MIXED = st.text(alphabet="abZ09_ é한국 हद\u0301\n.,-'—\x00" + HAN, max_size=40)


def oracle(text: str) -> list[tuple[int, int, bool]]:
    """Runs (start, end, is Han), one character at a time."""
    runs: list[tuple[int, int, bool]] = []
    for at, character in enumerate(text):
        if unicodedata.category(character)[0] not in "LMN" and character != "_":
            continue
        joins = bool(runs) and runs[-1][1] == at
        mark = unicodedata.category(character)[0] == "M"
        han = character in HAN or (mark and joins and runs[-1][2])
        if joins and runs[-1][2] == han:
            runs[-1] = (runs[-1][0], at + 1, han)
        else:
            runs.append((at, at + 1, han))
    return runs


@given(MIXED)
@settings(max_examples=300, deadline=None)
def test_terms_are_the_words_and_bigrams_of_the_normal_text(text: str) -> None:
    normal = unicodedata.normalize("NFKC", text).lower()
    expected: list[str] = []
    for start, end, han in oracle(normal):
        word = normal[start:end]
        clusters = [character for character in word if not unicodedata.combining(character)]
        if not han or len(clusters) == 1:
            expected.append(word)
        elif len(clusters) == len(word):
            expected += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            return  # marks on Han: their clusters have a test of their own
    assert PLAIN.terms(text) == expected


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_clean_terms_and_offsets_in_order(text: str) -> None:
    for term in FormerAnalyzer().terms(text):
        assert term
        assert not any(character.isspace() or character == "\x00" for character in term)
    offsets = PLAIN.word_offsets(text)
    assert offsets.dtype == np.int64
    assert offsets.shape == (len(offsets), 2)
    flat = offsets.ravel()
    assert (flat[::2] < flat[1::2]).all()
    assert (flat[1:-1:2] <= flat[2::2]).all()
    assert not len(flat) or (flat[0] >= 0 and flat[-1] <= len(text))


@given(MIXED)
@settings(max_examples=200, deadline=None)
def test_offsets_are_words_and_single_characters_of_the_original_text(text: str) -> None:
    expected = []
    for start, end, han in oracle(text):
        if not han:
            expected.append([start, end])
        elif any(map(unicodedata.combining, text[start:end])):
            return
        else:
            expected += [[at, at + 1] for at in range(start, end)]
    assert PLAIN.word_offsets(text).tolist() == expected


@given(st.one_of(MIXED, st.text(st.characters(max_codepoint=127)), st.text()))
@settings(max_examples=300, deadline=None)
def test_as_many_words_are_counted_as_have_offsets(text: str) -> None:
    assert PLAIN.count_words(text) == len(PLAIN.word_offsets(text))


@given(st.text(st.characters(max_codepoint=127)))
@settings(max_examples=300, deadline=None)
def test_terms_of_ascii_are_its_words_in_lower_case(text: str) -> None:
    expected = [text[start:end].lower() for start, end in PLAIN.word_offsets(text)]
    assert PLAIN.terms(text) == expected
    # The long way, which a text with anything else takes.
    assert PLAIN.terms(f"{text} é")[:-1] == expected


def test_every_ascii_character_alone_and_between_letters_is_counted_right() -> None:
    for code in range(128):
        for text in (chr(code), f"a{chr(code)}b", f"{chr(code)}a{chr(code)}"):
            assert PLAIN.count_words(text) == len(PLAIN.word_offsets(text)) == len(PLAIN.terms(text)), repr(
                text
            )


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("iPhone手机", ["iphone", "手机"]),
        ("2024年", ["2024", "年"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("ｶﾞｷﾞ", ["ガギ"]),  # half width with its own voicing marks
        ("が\u0303ぎ", ["が\u0303ぎ"]),  # a mark of another script stays on its kana
        ("ที่นี่", ["ที่นี่"]),  # two clusters of three characters
        ("क्षत्रिय और हिन्दी", ["क्षत्रिय", "और", "हिन्दी"]),
        ("대한민국 헌법", ["대한민국", "헌법"]),
        ("ﬁne ＡＢＣ Straße", ["fine", "abc", "straße"]),
        ("½ ㎏", ["1", "2", "kg"]),
        ("e\u0301tude", ["étude"]),
        ("state-of-the-art, isn't it_1?", ["state", "of", "the", "art", "isn", "t", "it_1"]),
        ("\ud800 lone", ["lone"]),
        (" …\n", []),
    ],
)
def test_words_of_many_scripts(text: str, terms: list[str]) -> None:
    assert PLAIN.terms(text) == terms


def test_offsets_refer_to_the_text_before_normalisation() -> None:
    text = "ﬁ ｶﾞx ที่นี่"
    assert [text[a:b] for a, b in PLAIN.word_offsets(text)] == ["ﬁ", "ｶﾞ", "x", "ที่", "นี่"]


def test_stop_words_are_dropped_before_stemming() -> None:
    text = "The liabilities of carriers; this IS theirs"
    assert FormerAnalyzer().terms(text) == FormerAnalyzer().asked(text) == ["liabil", "carrier", "their"]
    assert FormerAnalyzer().rules == 2

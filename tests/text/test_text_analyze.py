"""The analyzer against a character-by-character oracle, the stemmer itself, and words that go wrong elsewhere."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import RecipeError
from retrieve.text import analyze
from retrieve.text.analyze import ENGLISH_STOPWORDS, Analyzer

HAN = "手机法院国家"
PLAIN = Analyzer("none")
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
    for term in Analyzer().terms(text):
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


def test_english_drops_33_stop_words_before_stemming() -> None:
    assert len(ENGLISH_STOPWORDS) == 33
    text = "The liabilities of carriers; this IS theirs"
    assert Analyzer().terms(text) == ["liabil", "carrier", "their"]
    assert Analyzer(stopwords=False).terms(text) == ["the", "liabil", "of", "carrier", "this", "is", "their"]


@pytest.mark.parametrize("language", Stemmer.algorithms())
def test_stems_are_snowballs_and_never_empty(language: str) -> None:
    words = ["s", "nationalités", "kirjastoissa", "häuser", "правовых", "का", "क", "قوانين", "sözleşmeler"]
    stemmer = Stemmer.Stemmer(language)
    terms = Analyzer(language, stopwords=False).terms(" ".join(words))
    assert terms == [stemmer.stemWord(word) or word for word in words]


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"'klingon'.*none.*english"):
        Analyzer("klingon")


def test_identity_tells_analyzers_apart() -> None:
    made = [Analyzer(), Analyzer(stopwords=False), Analyzer("french"), Analyzer("none")]
    assert len({analyzer.identity for analyzer in made}) == len(made)
    assert Analyzer().identity == Analyzer().identity
    assert Analyzer("french", stopwords=False).identity == Analyzer("french").identity


def test_a_full_cache_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"running{n % 7} carriers flies" for n in range(50))
    expected = Analyzer().terms(text)
    monkeypatch.setattr(analyze, "_CACHED_STEMS", 3)
    assert Analyzer().terms(text) == expected


def test_eight_threads_agree_with_one() -> None:
    texts = [" ".join(f"organis{end}{n}ing" for end in "abcdef") for n in range(400)]
    expected = list(map(Analyzer().terms, texts))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Analyzer().terms, texts)) == expected


def test_analysis_loads_neither_torch_nor_faiss() -> None:
    program = (
        "import sys; import retrieve.text.analyze, retrieve.text.splitter;"
        "sys.exit(bool({'torch', 'faiss', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_german_finds_inflected_words_and_drops_none() -> None:
    german = Analyzer("german")
    assert german.terms("Häuser des Hauses, Haus!") == ["haus", "des", "haus", "haus"]
    assert german.terms("Kündigungen der Kündigung") == ["kundig", "der", "kundig"]
    assert german.terms("Straße und STRASSE") == ["strass", "und", "strass"]
    assert Analyzer("none").terms("Häuser") == ["häuser"]

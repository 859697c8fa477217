"""The analyzer against the default word boundaries of another library, and words that go wrong elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import regex
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve._core import WordTable, word_spans
from retrieve.errors import RecipeError
from retrieve.text import analyze
from retrieve.text.analyze import ENGLISH_STOPWORDS, Analyzer
from retrieve.text.former_rules import FormerAnalyzer

PLAIN = Analyzer("none")

# What the standard and we agree on: no colon, no script without spaces, no symbol.
AGREED = st.text(
    alphabet="abZéñßœ ЖщΣω אבג\u05b4 عرب\u064b हिन\u094dदी 019٣५ _‿ \u0301\u00ad\u2060 .,;'’·\n-()/+\"",
    max_size=30,
)
_BOUNDARY = regex.compile(r"(?V1w)\b")
_ANY = st.one_of(AGREED, st.text(max_size=60), st.text(st.characters(max_codepoint=0x2FFF), max_size=60))


def standard_words(text: str) -> list[str]:
    """The parts between UAX #29's default boundaries that have a letter or a number.

    Without marks in front, and without the quote that the standard leaves at the end of a Hebrew word.
    """
    parts = [regex.sub(r"^[\p{M}\p{Cf}]+|'[\p{M}\p{Cf}]*$", "", part) for part in _BOUNDARY.split(text)]
    return [part for part in parts if regex.search(r"[\p{L}\p{N}]", part)]


@given(AGREED)
@settings(max_examples=1_000, deadline=None)
def test_words_are_those_of_the_standard(text: str) -> None:
    text = text.replace("\n\u0301", "\n").replace("\u00ad\u00ad", "\u00ad")
    assert [text[start:end] for start, end in PLAIN.word_offsets(text)] == standard_words(text)


@given(_ANY)
@settings(max_examples=1_000, deadline=None)
def test_any_text_gives_clean_terms_and_offsets_in_order(text: str) -> None:
    for analyzer in (PLAIN, Analyzer(), Analyzer("turkish")):
        indexed = analyzer.terms(text)
        assert all(term and not regex.search(r"[\s\x00\u00ad\ufe0f]", term) for term in indexed)
        assert set(analyzer.asked(text)) <= set(indexed)
    offsets = PLAIN.word_offsets(text)
    assert (offsets.dtype, offsets.shape) == (np.int64, (len(offsets), 2))
    flat = offsets.ravel()
    assert (flat[::2] < flat[1::2]).all()
    assert (flat[1:-1:2] <= flat[2::2]).all()
    assert not len(flat) or (flat[0] >= 0 and flat[-1] <= len(text))
    assert PLAIN.count_words(text) == len(offsets)


@given(
    st.lists(_ANY, max_size=4).map("well-known: 京都府 ".join), st.sampled_from(("english", "german", "none"))
)
@settings(max_examples=300, deadline=None)
def test_terms_are_counted_as_they_are_asked_for(text: str, language: str) -> None:
    for analyzer in (Analyzer(language), FormerAnalyzer(language)):
        assert [*analyzer.counted(text).items()] == [*Counter(analyzer.asked(text)).items()]


@given(_ANY)
@settings(max_examples=500, deadline=None)
def test_terms_are_those_of_the_words_where_they_stand(text: str) -> None:
    bounds, _ = word_spans(text)
    alone = [term for start, end in bounds.reshape(-1, 2).tolist() for term in PLAIN.terms(text[start:end])]
    assert PLAIN.terms(text) == alone


@given(st.text(st.characters(max_codepoint=127)), st.booleans())
@settings(max_examples=300, deadline=None)
def test_ascii_is_the_same_however_python_stores_it(text: str, lower: bool) -> None:
    def words(given: str) -> list[str]:
        table = WordTable(lower=lower)
        return [table.since(0)[number] for number in table.numbers(given).tolist()]

    plain = words(text)
    for wider in ("é", "Ж", "𝔸"):  # one, two and four bytes a character
        assert words(f"{text} {wider}") == [*plain, wider]


@given(st.lists(st.text(max_size=12), max_size=40))
def test_words_are_numbered_as_they_are_first_met(texts: list[str]) -> None:
    table = WordTable(lower=False)
    met: list[str] = []
    for text in texts:
        spans = word_spans(text)[0].reshape(-1, 2).tolist()
        words = [text[start:end] for start, end in spans]
        met += [word for word in dict.fromkeys(words) if word not in met]
        assert [met[number] for number in table.numbers(text).tolist()] == words
    assert (table.since(0), len(table), table.bytes) == (met, len(met), len("".join(met).encode()))
    assert table.since(len(met)) == []
    table.clear()
    assert (len(table), table.numbers("one more one").tolist()) == (0, [0, 1, 0])


def test_many_words_keep_their_numbers() -> None:
    table = WordTable(lower=True)
    words = [f"w{number:x}é" for number in range(30_000)]
    assert table.numbers(" ".join(words)).tolist() == list(range(30_000))
    assert table.numbers(" ".join(reversed(words))).tolist() == list(range(30_000))[::-1]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        # Numbers stay whole, in whatever digits.
        ("1,000 3.14 12;13", ["1,000", "3.14", "12;13"]),
        ("٣٫١٤ ١٬٠٠٠ २०१० ๒๕๖๐ ၂၀၁၀", ["3.14", "1,000", "2010", "2560", "2010"]),
        ("½ 2½ 1⁄2 ①", ["1", "2", "2", "1", "2", "1", "2", "1"]),
        ("10⁶ damage¹ m² CO₂ x¹² ⁴", ["10", "6", "damage", "m", "co2", "x", "4"]),
        # Words with something inside.
        ("isn't isn’t ISNʼT", ["isn't"] * 3),
        ("U.S. U.S.C. e.g. Ph.D. A.", ["us", "usc", "eg", "ph.d", "a"]),
        ("AT&T R&D Q&A salt&pepper a=1&b=2", ["at&t", "r&d", "q&a", "salt", "pepper", "a", "1", "b", "2"]),
        ("Diagnosis:pneumonia example.com foo_bar ___", ["diagnosis", "pneumonia", "example.com", "foo_bar"]),
        ("state-of-the-art", ["state", "of", "the", "art"]),
        ('צה"ל "שלום"', ["צה״ל", "שלום"]),
        # What is not seen.
        ("Donau\u00addampf data\u2060base data\ufeffbase", ["donaudampf", "database", "database"]),
        ("le\u200eft A\u034fb", ["left", "ab"]),
        ("Auf\u200clage क्\u200dष", ["auflage", "क्ष"]),
        ("می\u200cروم", ["می", "روم"]),
        ("one\u200btwo end\u200b", ["onetwo", "one", "two", "end"]),
        ("1\u202f000\u202f000 mot\u202f!", ["1000000", "mot"]),
        ("كتـــاب", ["كتاب"]),
        ("well\u00ad\u00adknown", ["wellknown", "well", "known"]),
        ("\u0301 ️ \u200d \u3164", []),
        # Symbols.
        ("❤️ ❤ ☀️ 👨‍👩‍👧 🇩🇪🇫🇷 👍🏽", ["❤", "❤", "☀", "👨‍👩‍👧", "🇩🇪", "🇫🇷", "👍🏽"]),
        ("1️⃣ Brand™ © №5 ㎏ ℡", ["1", "brand", "no", "5", "kg", "tel"]),
        # Case, compatibility and composition.
        ("ﬁne ＡＢＣ Straße STRASSE ΟΔΟΣ", ["fine", "abc", "strasse", "strasse", "οδοσ"]),
        ("e\u0301tude İstanbul i\u0307", ["étude", "istanbul", "i"]),
        ("ﷺ", ["صلى", "الله", "عليه", "وسلم"]),
        ("\ud800 lone", ["lone"]),
        (" …\n", []),
    ],
)
def test_what_becomes_of_words(text: str, terms: list[str]) -> None:
    assert PLAIN.terms(text) == PLAIN.asked(text) == terms


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("iPhone手机", ["iphone", "手机"]),
        ("2024年", ["2024", "年"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("ｶﾞｷﾞ", ["ガギ"]),  # half width with its own voicing marks
        ("が\u0303ぎ", ["が\u0303ぎ"]),  # a mark of another script stays on its kana
        ("ที่นี่", ["ที่นี่"]),  # two clusters of three characters
        ("대한민국 헌법", ["대한", "한민", "민국", "헌법"]),
        ("ខ្ញុំចង់", ["ខ្ញុំច", "ចង់"]),
        ("ខ្ញុំ\u200bចង់", ["ខ្ញុំច", "ចង់"]),
        ("ວັດອຸ", ["ວັດ", "ດອຸ"]),
        ("ရေသော", ["ရေသေ", "သော"]),
    ],
)
def test_scripts_without_spaces_are_pairs_of_what_a_reader_takes_for_characters(
    text: str, pairs: list[str]
) -> None:
    assert PLAIN.asked(text) == pairs


def test_a_single_character_finds_the_run_that_holds_it() -> None:
    assert PLAIN.terms("東京都") == ["東", "東京", "京", "京都", "都"]
    assert PLAIN.asked("京") == ["京"]


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("english", "Parkinson's children’s it's dogs'", ["parkinson", "children", "dog"]),
        ("french", "l'avocat d’une qu'il aujourd'hui", ["avocat", "une", "il", "aujourd'hui"]),
        ("italian", "dell'arte un'altra", ["arte", "altra"]),
        ("catalan", "l'home col·legi", ["home", "col·legi"]),
        ("turkish", "DIŞ POLİTİKA İstanbul'da", ["dış", "politika", "istanbul"]),
    ],
)
def test_what_an_apostrophe_ties_to_a_word_goes(language: str, text: str, terms: list[str]) -> None:
    stem = Stemmer.Stemmer(language).stemWord
    assert Analyzer(language).terms(text) == [stem(term) for term in terms]


def test_offsets_refer_to_the_text_before_normalisation() -> None:
    text = "ﬁ ｶﾞx ที่นี่ Donau\u00addampf 1,000"
    found = [text[start:end] for start, end in PLAIN.word_offsets(text)]
    assert found == ["ﬁ", "ｶﾞ", "x", "ที่", "นี่", "Donau\u00addampf", "1,000"]


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


def test_a_full_cache_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"running{n % 7} carriers{n} flies" for n in range(50)]
    texts = [" ".join(words), " ".join(reversed(words)), "other words altogether"]
    expected = [(Analyzer().terms(text), Analyzer().counted(text)) for text in texts]
    monkeypatch.setattr(analyze, "_MOST_WORDS", 3)
    forgetful = Analyzer()
    assert [(forgetful.terms(text), forgetful.counted(text)) for text in texts] == expected


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

"""Folded accents: letters as Lucene folds them; in every language a word is found with its accents and without."""

from __future__ import annotations

import importlib.util
import unicodedata
from pathlib import Path

import pytest
import regex
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Document, Index
from retrieve.index import lucene
from retrieve.text import stemmer_identity
from retrieve.text.accents import without_accents
from retrieve.text.analyze import Analyzer
from retrieve.text.term_rows import numbered_rows
from retrieve.text.word_forms import _FOLDED_FIRST
from retrieve.text.word_terms import word_terms

LANGUAGES = ("none", "lucene-porter", *Stemmer.algorithms())
TELLING = sorted(set(stemmer_identity._TELLING.split()))
FOLDED = {language: Analyzer(language, fold_accents=True) for language in LANGUAGES}

# Letters of languages of today; of phonetic and historical ones Lucene folds some, and some wrongly (ǧ to a capital G).
_LATIN = regex.compile(r"(?V1)[[\p{Latin}]&&[\u00C0-\u024F\u1E00-\u1EFF]]")
_ELSEWHERE = "ƕƿǥǧȝȣȸȹẜẝǯỻ"


@pytest.mark.parametrize(
    ("word", "folded"),
    [
        ("café", "cafe"),
        ("cafe\u0301", "cafe"),
        ("œuvre", "oeuvre"),
        ("łódź", "lodz"),
        ("ærøskøbing", "aeroskobing"),
        ("đorđe", "dorde"),
        ("ışık", "isik"),
        ("þingvellir", "thingvellir"),
        ("tiếng", "tieng"),
        ("ǿ", "o"),
        ("προϊόν", "προιον"),
        ("ᾧ", "ω"),
        ("ёлка", "елка"),
        ("за\u0301мок", "замок"),
        ("майский", "майский"),  # й, ї, ў are letters that everybody writes
        ("маи\u0306", "май"),
        ("їжак", "їжак"),
        ("हिन्दी", "हिन्दी"),
        ("ที่นี่", "ที่นี่"),
        ("שָׁלוֹם", "שָׁלוֹם"),
        ("كِتَاب", "كِتَاب"),
        ("தமிழ்", "தமிழ்"),
        ("が", "が"),
        ("1,000", "1,000"),
    ],
)
def test_letters_without_accents(word: str, folded: str) -> None:
    assert without_accents(word) == folded


@given(st.text(max_size=20) | st.text("aéßøıłёйαά\u0301\u0327हि\u094d ", max_size=20))
@settings(max_examples=500)
def test_folding_is_done_once_and_loses_no_letter(text: str) -> None:
    folded = without_accents(text)
    assert without_accents(folded) == folded
    assert len(regex.findall(r"\p{L}", folded)) >= len(
        regex.findall(r"\p{L}", unicodedata.normalize("NFC", text))
    )


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in lucene.PACKAGES),
    reason="the extra lucene is not installed",
)
def test_letters_are_folded_as_lucene_folds_them() -> None:
    custom = lucene.java("analysis.custom.CustomAnalyzer")
    settings = lucene.java("java.util.HashMap")
    folding = (
        custom.builder().withTokenizer("whitespace", settings()).addTokenFilter("asciiFolding", settings())
    )
    normal = (unicodedata.normalize("NFKC", chr(code)).casefold() for code in range(0x80, 0x2000))
    letters = sorted({each for each in normal if _LATIN.fullmatch(each) and each not in _ELSEWHERE})
    analyze = lucene.java("io.anserini.analysis.AnalyzerUtils").analyze
    theirs = list(analyze(folding.build(), " ".join(letters)).toArray())
    assert len(letters) > 300
    found = zip(letters, theirs, strict=True)
    assert [(each, their) for each, their in found if without_accents(each) != their] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_and_its_folded_form_find_each_other(language: str) -> None:
    folding = FOLDED[language]
    accented = 0
    for word in TELLING:
        without = without_accents(word)
        mine, others = folding.terms(word), folding.terms(without)
        assert set(others) <= set(mine), word
        assert set(folding.asked(without)) <= set(mine) and set(others) & set(folding.asked(word))
        assert all(without_accents(term) == term for term in mine)
        accented += without != word
    assert accented > 60


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - _FOLDED_FIRST))
def test_what_another_stemmer_brings_together_stays_together(language: str) -> None:
    folding, plain = FOLDED[language], Analyzer(language)
    for word in TELLING:
        stem = [without_accents(term) for term in plain.terms(word)]
        assert folding.terms(word)[:1] == stem[:1] and set(stem) <= set(folding.terms(word))


@pytest.mark.parametrize("language", sorted(_FOLDED_FIRST))
def test_where_stemmers_need_no_accents_the_terms_are_the_same(language: str) -> None:
    for word in [*TELLING, "café", "höher", "ελληνική", "ёлка", "større", "müller", "đorđe"]:
        assert FOLDED[language].terms(word) == FOLDED[language].terms(without_accents(word))


def test_two_terms_where_a_stemmer_needs_accents() -> None:
    french = FOLDED["french"]
    assert french.terms("nationalités") == ["national", "nationalit"]
    assert french.terms("nationalites") == french.asked("NATIONALITES") == ["nationalit"]
    assert french.terms("l'Été") == ["ete"]
    assert FOLDED["turkish"].asked("IŞIK isik") == ["isik", "isik"]


@given(
    st.lists(st.sampled_from([*TELLING, "東京", "foo_été", "1,000", "é", " "]), max_size=8).map(" ".join),
    st.sampled_from(LANGUAGES),
)
@settings(max_examples=300, deadline=None)
def test_terms_are_clean_and_those_of_the_words(text: str, language: str) -> None:
    terms = FOLDED[language].terms(text)
    assert all(term and not regex.search(r"[\s\x00]", term) for term in terms)
    assert [term for word in word_terms(text, FOLDED[language]) for term in word.terms] == terms
    assert list(numbered_rows([[text]], FOLDED[language]).strings()) == [terms]


@pytest.mark.parametrize("language", ["none", "french"])
def test_either_spelling_finds_both_and_is_marked(language: str, tmp_path: Path) -> None:
    rows = [
        Document("with", "Un café de Łódź."),
        Document("without", "Deux CAFE de Lodz."),
        Document("other", "Du thé."),
    ]
    said = ["bm25.fold_accents=true", f"bm25.language={language}"]
    with Index.create(tmp_path / "i", "bm25", said, cache=False) as index:
        index.add(rows)
        for query in ("café", "cafe", "CAFE\u0301", "lodz"):
            hits = {hit.doc_id: hit for hit in index.search(query)}
            assert set(hits) == {"with", "without"}
            assert all(hit.highlights for hit in hits.values())
    with Index.create(tmp_path / "plain", "bm25", said[1:], cache=False) as index:
        index.add(rows)
        assert [hit.doc_id for hit in index.search("lodz")] == ["without"]

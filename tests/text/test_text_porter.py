"""Porter's stemmer against the paper's examples, against nltk's, and against Lucene's where it is installed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora.dataset import read_dataset
from retrieve.files import checksum_bytes
from retrieve.index import lucene
from retrieve.text import stemmer_identity
from retrieve.text.analyze import Analyzer
from retrieve.text.former_rules import FormerAnalyzer
from retrieve.text.porter import _FOURTH, _SECOND, _THIRD, PorterStemmer
from retrieve.text.word_forms import WordForms

STEM = PorterStemmer().stemWord

# The examples that Porter gives of each step, as the whole algorithm leaves them.
PAPER = """
caresses caress ponies poni ties ti caress caress cats cat feed feed agreed agre plastered plaster bled bled
motoring motor sing sing conflated conflat troubled troubl sized size hopping hop tanned tan falling fall hissing hiss
fizzed fizz failing fail filing file happy happi sky sky relational relat conditional condit rational ration
valenci valenc hesitanci hesit digitizer digit conformabli conform radicalli radic differentli differ vileli vile
analogousli analog vietnamization vietnam predication predic operator oper feudalism feudal decisiveness decis
hopefulness hope callousness callous formaliti formal sensitiviti sensit sensibiliti sensibl triplicate triplic
formative form formalize formal electriciti electr electrical electr hopeful hope goodness good revival reviv
allowance allow inference infer airliner airlin gyroscopic gyroscop adjustable adjust defensible defens irritant irrit
replacement replac adjustment adjust dependent depend adoption adopt homologou homolog communism commun activate activ
angulariti angular homologous homolog effective effect bowdlerize bowdler probate probat rate rate cease ceas
controll control roll roll generalizations gener oscillators oscil
"""

PIECES = st.sampled_from(
    [*_SECOND, *_THIRD, *_FOURTH, *"aeioubcdlstwxyz", "ed", "ing", "eed", "sses", "ies", "ss", "é", "2", "'"]
)
WORDS = st.lists(PIECES, min_size=1, max_size=5).map("".join)


@cache
def nltks() -> Callable[[str], str]:
    """The same algorithm in nltk."""
    stemmer = pytest.importorskip("nltk.stem.porter").PorterStemmer
    return partial(stemmer(stemmer.MARTIN_EXTENSIONS).stem, to_lowercase=False)


@pytest.mark.parametrize(("word", "stem"), list(zip(PAPER.split()[::2], PAPER.split()[1::2], strict=True)))
def test_the_examples_of_the_paper(word: str, stem: str) -> None:
    assert STEM(word) == stem


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        *((word, word) for word in ("s", "as", "ed", "is", "")),  # the paper would shorten them
        ("possibly", "possibl"),  # -bli for -abli
        ("archaeology", "archaeolog"),  # -logi to -log
        ("logi", "logi"),
    ],
)
def test_the_three_departures(word: str, stem: str) -> None:
    assert STEM(word) == stem


@given(WORDS)
@settings(max_examples=2_000, deadline=None)
def test_stems_are_nltks(word: str) -> None:
    assert STEM(word) == nltks()(word)


@given(WORDS)
def test_a_stem_is_shorter_and_never_empty(word: str) -> None:
    assert 0 < len(STEM(word)) <= len(word)


@pytest.mark.data
@pytest.mark.skipif(
    "RETRIEVE_DATA" not in os.environ, reason="RETRIEVE_DATA is unset: words of SciFact are not stemmed"
)
def test_a_collections_words_have_nltks_stems() -> None:
    other = nltks()
    plain = Analyzer("none")
    data = read_dataset(Path(os.environ["RETRIEVE_DATA"]) / "scifact")
    words = {term for document in data.corpus for term in plain.terms(document.text)}
    assert len(words) > 30_000
    assert [word for word in sorted(words) if STEM(word) != other(word)] == []


def test_the_stems_are_for_ever() -> None:
    # They are no part of an index's fingerprint: whoever changes one makes indexes lose words without a sign.
    stems = PorterStemmer().stemWords(stemmer_identity._TELLING.split())
    assert checksum_bytes("\n".join(stems).encode()) == "0c2d3f9249651174245eaba2f7528916"


def test_an_analyzer_of_it() -> None:
    text = "The children's universities, possibly as s analogies; Ärzte's THEORIES"
    expected = ["children", "univers", "possibl", "s", "analog", "ärzte", "theori"]
    analyzer = Analyzer("lucene-porter")
    assert analyzer.terms(text) == analyzer.asked(text) == expected
    assert Analyzer("lucene-porter", stopwords=False).terms("the s") == ["the", "s"]
    assert FormerAnalyzer("lucene-porter").terms("the universities") == ["univers"]
    assert analyzer.stemmer is None
    words = ["The", "children's", "universities", "possibly", "as", "s", "analogies", "Ärzte's", "THEORIES"]
    several = WordForms("lucene-porter", frozenset(["as"])).indexed(words)
    assert several == [WordForms("lucene-porter", frozenset(["as"])).of(word).indexed for word in words]


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in lucene.PACKAGES),
    reason="the extra lucene is not installed",
)
def test_terms_are_those_of_lucenes_analyzer() -> None:
    analyze = lucene.java("io.anserini.analysis.AnalyzerUtils").analyze
    theirs = lucene.make_analyzer("english", stopwords=True)
    ours = Analyzer("lucene-porter")

    @given(st.lists(WORDS.map(lambda word: word.replace("'", "’s ")), max_size=20).map(" ".join))
    @settings(max_examples=200, deadline=None)
    def compare(text: str) -> None:
        assert ours.terms(text) == list(analyze(theirs, text).toArray())

    compare()

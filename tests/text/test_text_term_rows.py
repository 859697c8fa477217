"""Terms as numbers: the same terms in the same order as those of each text, by either set of rules."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.text import term_rows
from retrieve.text.analyze import Analyzer
from retrieve.text.former_rules import FormerAnalyzer
from retrieve.text.term_rows import numbered_rows

TEXTS = st.text(alphabet="abABsSdj \u0130Iéß東京ที่ 1,.:;&@\"'’\u00ad-_", max_size=12)
ANALYZERS = (
    *(Analyzer(), Analyzer("none"), Analyzer("turkish"), Analyzer("lucene-porter"), FormerAnalyzer()),
    *(Analyzer(fold_accents=True), Analyzer("serbian", fold_accents=True, identifiers=True)),
    *(
        Analyzer(identifiers=True),
        Analyzer("porter", identifiers=True),
        Analyzer("turkish", identifiers=True),
    ),
)


@given(st.lists(st.lists(TEXTS, max_size=3), max_size=8), st.sampled_from(ANALYZERS))
@settings(max_examples=300, deadline=None)
def test_rows_have_the_terms_of_their_texts(rows: list[list[str]], analyzer: Analyzer) -> None:
    found = numbered_rows(rows, analyzer)
    terms = [[term for text in texts for term in analyzer.terms(text)] for texts in rows]
    assert list(found.strings()) == terms
    assert found.vocabulary == list(dict.fromkeys(chain.from_iterable(terms)))


def test_words_are_settled_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[f"one w{number % 7}", f"v{number}"] for number in range(50)]
    once = numbered_rows(rows, ANALYZERS[0])
    monkeypatch.setattr(term_rows, "_WAITING", 4)
    often = numbered_rows(rows, ANALYZERS[0])
    assert once.vocabulary == often.vocabulary
    assert once.numbers.tolist() == often.numbers.tolist()
    assert once.starts.tolist() == often.starts.tolist()

"""Names of program texts: the whole, as without the option, then its parts, in documents and in queries."""

from __future__ import annotations

from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve import Document, Index
from retrieve.text.analyze import Analyzer
from retrieve.text.identifiers import identifier_parts
from retrieve.text.layout import PARTED
from retrieve.text.word_terms import word_terms

PLAIN, APART = Analyzer("none"), Analyzer("none", identifiers=True)
PIECES = st.sampled_from([*"aBéÉßİ12_.'-: \u00ad東", "HTTP", "Response", "foo", "\u00ad\u00ad", "e\u0301"])
CODE = st.lists(PIECES, max_size=10).map("".join)


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("parseHTTPResponse", "parse HTTP Response"),
        ("XMLHttpRequest", "XML Http Request"),
        ("snake_case_name", "snake case name"),
        ("CONSTANT_NAME", "CONSTANT NAME"),
        ("__init__", "init"),
        ("foo2bar", "foo 2 bar"),
        ("HTTP2Server", "HTTP 2 Server"),
        ("os.path.join", "os path join"),
        ("URLsFor", "URLs For"),
        ("größeÄndern", "größe Ändern"),
        ("foo_1.5", "foo 1.5"),
        ("don't_do", "don't do"),
        *((whole, "") for whole in ("Response", "HTTP", "URLs", "don't", "AT&T", "1,000", "3.14", "v1.2.3")),
        *((whole, "") for whole in ("हिन्दी", "東京", "x", "1", "_")),
    ],
)
def test_parts_are_those_of_the_name(word: str, parts: str) -> None:
    assert identifier_parts(word) == parts.split()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("parseHTTPResponse", "parsehttpresponse parse http response"),
        ("std::vector kebab-case", "std vector kebab case"),  # two words each, with the option and without
        ("U.S.C. e.g.", "usc eg"),
        ("ｆｏｏＢａｒ", "foobar foo bar"),
        ("foo\u00adBar", "foobar foo bar"),
        ("getFoo\u00ad\u00adBar", "getfoobar get foo bar getfoo get foo bar"),
        ("LuaJIT東京", "luajit lua jit 東 東京 京"),
    ],
)
def test_the_whole_stands_before_its_parts(text: str, terms: str) -> None:
    assert APART.terms(text) == terms.split()


def test_parts_are_words_of_the_language() -> None:
    english = Analyzer(identifiers=True)
    assert english.terms("isNotEmpty parseRequests") == [
        "isnotempti",
        "empti",
        "parserequest",
        "pars",
        "request",
    ]
    assert Analyzer("turkish", identifiers=True).terms("getISIK")[1:] == ["get", "ısık"]


@given(CODE)
@settings(max_examples=500, deadline=None)
def test_no_term_is_lost_and_each_is_clean(text: str) -> None:
    plain, apart = PLAIN.terms(text), APART.terms(text)
    rest = iter(apart)
    assert all(term in rest for term in plain)  # in their order
    assert all(term and not regex.search(r"[\s\x00\u00ad]", term) for term in apart)
    assert set(APART.asked(text)) <= set(apart)
    if (
        PARTED not in text
    ):  # of runs that a line end parted `word_terms` shows less, with the option or without
        assert [term for word in word_terms(text, APART) for term in word.terms] == apart


def test_a_part_finds_the_name_and_marks_it(tmp_path: Path) -> None:
    rows = [
        Document("camel", "def parseHTTPResponse(self): pass"),
        Document("snake", "parse_http_response is a name, parse_http_request another"),
        Document("words", "how to parse a response of HTTP"),
        Document("none", "nothing of the kind"),
    ]
    with Index.create(tmp_path / "code", "bm25", ["bm25.identifiers=true"], cache=False) as index:
        index.add(rows)
        found = {hit.doc_id: hit for hit in index.search("response")}
        assert set(found) == {"camel", "snake", "words"}
        ((start, end),) = found["camel"].highlights
        assert rows[0].text[start:end] == "parseHTTPResponse"
        for query, first in (("parseHTTPResponse", "camel"), ("parse_http_response", "snake")):
            hits = index.search(query)
            assert (hits[0].doc_id, {hit.doc_id for hit in hits}) == (first, {"camel", "snake", "words"})
        assert "parseHTTPResponse" in found["camel"].snippet
    with Index.create(tmp_path / "plain", "bm25", cache=False) as index:
        index.add(rows)
        assert [hit.doc_id for hit in index.search("response")] == ["words"]

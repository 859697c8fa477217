"""What the ends of lines and pages did to words is mended, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.corpora.pdf.line_ends import joined, mended
from retrieve.text.layout import PARTED


@pytest.mark.parametrize(
    ("page", "pieces", "text"),
    [
        # The engine has put the word together; its pieces say so.
        ("a wellknown man", ["a well-", "known man"], "a well|known man"),
        ("state of-theart", ["state of-the-", "art"], "state of-the|art"),
        ("Veränderung", ["Verän\u2010 ", "derung"], "Verän|derung"),
        ("wellknown, wellness", ["well-", "known, wellness"], "well|known, wellness"),
        ("wellness", ["well-", "known"], "wellness"),
        ("a welltodo man", ["a well-", "to-", "do man"], "a well|to|do man"),
        ("internationalisation", ["inter-", "na-", "tion-", "alisation"], "inter|na|tion|alisation"),
        ("welltodo", ["well-", "do", "to"], "welltodo"),
        # It has not.
        ("respon-\nsible", [], "respon|sible"),
        ("respon- \n\n  sible", [], "respon|sible"),
        ("respon¬\nsible, ¬\nnot ¬p", [], "respon|sible, ¬\nnot ¬p"),
        ("Verän\u2010\nderung", [], "Verän|derung"),
        ("respon\u00ad\nsible, Self\u00ad\nMade", [], "respon|sible, Self|Made"),
        ("self\u00admade", [], "self-made"),
        ("PARLIA-\nMENT, EU-\nStaaten, X-\nRAY", [], "PARLIA|MENT, EU-\nStaaten, X-\nRAY"),
        ("McDonald-\nDouglas, Ost-\nWest", [], "McDonald-\nDouglas, Ost-\nWest"),
        ("12-\n15, A-\n1, b-\n2", [], "12-\n15, A-\n1, b-\n2"),
        ("yes -\nno", [], "yes -\nno"),
        # Controls and white space.
        ("a\fb\rc\0d\x02e", [], "a b c\ufffdd e"),
        (" \na \n\n\n\n b\n\nc\n ", [], "a \n\n b\n\nc"),
    ],
)
def test_a_page(page: str, pieces: list[str], text: str) -> None:
    assert mended(page, pieces) == text.replace("|", PARTED)


@pytest.mark.parametrize(
    ("pages", "text"),
    [
        (["one", "", "three"], "one\n\f\n\fthree"),
        (["respon-", "sible for"], "respon|sible\n\ffor"),
        (["respon-", "sible.\nNext"], "respon|sible.\n\fNext"),
        (["respon-", "12 sible"], "respon-\n\f12 sible"),
        (["RESPON-", "SIBLE FOR"], "RESPON|SIBLE\n\fFOR"),
        (["respon-", "Sible"], "respon-\n\fSible"),
        (["respon-", "", "sible"], "respon-\n\f\n\fsible"),
        (["respon-", "sible"], "respon|sible\n\f"),
    ],
)
def test_pages(pages: list[str], text: str) -> None:
    assert joined(pages) == text.replace("|", PARTED)


@given(st.lists(st.text("ab-\u00ad1 \nA", max_size=12), min_size=1, max_size=5))
def test_letters_and_the_number_of_pages_stay(pages: list[str]) -> None:
    text = joined([mended(page, page.split("\n")) for page in pages])
    assert text.count("\f") == len(pages) - 1
    assert [c for c in text if c.isalnum()] == [c for page in pages for c in page if c.isalnum()]

"""Marks of layout in a text: ends of pages, and words that the end of a line parted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieve.text.analyze import Analyzer
from retrieve.text.layout import PAGE_END, PARTED, page_at, with_parts

words = st.text("abcdefghäé", min_size=1, max_size=6)


@given(st.lists(st.text("ab \n", max_size=8), min_size=2, max_size=6))
def test_every_character_is_on_its_page(pages: list[str]) -> None:
    text = PAGE_END.join(pages)
    wanted = [number for number, page in enumerate(pages, start=1) for _ in page + PAGE_END]
    assert [page_at(text, offset) for offset in range(len(text) + 1)] == wanted


def test_a_text_of_one_page_has_no_page_numbers() -> None:
    assert page_at("no page ends here", 3) is None


@given(st.lists(st.lists(words, min_size=1, max_size=3), max_size=5))
def test_terms_of_a_parted_word_are_the_whole_and_the_parts(text: list[list[str]]) -> None:
    analyzer = Analyzer("none")
    beside = [term for parts in text for term in (["".join(parts), *parts] if len(parts) > 1 else parts)]
    marked = " ".join(map(PARTED.join, text))
    assert analyzer.terms(marked) == beside
    assert [marked[start:end] for start, end in analyzer.word_offsets(marked)] == list(map(PARTED.join, text))
    assert analyzer.count_words(marked) == len(text)


def test_parted_words_among_unspaced_scripts() -> None:
    analyzer = Analyzer()
    text = f"日本語 well{PARTED}known"
    assert analyzer.asked(text) == ["日本", "本語", "wellknown", "well", "known"]
    assert [text[start:end] for start, end in analyzer.word_offsets(text)][3:] == [f"well{PARTED}known"]


def test_a_run_of_another_script_is_no_part_of_a_parted_word() -> None:
    assert Analyzer().asked(f"承运人respon{PARTED}sible") == ["承运", "运人", "respons", "respon", "sibl"]


def test_one_soft_hyphen_alone_parts_no_word() -> None:
    assert with_parts("Donau\u00addampf") == ["Donau\u00addampf"]

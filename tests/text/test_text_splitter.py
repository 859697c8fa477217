"""Windows cover every character, keep to their budget and cut no unit, whatever the text and the tokenizer."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.errors import RecipeError
from retrieve.text.analyze import Analyzer
from retrieve.text.boundaries import IntArray
from retrieve.text.splitter import Splitter, Windows, fed_text
from retrieve.types import Document

WORDS = Analyzer("none")
TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet='ab. (\n"A法手ไทย。-', max_size=300),
    st.lists(
        st.sampled_from(["one", "two.", "Three", "(four", "five)", "\n\n", "six!\n", "Art.", "法院。"]),
        max_size=120,
    ).map(" ".join),
)


def word_units(texts: Sequence[str]) -> list[IntArray]:
    return [WORDS.word_offsets(text) for text in texts]


def untidy_units(texts: Sequence[str]) -> list[IntArray]:
    """Like byte-level and sentence-piece tokenizers: a space belongs to the next token, a letter beyond ASCII takes
    several tokens with the same offsets, and some tokens have no width (one of them at (0, 0))."""
    found = []
    for text in texts:
        units: list[tuple[int, int]] = []
        for match in re.finditer(r"\s?[a-z]{1,3}|\s?[^\s]|\s", text):
            copies = 1 if match[0].isascii() else 2
            units += [match.span()] * copies
            if match[0].strip() == ".":
                units.append((match.end(), match.end()))
        found.append(np.array([*units, (0, 0)], dtype=np.int64))
    return found


def splitter(**changed: Any) -> Splitter:
    settings_: dict[str, Any] = {
        "offsets": word_units,
        "limit": None,
        "size": None,
        "overlap": 0,
        "mode": "window",
        "title": "every",
        "boundaries": "sentence",
    }
    return Splitter(**(settings_ | changed))


def one(text: str, doc_title: str = "", **changed: Any) -> Windows:
    return splitter(**changed).split([Document("d", text, doc_title)])[0]


def pieces(text: str, doc_title: str = "", **changed: Any) -> list[str]:
    return [text[a:b] for a, b in one(text, doc_title, **changed).spans]


def inside(units: IntArray, start: int, end: int) -> int:
    return int(((units[:, 0] >= start) & (units[:, 1] <= end) & (units[:, 1] > units[:, 0])).sum())


def assert_covers(text: str, spans: IntArray) -> None:
    assert spans[0, 0] == 0
    assert spans[-1, 1] == len(text)
    assert (spans[1:, 0] <= spans[:-1, 1]).all(), "a character between two windows is in neither"
    assert (np.diff(spans, axis=0) > 0).all(), "windows are out of order"
    assert (spans[:, 0] < spans[:, 1]).all()


def assert_no_unit_cut(units: IntArray, spans: IntArray) -> None:
    for edge in np.unique(spans):
        assert not ((units[:, 0] < edge) & (edge < units[:, 1])).any()


def test_a_thousand_words_are_covered_to_the_character() -> None:
    text = " ".join(f"word{n}" for n in range(1000)) + " \n"
    windows = one(text, size=128, overlap=16)
    assert_covers(text, windows.spans)
    assert (windows.units, windows.indexed) == (1000, 1000)
    assert len(windows.spans) == 9  # 128 + 8 × 112 ≥ 1,000
    counts = [len(text[a:b].split()) for a, b in windows.spans]
    assert counts[:7] == [128] * 7
    assert sum(counts) == 1000 + 8 * 16
    assert min(counts) >= 64


@given(
    text=TEXTS,
    doc_title=st.sampled_from(["", "A title", "a b c d e f g h i j k l m n o p"]),
    size=st.integers(1, 40),
    share=st.floats(0, 0.99),
    title=st.sampled_from(["every", "first", "none"]),
    boundaries=st.sampled_from(["sentence", "none"]),
)
@settings(max_examples=400, deadline=None)
def test_windows_of_any_text(
    text: str, doc_title: str, size: int, share: float, title: str, boundaries: str
) -> None:
    chosen = {"size": size, "overlap": int(size * share), "title": title, "boundaries": boundaries}
    windows = one(text, doc_title, **chosen)
    units = word_units([text])[0]
    if not text.strip():
        assert len(windows.spans) == (title != "none" and doc_title != "")
        return
    assert_covers(text, windows.spans)
    assert_no_unit_cut(units, windows.spans)
    assert windows.units == windows.indexed == len(units)
    for position, (start, end) in enumerate(windows.spans):
        shown = title == "every" or (title == "first" and position == 0)
        room = max(size - shown * len(doc_title.split()), size // 4, 1)
        assert inside(units, start, end) <= room
    again = one(text, doc_title, **chosen)
    assert np.array_equal(windows.spans, again.spans)


@given(text=TEXTS, size=st.integers(3, 30), share=st.floats(0, 0.99), first=st.booleans())
@settings(max_examples=300, deadline=None)
def test_untidy_tokenizers(text: str, size: int, share: float, first: bool) -> None:
    units = untidy_units([text])[0]
    mode = "first" if first else "window"
    windows = one(text, offsets=untidy_units, size=size, overlap=int(size * share), mode=mode)
    if not text.strip():
        assert len(windows.spans) == 0
        return
    assert_no_unit_cut(units, windows.spans)
    assert all(inside(units, start, end) <= size for start, end in windows.spans)
    if first:
        assert len(windows.spans) == 1
        assert windows.spans[0, 0] == 0
        assert windows.spans[0, 1] == len(text) or windows.indexed < windows.units
    else:
        assert_covers(text, windows.spans)
        assert windows.indexed == windows.units


def shared_units(texts: Sequence[str]) -> list[IntArray]:
    """Five units on every three characters, which nothing can part."""
    return [
        np.array(
            [(at, min(at + 3, len(text))) for at in range(0, len(text), 3) for _ in range(5)], dtype=np.int64
        )
        for text in texts
    ]


@given(
    text=TEXTS,
    size=st.integers(5, 30),
    share=st.floats(0, 0.99),
    boundaries=st.sampled_from(["sentence", "none"]),
)
@settings(max_examples=200, deadline=None)
def test_units_on_shared_characters_stay_together(
    text: str, size: int, share: float, boundaries: str
) -> None:
    if text.strip():
        chosen = {"size": size, "overlap": int(size * share), "boundaries": boundaries}
        spans = one(text, offsets=shared_units, **chosen).spans
        assert_covers(text, spans)
        assert_no_unit_cut(shared_units([text])[0], spans)
        assert all(inside(shared_units([text])[0], start, end) <= size for start, end in spans)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_units_that_cannot_be_parted_make_a_longer_window(size: int) -> None:
    assert pieces("abcdefgh", offsets=shared_units, size=size, overlap=size - 1) == ["abc", "def", "gh"]
    assert pieces("abcdefgh", offsets=shared_units, size=size, mode="first") == ["abc"]


def test_an_overlap_gives_way_to_units_that_would_not_fit_behind_it() -> None:
    """ "X" has five of a window's six units."""
    units = np.array([(at, at + 1) for at in range(13) for _ in range(5 if at == 6 else 1)], dtype=np.int64)
    windows = pieces("abcdefXghijkl", offsets=lambda texts: [units], size=6, overlap=3)
    assert windows == ["abcdef", "Xg", "ghijkl"]


def test_every_window_starts_after_the_one_before_it() -> None:
    """Eight units on "c" do not fit where the first window must end, and the overlap reaches back to its start."""
    units = np.array([(0, 1), (1, 2), *[(2, 3)] * 8, (3, 4)], dtype=np.int64)
    assert pieces("abcd", offsets=lambda texts: [units], size=10, overlap=2) == ["ab", "bcd"]


@given(text=TEXTS, size=st.integers(6, 40))
@settings(max_examples=200, deadline=None)
def test_the_last_window_is_no_crumb(text: str, size: int) -> None:
    spans = one(text, size=size).spans
    if len(spans) > 1:
        assert inside(word_units([text])[0], *spans[-1]) >= size // 2


def test_ends_prefer_paragraphs_then_sentences_then_spaces() -> None:
    text = "a b c d. E f g\n\nH i. J k l m n o p q r s"
    assert pieces(text, size=10) == ["a b c d. E f g\n\n", "H i. J k l m n ", "o p q r s"]
    assert pieces("a b c dd. E f g H i J k l m n o p", size=6)[:1] == ["a b c dd. "]
    assert pieces("a b c dd. E f g H i J k l m n o p", size=6, boundaries="none")[:1] == ["a b c dd. E f "]
    assert pieces("a bb. C d e f g h i", size=6)[:1] == ["a bb. C d e f "]  # not in the first half
    assert pieces('a b c "(d e f', size=3) == ["a b c ", '"(d e f']
    assert pieces("a b c-d e f g", size=3, boundaries="none") == ["a b c-", "d e f ", "g"]
    assert pieces("a b c-d e f g", size=3) == ["a b ", "c-d e ", "f g"]


def test_neighbours_overlap() -> None:
    text = " ".join("abcdefghijkl")
    assert pieces(text, size=6, overlap=2) == ["a b c d e f ", "e f g h i j ", "i j k l"]


def test_an_overlap_starts_at_a_word() -> None:
    def letters(texts: Sequence[str]) -> list[IntArray]:
        return [
            np.array([match.span() for match in re.finditer(r"\S", text)], dtype=np.int64) for text in texts
        ]

    chosen: dict[str, Any] = {"offsets": letters, "size": 9, "overlap": 4}
    assert pieces("abc def ghi jkl", **chosen) == ["abc def ghi ", "ghi jkl"]
    assert pieces("abc def ghi jkl", **chosen, boundaries="none") == ["abc def ghi ", "f ghi jkl"]
    assert pieces("abcdefghijkl", **chosen) == ["abcdefghi", "fghijkl"]


def test_overlap_shrinks_with_the_room_a_title_leaves() -> None:
    chosen: dict[str, Any] = {"size": 8, "overlap": 4, "boundaries": "none"}
    assert pieces("a b c d e f g h", "four words of title", **chosen) == ["a b c d ", "c d e f ", "e f g h"]


def test_an_end_inside_a_unit_is_no_end() -> None:
    """A unit that holds a sentence's end and the start of the next: the window goes on to what fits."""
    text = "aa bb cc dd. Ee ff gg hh ii jj"
    joined = [(0, 2), (3, 5), (6, 8), (9, 15), (16, 18), (19, 21), (22, 24), (25, 27), (28, 30)]
    assert pieces(text, offsets=lambda texts: [np.array(joined) for _ in texts], size=6)[0] == text[:22]


def test_unspaced_text_is_cut_between_characters() -> None:
    assert pieces("法院认为合同有效原告请求", size=5, boundaries="none") == [
        "法院认为合",
        "同有效原告",
        "请求",
    ]
    assert pieces("法院认为。合同有效。原告请求", size=6) == ["法院认为。", "合同有效。", "原告请求"]


def test_the_title_takes_its_share() -> None:
    text = "a b c d e f g h i j k l"
    plain: dict[str, Any] = {"size": 6, "boundaries": "none"}
    assert pieces(text, "T t", title="every", **plain) == ["a b c d ", "e f g h ", "i j k l"]
    assert pieces(text, "T t", title="first", **plain) == ["a b c d ", "e f g h i ", "j k l"]
    assert pieces(text, "T t", title="none", **plain) == ["a b c d e f ", "g h i j k l"]
    assert pieces(text, "T " * 99, title="every", size=8, boundaries="none") == [
        f"{a} {b} " for a, b in ("ab", "cd", "ef", "gh", "ij")
    ] + ["k l"]


def test_first_cuts_hard_and_counts_what_is_left_out() -> None:
    text = "One two. Three four (five six)."
    windows = one(text, "A title", mode="first", size=99, limit=7)
    assert windows.spans.tolist() == [[0, text.index(" six")]]
    assert (windows.units, windows.indexed) == (6, 5)
    assert one(text, mode="first", size=6)[0].tolist() == [[0, len(text)]]


def test_whole_and_boundless_are_one_passage() -> None:
    text = "one two three " * 50
    for windows in (one(text, "T", mode="whole", size=4, limit=4, overlap=9), one(text, "T")):
        assert windows.spans.tolist() == [[0, len(text)]]
        assert windows.units == windows.indexed == 150


def test_what_is_not_cut_is_counted_without_its_words_places() -> None:
    def places(texts: Sequence[str]) -> list[IntArray]:
        raise AssertionError(f"asked for the places of the words of {texts}")

    counted = {"offsets": places, "counts": lambda texts: [len(text.split()) for text in texts]}
    for settings_ in ({"mode": "whole", "size": 2}, {}, {"mode": "first"}):
        spans, *units = one("one two three", "T", **settings_, **counted)
        assert (spans.tolist(), units) == ([[0, 13]], [3, 3])
        assert one(" \n", **settings_, **counted).spans.tolist() == []


def test_documents_without_text() -> None:
    assert len(one("").spans) == len(one(" \n", " ").spans) == len(one(" ", "T", title="none").spans) == 0
    assert one("", "T").spans.tolist() == [[0, 0]]
    assert one(" \n", "T", title="first", size=5).spans.tolist() == [[0, 2]]
    assert one("…", size=5).spans.tolist() == [[0, 1]]  # no word, but text
    assert one("").spans.shape == (0, 2)


def test_a_batch_calls_the_tokenizer_once_for_texts_and_once_for_titles() -> None:
    calls: list[list[str]] = []

    def counting(texts: Sequence[str]) -> list[IntArray]:
        calls.append(list(texts))
        return word_units(texts)

    documents = [Document("1", "a b c", "T"), Document("2", "", ""), Document("3", "d e f g", "U u")]
    windows = splitter(offsets=counting, size=4).split(documents)
    assert calls == [["a b c", "", "d e f g"], ["T", "U u"]]
    assert [len(each.spans) for each in windows] == [1, 0, 2]
    assert splitter().split([]) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 0},
        {"size": 8, "limit": 0},
        {"size": 8, "overlap": 8},
        {"limit": 4, "overlap": 5},
        {"size": 8, "overlap": -1},
    ],
)
def test_sizes_that_cannot_work_are_refused(changed: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="passages"):
        splitter(**changed)


def test_fed_text_puts_the_shown_title_in_front() -> None:
    document = Document("d", "one two three", "Title")
    assert fed_text(document, (4, 7), 1, title="every") == "Title two"
    assert fed_text(document, (4, 7), 1, title="first") == "two"
    assert fed_text(document, (0, 3), 0, title="first") == "Title one"
    assert fed_text(document, (0, 3), 0, title="none") == "one"
    assert fed_text(Document("d", "one"), (0, 3), 0, title="every") == "one"


@pytest.mark.data
@pytest.mark.skipif(
    "RETRIEVE_DATA" not in os.environ, reason="RETRIEVE_DATA is unset: 50 EU acts are not cut"
)
def test_eu_acts_are_covered_by_windows_of_64_words() -> None:
    path = Path(os.environ["RETRIEVE_DATA"]) / "eurlex_acts" / "validation.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        documents = [Document(act["id"], act["text"]) for act in map(json.loads, islice(lines, 50))]
    for document, windows in zip(documents, splitter(size=64).split(documents), strict=True):
        assert_covers(document.text, windows.spans)
        units = WORDS.word_offsets(document.text)
        counts = np.searchsorted(units[:, 0], windows.spans[:, 1]) - np.searchsorted(
            units[:, 0], windows.spans[:, 0]
        )
        assert counts.sum() == windows.units == len(units)
        assert counts.max() <= 64
        assert counts[-1] >= 32

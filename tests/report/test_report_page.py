"""Pages: complete in themselves, well-formed, every text escaped, and shown by a browser where there is one."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieve.errors import UsageError
from retrieve.report.page import cell_text, check_writable, render, write_page
from retrieve.report.passages import pieces
from retrieve.report.records import (
    Bar,
    BarChart,
    Bin,
    Block,
    Code,
    Columns,
    Highlighted,
    KeyValues,
    LineChart,
    Mark,
    Matrix,
    Note,
    Page,
    Reliability,
    Scatter,
    Section,
    Series,
    Table,
)

NASTY = "<b>bold</b> & \"quoted\" 'too' {{ 7 * 7 }} {% raw %}"
TEXT = f"The court finds {NASTY}.\n\nIt orders costs.\x00 " * 3
BLOCKS: dict[str, Block] = {
    "table": Table(NASTY, ("measure", NASTY), ((NASTY, 0.5), ("b", None), (NASTY, 3)), note=NASTY, bars=(1,)),
    "matrix": Matrix(NASTY, NASTY, (NASTY, "b"), (NASTY, "b"), ((2, 0), (0, 0)), note=NASTY),
    "lines": LineChart(
        NASTY, NASTY, NASTY, (Series(NASTY, ((1, 0.5), (2, 0.25))), Series("b", ((1, 1.0),))), 2, NASTY
    ),
    "bars": BarChart(NASTY, NASTY, (Bar(NASTY, 0.5, 0.4, 0.6), Bar("below", -0.1)), NASTY),
    "columns": Columns(NASTY, NASTY, NASTY, ((NASTY, 0.5), ("b", -0.25), ("c", 0.0)), NASTY),
    "reliability": Reliability(NASTY, ((NASTY, (Bin(0.1, 0.2, 10), Bin(0.9, 0.8, 3))), ("b", ())), NASTY),
    "scatter": Scatter(NASTY, NASTY, NASTY, ((1, 1.5), (4, 2.0)), NASTY),
    "pairs": KeyValues(NASTY, ((NASTY, NASTY), ("lr", 3e-5), ("n", None))),
    "code": Code(NASTY, NASTY),
    "note": Note((NASTY,)),
    "notes": Note((NASTY, NASTY), warning=True),
    "text": Highlighted(
        NASTY, TEXT, (Mark(((4, 30), (60, 70)), 1.0, NASTY, NASTY), Mark(((20, 40),), -0.2, "2"))
    ),
    "short": Highlighted(NASTY, TEXT, (Mark(((40, 50),), 0.5, "1"),), around=5),
}
VOID = {"meta", "line", "circle", "rect", "polyline"}


class Checked(HTMLParser):
    """Elements must nest; what they are and say is kept."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.said: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.said.setdefault(self.open[-1], []).append(data)


@pytest.mark.parametrize("name", BLOCKS)
def test_texts_of_strangers_are_escaped(name: str) -> None:
    page = Checked(render(Page(NASTY, NASTY, (BLOCKS[name],), (Section(NASTY, ()),))))
    assert "b" not in page.tags
    assert "script" not in page.tags
    everything = "".join(text for texts in page.said.values() for text in texts)
    assert everything.count(NASTY) >= 4  # title twice, subtitle, heading, and the block's own
    assert "49" not in everything


def test_the_page_is_complete_in_itself() -> None:
    html = render(Page("All", "", tuple(BLOCKS.values()), tuple(Section(name, ()) for name in "abc")))
    page = Checked(html)
    assert {"script", "link", "img", "iframe", "object", "base"}.isdisjoint(page.tags)
    outside = [value for name, value in page.attributes if name in ("src", "href", "action", "data")]
    assert all(value.startswith("#part-") for value in outside)
    assert "url(" not in html
    assert "@import" not in html
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert "prefers-color-scheme: dark" in html


def test_tables_have_captions_and_headers() -> None:
    page = Checked(render(Page("t", "", tuple(BLOCKS.values()))))
    assert page.tags.count("caption") == page.tags.count("table")
    scopes = [value for name, value in page.attributes if name == "scope"]
    assert len(scopes) == page.tags.count("th")
    charts = [value for name, value in page.attributes if name == "role" and value == "img"]
    assert len(charts) == 5


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        write_page(Page("t", "", tuple(BLOCKS.values())), tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.html", "two.html"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234567, "1,234,567"), (0.12345, "0.123"), (None, "–"), (True, "yes"), ("a", "a"), (2.0, "2.000")],
)
def test_cells(value: object, shown: str) -> None:
    assert cell_text(value) == shown  # type: ignore[arg-type]


def test_numbers_that_are_none_are_refused() -> None:
    nan = float("nan")
    with pytest.raises(UsageError, match="'t' holds nan"):
        Table("t", ("a", "b"), (("x", nan),))
    with pytest.raises(UsageError, match="holds inf"):
        LineChart("t", "x", "y", (Series("s", ((1, float("inf")),)),))
    with pytest.raises(UsageError, match="1 cells under 2 headers"):
        Table("t", ("a", "b"), (("x",),))
    with pytest.raises(UsageError, match="wanted 1 rows of 2 counts"):
        Matrix("t", "", ("a",), ("a", "b"), ((1,),))
    with pytest.raises(UsageError, match="characters 2 to 9 of a text of 5"):
        Highlighted("t", "abcde", (Mark(((2, 9),), 1, "1"),))


@pytest.mark.parametrize(("places", "shown"), [((1.0, 2.0), ("1", "2")), ((0.0, 0.5), ("0.000", "0.500"))])
def test_whole_places_of_a_curve_are_shown_as_such(
    places: tuple[float, float], shown: tuple[str, str]
) -> None:
    curve = LineChart("t", "step", "y", (Series("s", tuple((place, 0.25) for place in places)),))
    html = render(Page("t", "", (curve,), ()))
    assert re.findall(r'<td class="number">([^<]*)</td>', html) == [shown[0], "0.250", shown[1], "0.250"]


@given(
    st.integers(0, 60),
    st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=2), max_size=4),
    st.one_of(st.none(), st.integers(1, 8)),
)
def test_pieces_are_the_whole_text_with_every_mark_where_it_is(
    length: int, spans: list[list[tuple[int, int]]], around: int | None
) -> None:
    text = "".join(chr(97 + at % 26) for at in range(length))
    marks = tuple(
        Mark(tuple((min(a, b, length), min(max(a, b), length)) for a, b in of), 0.5, str(number))
        for number, of in enumerate(spans)
    )
    found = pieces(Highlighted("t", text, marks, around))
    at = 0
    for piece in found:
        assert piece.start == at
        assert text.startswith(piece.text, at)
        for place in range(at, at + len(piece.text)):
            covering = [mark.name for mark in marks if any(a <= place < b for a, b in mark.spans)]
            assert [mark.name for mark in piece.marks] == covering
        assert not (piece.left_out and piece.text)
        at += len(piece.text) + piece.left_out
    assert at == length
    begun = [mark.name for piece in found for mark in piece.begins]
    assert sorted(begun) == [mark.name for mark in marks if any(a < b for a, b in mark.spans)]


def test_a_marked_text_reads_as_it_was() -> None:
    page = Checked(render(Page("t", "", (BLOCKS["text"],))))
    html = render(Page("t", "", (BLOCKS["text"],)))
    shown = re.search(r'<div class="text" dir="auto">(.*?)</div>', html, re.DOTALL)
    assert shown is not None
    bare = re.sub(r"<sup>.*?</sup>|<[^>]*>", "", shown[1])
    assert Checked(f"<i>{bare}</i>").said["i"] == [TEXT.replace("\0", "�")]
    assert page.tags.count("mark") == 4  # 4–20, 20–30, 30–40, 60–70


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "page.html")
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path or mode != os.W_OK)
    with pytest.raises(UsageError, match=r"page\.html cannot be a page, as its folder cannot be written"):
        check_writable(tmp_path / "page.html")


def test_a_browser_shows_it(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: the page was not looked at")
    write_page(Page("All", "of it", tuple(BLOCKS.values())), tmp_path / "page.html")
    picture = tmp_path / "page.png"
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    )
    subprocess.run(
        [
            chromium,
            *flags.split(),
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            "--window-size=1200,2400",
            f"file://{tmp_path / 'page.html'}",
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1200, 2400)
    assert len(data) > 20_000  # a blank page of this size takes some 10 KB

"""HTML pages as readers of them see them: every visible word once and in order, whatever the tags are like."""

from __future__ import annotations

import logging
from itertools import count

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from retrieve.corpora.extracted import Extracted
from retrieve.corpora.html_page import html_text
from retrieve.corpora.stream import wide
from retrieve.errors import InputError


def text_of(page: str) -> str:
    return html_text(page.encode(), "page").text


def test_blocks_stand_on_lines_and_inline_tags_cut_no_word() -> None:
    source = """<!DOCTYPE html><html><head><title> A
      title </title><style>p {}</style></head><body><nav>Menu</nav><!-- comment -->
      <h1>Head</h1>after<p>One <b>bold</b>word &amp; more
      of it<br>line<script>alert(1)</script>
      <ul><li>a<li>b</ul><table><tr><td>1</td><td>2</td></tr></table><div>x</div>tail</body></html>"""
    page = html_text(source.encode(), "page")
    assert page.title == "A title"
    assert page.text.split("\n") == [
        "Head",
        "after",
        "One boldword & more of it",
        "line",
        "a",
        "b",
        "1\t2",
        "x",
        "tail",
    ]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<html><body><p>one</body></html>\n<html><body>two</body></html>", "one two"),
        ("<body>one</body></html><html><head><title>T</title></head><body>two", "one two"),
        (
            "<html><p>head of the letter</p><body>body</body><p>annex</html>foot",
            "head of the letter\nbody\nannex foot",
        ),
        ("<label>Name</label><input><button>Send</button>sent", "Name\nSend\nsent"),
        ("<select><option>red<option>blue</select>", "red\nblue"),
        ("a<img src=x>b<wbr>c", "a bc"),
        ("&sect5 &copy2 caf&eacute;s x&ampy", "§5 ©2 cafés x&y"),
        ("<svg><title>icon</title><desc>about</desc><text>a</text><text>b</text></svg>", "a b"),
        ("<math><mi>x</mi><annotation>\\xi</annotation></math>", "x"),
        ("<pre>one\n  two</pre>", "one\ntwo"),
        ("<textarea><b>typed</b>\nsecond</textarea>", "<b>typed</b>\nsecond"),
        ("<table>stray<tr><td>cell</table>", "stray\ncell"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", "漢( かん )字"),
        ("a<?php echo 1 ?>b", "ab"),
        ("a<iframe>no frames here</iframe>b<noscript>scripts off</noscript>", "a b"),
        ("<template>kept for later</template>now", "now"),
        (
            "<c-d><TEMPLATE class=a shadowrootmode=open>shown <template>not</template>here</TEMPLATE>slot</c-d>",
            "shown here\nslot",
        ),
        ("<template data-shadowrootmode=open>kept for later</template>now", "now"),
        ("<p>one<!DOCTYPE html><html><body>two<body>three", "one two three"),
        ("<svg><desc/><metadata/><text>a</text></svg>b", "a b"),
        (
            "the note<sup>3</sup>, 10<sup>6</sup>m<sup>2</sup> of it.<sup> [4]</sup> End",
            "the note 3, 10 6 m 2 of it. [4] End",
        ),
        ("word<a><sup>*</sup></a> x<sup><a>12</a></sup>y <sup>†</sup>z", "word * x 12 y † z"),
        ("the 1<sup>st</sup> and x<sup>n</sup>, H<sub>2</sub>O", "the 1st and xn, H2O"),
        (
            "<table><tr><th>Year<th>\n Fee<td></td><td>\n<b>low\ter</b><tr><td>a</table>x",
            "Year\tFee\tlow er\na\nx",
        ),
        ("<table><tr><td><p>a<p>b<td>c</table>x", "a\nb\nc\nx"),
    ],
)
def test_pages_as_a_browser_builds_them(page: str, text: str) -> None:
    assert text_of(page) == text


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        ("<ol><li>one<li><p>two</p><p>more</p><li>three</ol>", "1. one/2. two/more/3. three"),
        ("<ol start=3 type=a><li>x<li value=26>y<li>z<li>q</ol>", "c. x/z. y/aa. z/ab. q"),
        ("<ol type=I start=4><li>x<li>y<ul><li>dot</ul><li value=0>z</ol>", "IV. x/V. y/dot/0. z"),
        ("<ol type=i reversed><li>x<li>y<ol><li>in<li>it</ol></ol>", "ii. x/i. y/1. in/2. it"),
        ("<ol><li><ol type=A><li>x<li>y</ol><li>z</ol>", "1. A. x/B. y/2. z"),
        ("<ol><li><ul><li></ul>x<li></li><li><img><li>y</ol>", "1. x/4. y"),
        ("<ol><li hidden>no<li><ul hidden><li>no</ul>x<li style='display: none'>no<li>y</ol>", "1. x/2. y"),
        (
            "<ol style='list-style: none'><li>x</ol><ol style='list-style-type:lower-roman'><li>y</ol>",
            "x/i. y",
        ),
        ("<ul><li>x<li>y</ul><li>z<ol></ol>", "x/y/z"),
    ],
)
def test_items_of_ordered_lists_have_their_numbers(page: str, lines: str) -> None:
    assert text_of(page).split("\n") == lines.split("/")


def test_what_attributes_hide_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    page = (
        "<p>shown <span hidden>un<b>seen</b></span>and<div style='color:red; DISPLAY : none'>no<p>no</div>%s"
    )
    assert text_of(page % "this") == "shown and\nthis"
    assert text_of("<p hidden=until-found>a<p style='display:block'>b<p class=hidden>c") == "a\nb\nc"
    assert not caplog.records
    assert text_of(page % "<div hidden>the <p>rest, of many characters") == "shown and"
    assert "page: more text is hidden than shown (37 characters), and left out" in caplog.text


def test_a_page_that_is_all_hidden_is_read(caplog: pytest.LogCaptureFixture) -> None:
    assert text_of("<body style='display:none'><nav>x</nav><p>one<p hidden>two") == "one\ntwo"
    assert "page: all text is hidden (6 characters), and read nevertheless" in caplog.text


def test_what_is_never_closed_is_found_in_hidden_elements_too() -> None:
    assert text_of("<p>a<div hidden>b<script>c</div>d<p>e</p>") == "a\nd\ne"


@pytest.mark.parametrize("kind", ["a", "A", "i", "I"])
def test_numbers_in_letters_are_each_another(kind: str) -> None:
    page = f"<ol type={kind}>" + "<li>x" * 800 + "</ol>"
    marks = [line.split(". ")[0] for line in text_of(page).split("\n")]
    assert len(set(marks)) == 800
    if kind == "I":
        values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
        for number, mark in enumerate(marks, start=1):
            found = [values[letter] for letter in mark]
            signed = [-one if one < max(found[at:]) else one for at, one in enumerate(found)]
            assert sum(signed) == number


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>Page</title><svg><title>icon</title></svg>", "Page"),
        ("<body><svg><title>icon</title></svg>", ""),
        ("<head><title>A &lt;b&gt;\n c</title><title>second</title></head>", "A <b> c"),
        ("<body>x<title>late</title>", "late"),
        ("<html>before <head><title>T</title></head><body>b", "T"),
        ("<svg><title>icon</title></svg><p>x<title>Page</title>", "Page"),
    ],
)
def test_the_title_is_the_first_that_is_no_drawings(page: str, title: str) -> None:
    assert html_text(page.encode(), "page").title == title


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("noscript", "<noscript><img src=a>{}"),
        ("noscript", "<noscript>{}"),
        ("script", "<script src='a.js'/>{}"),
        ("script", "<script>let a = 1;</script><script>a < 2 {}"),
        ("style", "<head><style>p {{ color: red }} </head><body>{}"),
        ("title", "<head><title>T</head><body>{}"),
        ("template", "<template></template><template>{}"),
        ("nav", "<nav><a href=/>{}</a>"),
        ("video", "<video src=a>{}"),
        ("desc", "<svg><desc>{}"),
        ("annotation-xml", "<math><mi>x</mi><annotation-xml encoding='text/html'>{}"),
        ("!--", "<!-- closed --><!-- <b>hidden</b> {}"),
        ('a class="b" title="', '<a class="b" title="unclosed>{}'),
        ("a title='", "<i title='b'>x</i><a title='unclosed>{}"),
    ],
)
def test_what_is_never_closed_takes_nothing_with_it(
    name: str, page: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "retrieve"):
        text = html_text(page.format("<p>The rest</p><p>of the page</body></html>\n").encode(), "a.html").text
    assert text.endswith("The rest\nof the page")
    assert f"a.html: never closed: <{name}" in caplog.text


@pytest.mark.parametrize(
    "page",
    [
        "x<!--a-->a",
        "<script>a</script>a",
        "<script>document.write('<script>b<\\/script>')</script>",
        "<script>'<nav>' + '<template>'</script>",
        "<nav>a</nav><NAV>b</NAV >c",
        "<!-- <nav> --><p>c",
        """<script>x = '<i class="' + y</script>a""",
        "<b title=a>a</b>",
        '<i title="<b>">a',
    ],
)
def test_what_is_closed_is_not_warned_of_and_not_read(page: str, caplog: pytest.LogCaptureFixture) -> None:
    assert text_of(page) in ("xa", "a", "", "c")
    if "<nav>'" not in page and "<!-- <nav" not in page:
        assert not caplog.records


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("<meta charset=latin1>“x”".encode("cp1252"), "“x”"),
        (b"<meta charset=iso-8859-1>a\x81b", "a\x81b"),
        ("<meta charset=x-sjis>①日本".encode("cp932"), "①日本"),
        ("<meta charset=gb2312>镕".encode("gb18030"), "镕"),
        ("<meta charset=ks_c_5601-1987>똠".encode("cp949"), "똠"),
        ("<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>да".encode("koi8-r"), "да"),
        ("<!--<meta charset=koi8-r>--><meta charset=utf8>ü".encode(), "ü"),
        ("<meta charset=utf-16>ü".encode(), "ü"),
        ("<meta charset=klingon>ü".encode(), "ü"),
        (b"\xef\xbb\xbf<meta charset=latin1>" + "ü".encode(), "ü"),
        ("<p>ü".encode("utf-16"), "ü"),
        (b"<?xml version='1.0' encoding='iso-8859-1'?><p>\xfc", "ü"),
        (b"<p>" + b" " * 3_000 + b"<meta charset=latin1>\xfc", "ü"),
    ],
)
def test_characters_are_those_that_a_browser_takes(data: bytes, text: str) -> None:
    assert html_text(data, "page").text == text


@pytest.mark.parametrize("declared", ["", "<meta charset=utf-8>", "<meta charset=klingon>"])
def test_bytes_outside_of_the_encoding_are_an_error(declared: str) -> None:
    with pytest.raises(InputError, match="page: is not readable as utf-8"):
        html_text(f"{declared}<p>ü".encode("latin-1"), "page")


def test_a_page_without_text_says_whether_anything_is_in_it() -> None:
    assert html_text(b" \n", "page") == Extracted("", why_empty="empty")
    assert html_text(b"<p><img src=scan.png>", "page") == Extracted("", why_empty="markup only")


def test_deeply_nested_html_is_no_problem() -> None:
    assert text_of("<div>" * 5_000 + "x") == "x"


INLINE = ["b", "i", "span", "a href='x>y'", "font", "em", "custom-tag", "sub", "sup"]
BLOCK = ["p", "div", "li", "td", "section", "h2", "button", "label", "blockquote", "pre", "center"]
UNSEEN = [
    "<!-- unseen -->",
    "<script>'unseen' < \"<p>unseen</p>\"</script>",
    "<STYLE>unseen</style >",
    "<noscript><p>unseen</p></noscript>",
    "<template><div>unseen</div></template>",
    "<nav><ul><li>unseen</ul></nav>",
    "<iframe>unseen</iframe>",
    "<head><meta name=unseen>",
    "<span hidden>unseen <b>unseen</b> </span>",
    "<div style='display:none'><ol><li>unseen</ol></div>",
]


@st.composite
def pages(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A page, and the words that are seen, each another one. A word may be cut by inline tags, never by a block's."""
    words: list[str] = []
    numbers = count()

    def word() -> str:
        made = f"w{next(numbers)}x"
        words.append(made)
        at = draw(st.integers(0, len(made)))
        tag = draw(st.sampled_from(INLINE))
        cut = f"{made[:at]}<{tag}>{made[at:]}</{tag.split()[0]}>"
        return draw(st.sampled_from([made, cut]))

    def block(depth: int) -> str:
        tag = draw(st.sampled_from(BLOCK))
        parts = draw(st.lists(st.sampled_from(["word", "unseen", "block"]), max_size=4))
        pieces = []
        for part in parts:
            if part == "word":
                pieces.append(f"{word()} ")
            elif part == "unseen":
                pieces.append(draw(st.sampled_from(UNSEEN)))
            elif depth and tag not in ("p", "h2", "button", "label"):
                pieces.append(block(depth - 1).strip())
        end = "" if tag == "p" and draw(st.booleans()) else f"</{tag}>"
        inner = "".join(pieces)
        whole = f"<{tag}>{inner}{end}"
        return f"<table><tr>{whole}</tr></table>" if tag == "td" else whole

    shape = draw(
        st.sampled_from(
            ["{}", "<html><body>{}</body></html>", "{}</body>\n", "<title>t</title><body>{}</html>"]
        )
    )
    count_of_pages = draw(st.integers(1, 3))
    made = "".join(
        shape.format("".join(block(2) for _ in range(draw(st.integers(0, 3))))) for _ in range(count_of_pages)
    )
    return made, words


@settings(max_examples=300, deadline=None)
@given(made=pages())
def test_every_visible_word_is_there_once_and_in_order(made: tuple[str, list[str]]) -> None:
    page, words = made
    read = text_of(page).split()
    assert read == words or (not words and {*read} <= {"unseen", "1."}), "a page that is all hidden is read"


@settings(max_examples=150, deadline=None)
@given(
    page=st.lists(
        st.sampled_from(
            [
                *UNSEEN,
                "<p>",
                "</p>",
                "<nav>",
                "<script>",
                "</script>",
                "<!--",
                "-->",
                "<title>",
                "<template>",
                "</template>",
                "<svg>",
                "</svg>",
                "<table>",
                "<td>",
                "<ol reversed>",
                "<li>",
                "<li hidden>",
                "</ol>",
                "<sup>1</sup>",
                "<select>",
                "a",
                " ",
                "\r\n",
                "\0",
                "&lt;",
                "<!",
                "<textarea>",
                "</body>",
            ]
        ),
        max_size=20,
    )
)
def test_any_order_of_tags_is_read(page: list[str]) -> None:
    data = "".join(page).encode()
    assume(wide(data, "page") is None)
    extracted = html_text(data, "page")
    assert "\0" not in extracted.text
    for line in extracted.text.split("\n"):
        assert line or not extracted.text
        assert line == "\t".join(" ".join(cell.split()) for cell in line.split("\t"))

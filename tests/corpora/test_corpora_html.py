"""HTML pages as readers of them see them: every visible word once and in order, whatever the tags are like."""

from __future__ import annotations

import logging
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieve.corpora.extracted import Extracted
from retrieve.corpora.html_page import html_text
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
        "1",
        "2",
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
    ],
)
def test_pages_as_a_browser_builds_them(page: str, text: str) -> None:
    assert text_of(page) == text


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>Page</title><svg><title>icon</title></svg>", "Page"),
        ("<body><svg><title>icon</title></svg>", ""),
        ("<head><title>A &lt;b&gt;\n c</title><title>second</title></head>", "A <b> c"),
        ("<body>x<title>late</title>", ""),
    ],
)
def test_the_title_is_that_of_the_head(page: str, title: str) -> None:
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
        ("!--", "<!-- closed --><!-- <b>hidden</b> {}"),
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


INLINE = ["b", "i", "span", "a href='x>y'", "font", "em", "custom-tag", "sub"]
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
    assert text_of(page).split() == words


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
    extracted = html_text("".join(page).encode(), "page")
    assert "\0" not in extracted.text
    assert extracted.text == "\n".join(" ".join(line.split()) for line in extracted.text.split("\n"))

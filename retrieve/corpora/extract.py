"""Title and text of one file that a person wrote: plain text, Markdown or HTML.

Each function takes what it needs and gives an `Extracted`; what cannot be read is an `InputError` that names the
file. HTML needs the extra `files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from retrieve.corpora.extracted import Extracted
from retrieve.corpora.stream import decoded
from retrieve.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from bs4.element import PageElement, Tag

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*\Z")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_NOT_TEXT = frozenset(("title", "script", "style", "nav", "noscript", "template"))
_BLOCK_NAMES = """
address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure footer
form h1 h2 h3 h4 h5 h6 header hr html legend li main ol option p pre section summary table tbody td tfoot th thead tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())


def plain_text(data: bytes, where: str) -> Extracted:
    """No title; the text as it is, with line ends as LF."""
    text = decoded(data.removeprefix(b"\xef\xbb\xbf"), where)
    if isinstance(text, InputError):
        raise text
    return Extracted(text.replace("\r\n", "\n").replace("\r", "\n"))


def markdown(data: bytes, where: str) -> Extracted:
    """The first heading (outside of code) as title; the text as it is, heading included."""
    text = plain_text(data, where).text
    return Extracted(text, _first_heading(text))


def _first_heading(text: str) -> str:
    fence = ""
    previous = ""
    for line in text.split("\n"):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence:
            if heading := _HEADING.match(line):
                return heading[1]
            if previous.strip() and re.fullmatch(r" {0,3}=+[ \t]*", line):
                return previous.strip()
        previous = line
    return ""


def html_text(data: bytes, where: str) -> Extracted:
    """<title>, and the text of the body without script, style and nav; block elements stand on lines of their own.

    The encoding is the declared one, else UTF-8.
    """
    try:
        from bs4 import BeautifulSoup, ParserRejectedMarkup
        from bs4.dammit import EncodingDetector
    except ImportError as error:
        raise MissingExtra("reading HTML files", "files") from error
    encoding = EncodingDetector.find_declared_encoding(data, is_html=True) or "utf-8"
    try:
        soup = BeautifulSoup(data.decode(encoding).removeprefix("\ufeff"), "html.parser")
    except (LookupError, ValueError) as error:
        raise InputError(
            where, f"is not readable as {encoding} ({error}): convert the file to UTF-8 and declare that"
        ) from error
    except ParserRejectedMarkup as error:
        raise InputError(where, f"is not readable as HTML ({error}): repair it or take it out") from error
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    return Extracted(
        _tidy("".join(_pieces(soup.body or soup))), title, "markup only" if data.strip() else "empty"
    )


def _pieces(root: Tag) -> Iterator[str]:
    """Strings in document order, line ends around blocks. A stack, not recursion: nesting comes from the file."""
    from bs4.element import NavigableString, PreformattedString, Tag

    stack: list[PageElement | str] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, PreformattedString):
            continue  # comments, doctypes, processing instructions
        if isinstance(node, NavigableString | str):
            yield str(node)
        elif isinstance(node, Tag) and node.name not in _NOT_TEXT:
            if node.name in _BLOCKS:
                yield "\n"
                stack.append("\n")
            stack.extend(reversed(node.contents))


def _tidy(text: str) -> str:
    """One space between words, no empty lines."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)

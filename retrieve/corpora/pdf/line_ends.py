"""Words that the end of a line parted: `respon-` and `sible` become one again.

Whether the hyphen was the word's own (`well-known`) cannot be seen. So the parts are put together with a mark between
them (`retrieve.text.layout.PARTED`), by which the analyzer gives the whole and the parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import regex

from retrieve.text.layout import PAGE_END, PARTED

_SOFT_HYPHEN = "\u00ad"
# Small letters only: `McDonald-Douglas` keeps its hyphen, and `12-15` must not become another number.
_BROKEN = regex.compile(
    rf"(?<=\p{{Ll}})[-\u2010][^\S\n]*\n\s*(?=\p{{Ll}})|(?<=\w){_SOFT_HYPHEN}[^\S\n]*\n\s*(?=\w)"
)
_OVER_PAGES = regex.compile(
    rf"(?:(?<=\p{{Ll}})[-\u2010](?=\s+\p{{Ll}})|(?<=\w){_SOFT_HYPHEN})\n{PAGE_END}(\w\S*)[^\S{PAGE_END}]*"
)
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_WORD = re.compile(r"[^\W_]+")
_CUT_OFF = re.compile(rf"([^\W_]+)[-\u2010{_SOFT_HYPHEN}]\s*\Z")
_REST = re.compile(r"\s*([^\W_]+)")
_CONTROLS = {code: " " for code in range(32) if chr(code) not in "\t\n"} | {0: "\ufffd", 127: " "}


def mended(page: str, pieces: Iterable[str]) -> str:
    """The text of a page with its parted words marked.

    The engine puts words together by itself, without a trace. `pieces` are the strings that it made the page from,
    none longer than a line: a word of which one of them has the beginning, a hyphen after it, and another the rest,
    was parted. A soft hyphen that ends no line is a hyphen here, which is how viewers show it.
    """
    page = _BLANK_LINES.sub("\n\n", page.translate(_CONTROLS).strip())
    page = _BROKEN.sub("\0", page).replace(_SOFT_HYPHEN, "-").replace("\0", PARTED)
    pieces = list(pieces)
    beginnings = {found[1] for piece in pieces if (found := _CUT_OFF.search(piece))}
    if not beginnings:
        return page
    rests = {found[1] for piece in pieces if (found := _REST.match(piece))}

    def marked(word: re.Match[str]) -> str:
        whole = word[0]
        for end in range(len(whole) - 1, 0, -1):
            if whole[:end] in beginnings and whole[end:] in rests:
                return f"{whole[:end]}{PARTED}{whole[end:]}"
        return whole

    return _WORD.sub(marked, page)


def joined(pages: Iterable[str]) -> str:
    """Pages as one text; a word that two of them share stands on the first."""
    text = f"\n{PAGE_END}".join(pages)
    over: str = _OVER_PAGES.sub(rf"{PARTED}\1\n{PAGE_END}", text)
    return over

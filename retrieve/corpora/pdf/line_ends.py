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
_MARK = r"[-\u2010\u00ac]"  # ¬ is how programs that recognise text write a hyphen of the line's
# Between small letters or pairs of capitals: `McDonald-Douglas` keeps its hyphen, `12-15` is to be no other number.
_HYPHEN = rf"(?:(?<=\p{{Ll}}){_MARK}(?=\s+\p{{Ll}})|(?<=\p{{Lu}}{{2}}){_MARK}(?=\s+\p{{Lu}}{{2}}))"
_BROKEN = regex.compile(rf"(?:{_HYPHEN}|(?<=\w){_SOFT_HYPHEN}(?=\s+\w))[^\S\n]*\n\s*")
_OVER_PAGES = regex.compile(rf"(?:{_HYPHEN}|(?<=\w){_SOFT_HYPHEN})\n{PAGE_END}(\w\S*)[^\S{PAGE_END}]*")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_WORD = re.compile(r"[^\W_]+")
_CUT_OFF = re.compile(rf"([^\W_]+)[-\u2010\u00ac{_SOFT_HYPHEN}]\s*\Z")
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

    between = beginnings & rests

    def marked(word: re.Match[str]) -> str:
        return _parted(word[0], beginnings, between, rests) or word[0]

    return _WORD.sub(marked, page)


def _parted(word: str, beginnings: set[str], between: set[str], rests: set[str]) -> str | None:
    """A word with a mark at every place where it was parted, in the fewest parts; None where it was at none."""
    firsts = [end for end in range(len(word) - 1, 0, -1) if word[:end] in beginnings]
    if not firsts:
        return None
    parts: dict[int, list[str]] = {}
    for start in range(len(word) - 1, 0, -1):
        rest = word[start:]
        following = [end for end in parts if word[start:end] in between]
        if rest in rests:
            parts[start] = [rest]
        elif following:
            end = min(following, key=lambda end: len(parts[end]))
            parts[start] = [word[start:end], *parts[end]]
    ends = [end for end in firsts if end in parts]
    if not ends:
        return None
    end = min(ends, key=lambda end: len(parts[end]))
    return PARTED.join([word[:end], *parts[end]])


def joined(pages: Iterable[str]) -> str:
    """Pages as one text; a word that two of them share stands on the first."""
    text = f"\n{PAGE_END}".join(pages)
    over: str = _OVER_PAGES.sub(rf"{PARTED}\1\n{PAGE_END}", text)
    return over

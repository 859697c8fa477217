"""Names as program texts write them, taken apart: `parseHTTPResponse`, `snake_case_name`, `foo2bar`, `os.path.join`.

What is a part is what Lucene's WordDelimiterGraphFilter takes for one, but for two rules: several capitals before a
word with one are a part (`HTTP` and `Response`), also with a plural s (`URLs`), and what has an apostrophe, an
ampersand or a number's separators is never taken apart (`don't`, `AT&T`, `1,000`).
"""

from __future__ import annotations

import regex

_BETWEEN = regex.compile(r"\p{Pc}|(?<!\p{N})\.|\.(?!\p{N})")
_UPPER = r"[\p{Lu}\p{Lt}]\p{M}*+"
_OTHER = r"[[\p{L}]--[\p{Lu}\p{Lt}]]\p{M}*+"
_PART = regex.compile(
    rf"(?V1)(?:{_UPPER}){{2,}}s(?!{_OTHER})|(?:{_UPPER})+(?!{_OTHER})|(?:{_UPPER})?(?:{_OTHER})+|\p{{N}}+"
)
_PLAIN = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def identifier_parts(word: str) -> list[str]:
    """The parts of a word, written as they are in it; none for a word that is its only part."""
    parts: list[str] = []
    for piece in filter(None, _BETWEEN.split(word)):
        parts += _PART.findall(piece) if _PLAIN.fullmatch(piece) else [piece]
    return [] if parts == [word] else parts

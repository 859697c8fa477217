"""Letters without their accents, for who writes `cafe` and means `café`.

Latin and Greek letters lose their marks, and Latin ones what is drawn through or onto them (`ø`, `ł`, `đ`), as Lucene's
ASCIIFoldingFilter has it. Cyrillic words lose the marks of stress, and `ё` its dots; `й`, `ї` or `ў` are letters that
everybody writes, not accented ones, and so they stay. In other scripts marks make words.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Literal

import regex

_LETTER = regex.compile(r"(?V1)[[\p{Latin}\p{Greek}\p{Cyrillic}]--[a-z]]\p{M}*+|[a-z]\p{M}++")
_CYRILLIC = regex.compile(r"\p{Cyrillic}")
_DRAWN_ON = regex.compile(r"LATIN SMALL LETTER ([A-Z]) WITH .*")  # "LATIN SMALL LETTER O WITH STROKE" is an o
_OTHERWISE = {
    **{"ı": "i", "ȷ": "j", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ŋ": "n", "ĸ": "q", "ǝ": "e", "ə": "a"},
    **{"ɛ": "e", "ɔ": "o", "ё": "е", "ѐ": "е", "ѝ": "и"},
}


def without_accents(word: str) -> str:
    """A word in small letters; nothing but letters and their marks is changed, and none becomes nothing."""
    return word if word.isascii() else _LETTER.sub(lambda found: _base(found[0]), word)


@cache
def _base(letter: str) -> str:
    """One letter with its marks, in any form → one or two letters without."""
    form: Literal["NFC", "NFD"] = "NFC" if _CYRILLIC.match(letter) else "NFD"
    base = unicodedata.normalize(form, letter)[0]
    named = _DRAWN_ON.fullmatch(unicodedata.name(base, ""))
    return _OTHERWISE.get(base) or (named[1].lower() if named else base)

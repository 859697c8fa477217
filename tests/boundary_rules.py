"""The rules of `retrieve.text.boundaries` as regular expressions: slower, and what the core is held against."""

from __future__ import annotations

import numpy as np
import regex

_BLANK_LINE = regex.compile(r"(?<=\S)(?:[^\S\n]*+\n){2}")
_LINE_END = regex.compile(r"[^\S\n]*+\n")

_CLOSING = r"""["'”’»)\]}」』）】》〉]*+"""
_OPENING = r"""["'“‘„«(\[{¿¡]*+"""
# Marks that need a space and then a capital, a digit or a letter without case; full-width ones need nothing. The
# lookbehind lets a match start only where a run of marks starts, or a page of dots would take quadratic time.
_SENTENCE_END = regex.compile(
    rf"(?<![.?!…।॥؟۔])[.?!…।॥؟۔]++{_CLOSING}(?=\s++{_OPENING}[\p{{Lu}}\p{{Lt}}\p{{Lo}}\p{{N}}])"
    rf"|[。！？｡]++{_CLOSING}"
)
_WORD_BEFORE = regex.compile(r"[\p{L}\p{M}\p{N}]+$")
_LONGEST_BEFORE = 16  # characters looked at in front of a full stop: longer words are no abbreviations
_COMMON = (
    "al approx arts art bzw ca cf ch co corp dept dr ed eds eq fig figs inc jr ltd messrs mr mrs ms no nos nr "
    "op para paras pp prof ref reg regs sec sr st tab univ usw viz vol vols vs"
)
_ABBREVIATIONS = frozenset(_COMMON.split())
_SPACES = np.array([code for code in range(0x3001) if chr(code).isspace()], dtype=np.uint32)


def breaks_by_rules(text: str) -> tuple[list[int], list[int], list[int]]:
    """The ends of paragraphs, sentences and words of `text`."""
    sentences = [match.end() for match in _SENTENCE_END.finditer(text) if not _is_abbreviation(text, match)]
    paragraphs = [match.start() for match in _BLANK_LINE.finditer(text)]
    if not paragraphs:
        paragraphs = [end for end in sentences if _LINE_END.match(text, end)]
    return paragraphs, sentences, _word_ends(text)


def _is_abbreviation(text: str, mark: regex.Match[str]) -> bool:
    """Whether the single full stop `mark` belongs to the word in front of it.

    It does after one letter ("J. Doe", "e.g."), after a number of one or two digits ("1. Scope", "3. Oktober") and
    after the abbreviations listed above.
    """
    if mark[0] != ".":
        return False
    word = _WORD_BEFORE.search(text[max(0, mark.start() - _LONGEST_BEFORE) : mark.start()])
    if word is None:
        return False
    found = word[0].lower()
    return len(found) == 1 or (len(found) == 2 and found.isdigit()) or found in _ABBREVIATIONS


def _word_ends(text: str) -> list[int]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    space = np.isin(codes, _SPACES)
    ends: list[int] = (np.flatnonzero(~space[:-1] & space[1:]) + 1).tolist()
    return ends

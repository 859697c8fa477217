"""Citations in generated text: numbers in brackets, each looked up among the sources that were given.

A model may cite what it was never shown. Such a number is kept, with its place, so that whoever shows the answer can
say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from retrieve.errors import UsageError
from retrieve.rag.records import Citation, Context

_NUMBERS = r"[0-9]{1,9}(?:\s*[-–—]\s*[0-9]{1,9})?"
_BRACKETS = re.compile(rf"\[\s*({_NUMBERS}(?:\s*[,;]\s*{_NUMBERS})*)\s*[,;]?\s*\]")
_RANGE = re.compile(r"([0-9]+)(?:\s*[-–—]\s*([0-9]+))?")
_LONGEST_RANGE = 100


def check_citations(text: str, given: Context) -> tuple[tuple[Citation, ...], tuple[Citation, ...]]:
    """Citations of a text whose sources the context has, and those of numbers that it has not, in the text's order.

    Read are `[1]`, `[2, 3]`, `[1; 4]` and `[2-4]` (2, 3 and 4; of a range over more than 100 numbers the two ends).
    Other brackets are text.
    """
    if not isinstance(text, str):
        raise UsageError(f"the answer is of type {type(text).__name__}: wanted a string")
    sources = {source.number: source for source in given.sources}
    found = [
        Citation(number, *match.span(), sources.get(number))
        for match in _BRACKETS.finditer(text)
        for number in dict.fromkeys(chain.from_iterable(map(_range, _RANGE.finditer(match[1]))))
    ]
    return (
        tuple(citation for citation in found if citation.source is not None),
        tuple(citation for citation in found if citation.source is None),
    )


def _range(match: re.Match[str]) -> Iterator[int]:
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    low, high = sorted((first, last))
    yield from range(low, high + 1) if high - low < _LONGEST_RANGE else (low, high)

"""Where a window had better end: after a paragraph, after a sentence, between words.

The rules know punctuation and letter case, not languages, and miss an end rather than invent one: a missed end makes
a window end elsewhere, an invented one parts "Art." from its number. All of them take time linear in the text.

A sentence ends at marks that a space follows and then a capital, a digit or a letter without case, or at a full-width
mark; quotes and brackets that close behind it belong to it. A single full stop belongs to the word in front of it after
one letter ("J. Doe", "e.g."), after a number of one or two digits ("1. Scope", "3. Oktober") and after abbreviations.
The core finds them (`_core/boundaries.cpp`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve._core import find_breaks

IntArray = npt.NDArray[np.int64]


class Breaks(NamedTuple):
    """Sorted character positions (int64) at which a window may end, best kind first; each is right after text."""

    paragraphs: IntArray
    sentences: IntArray
    words: IntArray


def breaks(text: str) -> Breaks:
    """The ends of paragraphs, sentences and words of `text`; words here are what whitespace separates.

    A paragraph ends at a blank line. In a text without one, it ends where a sentence does and the line too: that
    finds the paragraphs of a text that has one per line, and is not misled by lines wrapped at a fixed width.
    """
    return Breaks(*find_breaks(text))

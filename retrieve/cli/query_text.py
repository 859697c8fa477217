"""A text on the command line: its words as they were typed, or standard input for `-`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def query_text(words: Sequence[str]) -> str:
    """Several words as one text, so that a question needs no quotes. Raises `InputError` for input that is no UTF-8."""
    if list(words) != ["-"]:
        return " ".join(words)
    from retrieve.corpora.stream import STANDARD_INPUT, whole_text

    return whole_text(sys.stdin.buffer.read(), STANDARD_INPUT).strip()

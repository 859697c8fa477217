"""Marks of a printed page that a text carries: where a page ends, and where a line end parted a word.

They stand in the text itself, as form feeds always did, so that offsets, content hashes, updates and merges need to
know nothing of them. Neither is seen: a form feed is white space, and a soft hyphen shows only at the end of a line.
"""

from __future__ import annotations

PAGE_END = "\f"
"""Between two pages."""

PARTED = "\u00ad\u00ad"
"""Inside a word that was printed in two parts, with a hyphen and a line end between them: nobody can tell whether the
hyphen belongs to the word (`well-known`) or to the line (`respon-sible`). One soft hyphen alone says no more than where
a line may end."""


def page_at(text: str, offset: int) -> int | None:
    """The page, from 1, on which the character at `offset` stands; None for a text of no pages, or of one."""
    if PAGE_END not in text:
        return None
    return 1 + text.count(PAGE_END, 0, offset)


def with_parts(word: str) -> list[str]:
    """A word; one that was printed in parts whole, and then its parts, so that it is found by either."""
    return [word.replace(PARTED, ""), *word.split(PARTED)] if PARTED in word else [word]

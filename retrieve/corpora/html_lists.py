"""Numbers of ordered lists, which are in no text of a page and by which its clauses are cited.

A browser counts them by the rules of HTML (`start`, `reversed`, `type`, and `value` of an item). Of styles only those
that the list itself names are known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

LISTS = frozenset(("ol", "ul", "menu", "dir"))
_NUMBER = re.compile(r"\s*([+-]?\d{1,9})")
_STYLE = re.compile(
    r"list-style(?:-type)?\s*:[^;]*?\b(none|(?:lower|upper)-(?:alpha|latin|roman)|decimal)\b", re.I
)
_TYPES = {
    "lower-alpha": "a",
    "lower-latin": "a",
    "upper-alpha": "A",
    "upper-latin": "A",
    "lower-roman": "i",
    "upper-roman": "I",
    "decimal": "1",
    "none": "",
}
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc")),
    *((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_MOST_ROMAN = 3999


@dataclass
class _List:
    """A list that is open: the type of its numbers, empty for none, the next one, and what follows that."""

    type: str
    number: int = 1
    step: int = 1


class ListNumbers:
    """Follows a walk through lists and their items. `mark`: what stands in front of the next word."""

    def __init__(self) -> None:
        self.mark = ""
        self._open: list[_List] = []
        self._marks_before: list[str] = []

    def enter(self, name: str, node: LexborNode, *, shown: bool) -> None:
        """An element begins. An item that is not shown is not counted."""
        if name == "ol":
            self._open.append(_ordered(node))
        elif name in LISTS:
            self._open.append(_List(""))
        elif name == "li":
            self._marks_before.append(self.mark)
            if self._open and shown:
                counted = self._open[-1]
                number = _integer(node.attributes, "value", counted.number)
                counted.number = number + counted.step
                self.mark += f"{_written(number, counted.type)}. " if counted.type else ""

    def leave(self, name: str) -> None:
        """An element ends. An item without a word has no number either."""
        if name in LISTS:
            self._open.pop()
        elif name == "li":
            before = self._marks_before.pop()
            self.mark = before if self.mark else ""

    def take(self) -> str:
        """The mark, once."""
        mark, self.mark = self.mark, ""
        return mark


def _ordered(node: LexborNode) -> _List:
    attributes = node.attributes
    kind = attributes.get("type") or "1"
    if styled := _STYLE.search(attributes.get("style") or ""):
        kind = _TYPES[styled[1].lower()]
    down = "reversed" in attributes
    first = sum(child.tag == "li" for child in node.iter()) if down else 1
    return _List(
        kind if kind in ("", *"aAiI") else "1", _integer(attributes, "start", first), -1 if down else 1
    )


def _integer(attributes: Mapping[str, str | None], name: str, default: int) -> int:
    found = _NUMBER.match(attributes.get(name) or "")
    return int(found[1]) if found else default


def _written(number: int, kind: str) -> str:
    """The number as letters or Roman, where there is such a number."""
    if kind in "iI" and 1 <= number <= _MOST_ROMAN:
        text = ""
        for value, letters in _ROMAN:
            text += letters * (number // value)
            number %= value
    elif kind in "aA" and number >= 1:
        text = ""
        while number:
            number, letter = divmod(number - 1, 26)
            text = chr(ord("a") + letter) + text
    else:
        return str(number)
    return text.upper() if kind.isupper() else text

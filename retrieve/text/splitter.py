"""Documents → passages: the one table of windows that every view indexes.

A splitter knows units only as character offsets, so that an encoder's tokens and an analyzer's words are cut by the
same rules, and a passage is a pair of offsets into the text as it was given. Each window starts no later than the one
before it ended, so that nothing of a document can fall between two passages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from retrieve.errors import RecipeError
from retrieve.text.boundaries import IntArray
from retrieve.text.cut_positions import Cuts
from retrieve.types import Document

Offsets = Callable[[Sequence[str]], list[IntArray]]
Counts = Callable[[Sequence[str]], list[int]]
Mode = Literal["window", "first", "whole"]
TitleMode = Literal["every", "first", "none"]
Boundaries = Literal["sentence", "none"]


class Windows(NamedTuple):
    """The passages of one document."""

    spans: IntArray  # (S,2) int64, character offsets into the text, both columns rising; S may be 0
    units: int  # tokens or words of the text, without the title
    indexed: int  # those inside at least one window


class Splitter:
    """Cuts documents into windows of at most `min(size, limit)` units, those of a shown title included.

    `window`: consecutive windows that cover every character. With `boundaries="sentence"` a window ends at the last
    paragraph end in the last half of what it adds, else at the last sentence end there, else at the last space, else
    after the last unit that fits. Neighbours share about `overlap` units, less in proportion where a title takes
    room. The last window is no crumb: the one before it ends early enough to leave about half a window.

    `first`: the first window alone, cut hard, as an encoder truncates. `whole`: one passage, whatever its length.

    A document that fits is one passage. One without text has a passage only for a title that is shown; with neither
    it has none. Two things make a window longer than its budget: a title that takes more than three quarters (the
    text keeps the fourth), and units that cannot be parted (one character of several tokens).
    """

    def __init__(
        self,
        *,
        offsets: Offsets,
        counts: Counts | None = None,
        limit: int | None,
        size: int | None,
        overlap: int,
        mode: Mode,
        title: TitleMode,
        boundaries: Boundaries,
    ) -> None:
        """`offsets`: texts → for each its units' character offsets (T,2) int64, no special tokens, not truncated.

        `counts`: how many units those are, for what is not cut, where that is told sooner than their places.
        `limit`: units the encoder takes beside special tokens and prompt (None: any number). `size` None: the limit.
        Sizes that cannot work raise `RecipeError`.
        """
        self._budget = min((bound for bound in (size, limit) if bound is not None), default=None)
        self._offsets = offsets
        self._counts = counts or (lambda texts: [len(found) for found in offsets(texts)])
        self._overlap = overlap
        self._mode = mode
        self._title = title
        self._boundaries = boundaries
        if self._budget is not None:
            wanted = f"windows of {self._budget} units (size {size}, encoder's limit {limit})"
            if self._budget < 1:
                raise RecipeError(
                    f"passages: {wanted} hold nothing: raise size, or shorten the encoder's prompt"
                )
            if mode == "window" and not 0 <= overlap < self._budget:
                raise RecipeError(
                    f"passages: overlap {overlap} with {wanted}: it must be from 0 to below that"
                )

    def split(self, documents: Sequence[Document]) -> list[Windows]:
        """The windows of each document, in order. Asks at most twice for units: those of the texts, of the titles."""
        texts = [document.text for document in documents]
        if self._room(0) is None:
            return [self._whole(*each) for each in zip(documents, self._counts(texts), strict=True)]
        units = self._offsets(texts)
        titles = self._title_units(documents)
        return [self._cut(*each) for each in zip(documents, units, titles, strict=True)]

    def _title_units(self, documents: Sequence[Document]) -> list[int]:
        """Units of each title; 0 where it is never shown."""
        shown = [document.title if _shows_title(document, 0, self._title) else "" for document in documents]
        counted = [title for title in shown if title]
        lengths = map(len, self._offsets(counted) if counted else [])
        return [next(lengths) if title else 0 for title in shown]

    def _room(self, title_units: int) -> int | None:
        """Units of text that a window holds beside a title of that many; None: all there are."""
        if self._budget is None or self._mode == "whole":
            return None
        return max(self._budget - title_units, self._budget // 4, 1)

    def _cut(self, document: Document, offsets: IntArray, title_units: int) -> Windows:
        text, units = document.text, len(offsets)
        room = self._room(title_units)
        if room is None or units <= room or self._is_empty(document):
            return self._whole(document, units)
        if self._mode == "first":
            cuts = Cuts(text, offsets, natural=False)
            indexed = cuts.last(room) or cuts.following(0)
            return Windows(np.array([[0, cuts.units_end(indexed)]], dtype=np.int64), units, indexed)
        cuts = Cuts(text, offsets, natural=self._boundaries == "sentence")
        later = self._room(0 if self._title == "first" else title_units) or room
        return Windows(self._windows(cuts, room, later), units, units)

    def _whole(self, document: Document, units: int) -> Windows:
        if self._is_empty(document):
            return Windows(np.empty((0, 2), dtype=np.int64), units, 0)
        return Windows(np.array([[0, len(document.text)]], dtype=np.int64), units, units)

    def _is_empty(self, document: Document) -> bool:
        text = document.text
        return (not text or text.isspace()) and not _shows_title(document, 0, self._title)

    def _windows(self, cuts: Cuts, room: int, later: int) -> IntArray:
        """Spans (S,2) of windows with `room` units of text in the first, `later` in the others."""
        spans = []
        begin = end = 0
        while end < cuts.units:
            # The share of the window that overlaps stays below one, so that every window adds something.
            overlap = self._overlap * room // (self._budget or room)
            end = _window_end(cuts, begin, end, room, overlap)
            spans.append((cuts.position(begin), cuts.position(end)))
            begin = _next_begin(cuts, begin, end, later, overlap)
            room = later
        return np.array(spans, dtype=np.int64)


def fed_text(document: Document, span: tuple[int, int], position: int, *, title: TitleMode) -> str:
    """The string that is analysed and encoded for the passage `span` (character offsets) at `position` (from 0)."""
    start, end = span
    return with_title(document, document.text[start:end], position, title=title)


def with_title(document: Document, passage: str, position: int, *, title: TitleMode) -> str:
    """A passage's text with the title in front where it is shown."""
    return f"{document.title} {passage}" if _shows_title(document, position, title) else passage


def shown_title(document: Document, position: int, *, title: TitleMode) -> str:
    """The title in front of the passage at `position`, or "" where none is."""
    return document.title if _shows_title(document, position, title) else ""


def _shows_title(document: Document, position: int, title: TitleMode) -> bool:
    return (title == "every" or (title == "first" and position == 0)) and bool(document.title.strip())


def _window_end(cuts: Cuts, begin: int, previous: int, room: int, overlap: int) -> int:
    """The cut that ends the window from `begin`: after `previous`, where the window before it ended."""
    rest = cuts.units - begin
    if rest <= room:
        return cuts.units
    most = min(room, rest + overlap - room // 2)  # leave half a window for the last
    least = (most + overlap) // 2 + 1  # the last half of what is new
    end = cuts.natural(begin + least, begin + most) or cuts.last(begin + most)
    return end if end > previous else cuts.following(previous)


def _next_begin(cuts: Cuts, begin: int, end: int, room: int, overlap: int) -> int:
    """The cut that starts the window after the one from `begin` to `end`."""
    if end == cuts.units:
        return end
    following = cuts.resume(max(end - overlap, begin + 1), end)
    # Units that cannot be parted may not fit behind the overlap; then there is none.
    return following if cuts.following(end) - following <= room else end

"""The places where one document may be cut, counted in units, with how good each place is.

A splitter reasons in units and answers in characters. Tokenizers make the map between the two untidy (units of no
width, several units on one character), so it lives here alone: a cut is a number of units, and no cut parts a unit.
"""

from __future__ import annotations

import numpy as np

from retrieve.text.boundaries import IntArray, breaks


class Cuts:
    """The cuts of one text with T units: 0, T, and between them every count where a new unit starts unshared.

    A unit of no width (a lone word-start mark, a special token) stays with the unit before it, so that the characters
    between two cuts are never none.
    """

    def __init__(self, text: str, offsets: IntArray, *, natural: bool) -> None:
        """`offsets` (T,2) int64, T ≥ 1: character offsets of the units. `natural`: look for ends of paragraphs,
        sentences and words too."""
        starts, ends = offsets[:, 0], offsets[:, 1]
        wide = ends > starts
        reached = np.maximum.accumulate(np.where(wide, ends, 0))
        ahead = np.minimum.accumulate(np.where(wide, starts, len(text))[::-1])[::-1]
        inner = np.flatnonzero(wide[1:] & (reached[:-1] > 0) & (reached[:-1] <= ahead[1:])) + 1
        self.units = len(offsets)
        self._text = text
        self._cuts = np.concatenate(([0], inner, [self.units]))
        # A cut lies in the gap between where the units before it end and where those after it start.
        self._gap_starts = np.concatenate(([0], reached[inner - 1], [len(text)]))
        self._gap_ends = np.concatenate(([0], ahead[inner], [len(text)]))
        self._kinds = [self._at(positions) for positions in breaks(text)] if natural else []

    def last(self, most: int) -> int:
        """The last cut with at most `most` units before it."""
        return int(self._cuts[np.searchsorted(self._cuts, most, side="right") - 1])

    def following(self, units: int) -> int:
        """The first cut with more than `units` units before it; `units` < T."""
        return int(self._cuts[np.searchsorted(self._cuts, units, side="right")])

    def natural(self, least: int, most: int) -> int | None:
        """The last cut within the bounds, both included, at the end of a paragraph; else of a sentence; else of a
        word. None where there is none."""
        for cuts in self._kinds:
            found = np.searchsorted(cuts, most, side="right") - 1
            if found >= 0 and cuts[found] >= least:
                return int(cuts[found])
        return None

    def resume(self, least: int, most: int) -> int:
        """The first cut within the bounds, both included, that starts a word; else the first one; `most` is a cut."""
        for cuts in [*self._kinds[-1:], self._cuts]:
            found = np.searchsorted(cuts, least)
            if found < len(cuts) and cuts[found] <= most:
                return int(cuts[found])
        return most

    def position(self, cut: int) -> int:
        """The character where `cut` falls: in front of the next unit and of what opens it ("(", a quotation mark)."""
        gap_start, gap_end = self._gap(cut)
        gap = self._text[gap_start:gap_end]
        opening = 0 if not gap or gap[-1].isspace() else len(gap.split()[-1])
        # Without a space in it, the gap closes what is before it: "well-|known".
        return gap_end - opening if opening < len(gap) else gap_end

    def units_end(self, cut: int) -> int:
        """The character where the units before `cut` end."""
        return self._gap(cut)[0]

    def _gap(self, cut: int) -> tuple[int, int]:
        index = np.searchsorted(self._cuts, cut)
        return int(self._gap_starts[index]), int(self._gap_ends[index])

    def _at(self, positions: IntArray) -> IntArray:
        """The cuts whose gaps hold these character positions; a position inside a unit has none."""
        index = np.searchsorted(self._gap_ends, positions)
        found = self._cuts[index[self._gap_starts[index] <= positions]]  # rising, as the positions are
        return found[np.diff(found, prepend=-1) > 0]

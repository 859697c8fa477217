"""A text and its marks as pieces to be shown in order: marks may overlap, and what is far from any is left out.

A piece that several marks cover takes the strongest weight of them and names all, so that no passage hides another.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from retrieve.report.records import Highlighted, Mark


class Piece(NamedTuple):
    """Characters from `start` on that the same marks cover. `begins`: those of them whose first character this is.

    `left_out`: characters that are not shown here; the piece has no text then.
    """

    start: int
    text: str
    marks: tuple[Mark, ...] = ()
    begins: tuple[Mark, ...] = ()
    left_out: int = 0

    @property
    def weight(self) -> float:
        """The strongest weight of the marks."""
        return max((mark.weight for mark in self.marks), key=abs, default=0.0)


def pieces(block: Highlighted) -> list[Piece]:
    """The text, cut wherever a mark begins or ends; texts and what is left out add up to all of it."""
    spans = sorted(
        (start, end, number)
        for number, mark in enumerate(block.marks)
        for start, end in mark.spans
        if start < end
    )
    edges = sorted({0, len(block.text), *(edge for start, end, _ in spans for edge in (start, end))})
    first = {number: min(start for start, _, of in spans if of == number) for _, _, number in spans}
    found = []
    for start, end in pairwise(edges):
        covering = sorted({number for a, b, number in spans if a <= start and end <= b})
        marks = tuple(block.marks[number] for number in covering)
        begins = tuple(block.marks[number] for number in covering if first[number] == start)
        found.append(Piece(start, block.text[start:end], marks, begins))
    return found if block.around is None else list(_shortened(found, block.around))


def _shortened(found: Sequence[Piece], around: int) -> Sequence[Piece]:
    """Unmarked pieces keep `around` characters beside their marked neighbours."""
    made: list[Piece] = []
    for number, piece in enumerate(found):
        head = around if number > 0 else 0
        tail = around if number + 1 < len(found) else 0
        if len(found) == 1:
            head = 2 * around  # nothing is marked: how the text begins
        left_out = len(piece.text) - head - tail
        if piece.marks or left_out <= 0:
            made.append(piece)
            continue
        end = piece.start + len(piece.text)
        made.append(Piece(piece.start, piece.text[:head]))
        made.append(Piece(piece.start + head, "", left_out=left_out))
        made.append(Piece(end - tail, piece.text[len(piece.text) - tail :]))
    return [piece for piece in made if piece.text or piece.left_out]

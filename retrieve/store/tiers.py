"""Which segments a commit merges: neighbours of about one size, as soon as there are `merge_factor` of them.

Every document is then written again only once for each tier, and segments stay as few as there are tiers times the
factor, however small the commits. Tiers are powers of the factor (Lucene's LogMergePolicy, whose windows these are).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from retrieve.recipe import Segments


class Size(NamedTuple):
    """What is live of a segment, and the bytes of its texts. Only those of one `kind` can become one."""

    documents: int
    passages: int
    text: int
    kind: str = ""

    def plus(self, other: Size) -> Size:
        """Of both together."""
        documents, passages, text = (one + two for one, two in zip(self[:3], other[:3], strict=True))
        return Size(documents, passages, text, self.kind)

    def fits(self, limits: Segments) -> bool:
        """Whether one segment may hold so much."""
        most = limits.passages, limits.passages, limits.text_bytes
        return all(size <= limit for size, limit in zip(self[:3], most, strict=True))


class _Planned(NamedTuple):
    size: Size
    run: slice


def plan(sizes: Sequence[Size], limits: Segments) -> list[slice]:
    """The runs of segments that become one each, from the left; none where `merge_factor` is 0.

    What a merge makes may itself complete a tier: then all of that is one run, and nothing is written twice.
    """
    planned = [_Planned(size, slice(at, at + 1)) for at, size in enumerate(sizes)]
    while limits.merge_factor and (run := _next(planned, limits)) is not None:
        first, *others = planned[run]
        size = first.size
        for other in others:
            size = size.plus(other.size)
        planned[run] = [_Planned(size, slice(first.run.start, others[-1].run.stop))]
    return [item.run for item in planned if item.run.stop - item.run.start > 1]


def _next(planned: Sequence[_Planned], limits: Segments) -> slice | None:
    for _, group in groupby(range(len(planned)), key=lambda at: planned[at].size.kind):
        numbers = list(group)
        if (run := _in_stretch(planned, numbers[0], numbers[-1] + 1, limits)) is not None:
            return run
    return None


def _in_stretch(planned: Sequence[_Planned], start: int, end: int, limits: Segments) -> slice | None:
    """A window reaches from the left to the last of its largest tier, and holds what is smaller in between."""
    factor = limits.merge_factor
    tiers = {at: _tier(planned[at].size, factor) for at in range(start, end)}
    while start < end:
        largest = max(tiers[at] for at in range(start, end))
        stop = max(at for at in range(start, end) if tiers[at] == largest) + 1
        while stop - start >= factor:
            fitting = _fitting(planned[start : start + factor], limits)
            if fitting > 1:
                return slice(start, start + fitting)
            start += 1
        start = stop
    return None


def _tier(size: Size, factor: int) -> int:
    tier, most = 0, factor
    while max(size.documents, size.passages) > most:
        tier, most = tier + 1, most * factor
    return tier


def _fitting(planned: Sequence[_Planned], limits: Segments) -> int:
    """How many from the left one segment may hold together."""
    size = planned[0].size
    for number, item in enumerate(planned[1:], start=1):
        size = size.plus(item.size)
        if not size.fits(limits):
            return number
    return len(planned)

"""Late chunking: passages are means over their tokens in a window longer than they are, so they know their context.

Here are its pure parts: which passages share a window, which tokens belong to a passage, and the cache's keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.tokens import IntArray
from retrieve.vector_cache.cache import keys_of


class Late(NamedTuple):
    """One window: `prompt` and `lead` (a title) in front, `text`, and spans (S,2) in characters of `text`."""

    text: str
    spans: IntArray
    lead: str = ""
    prompt: str = ""

    @property
    def fed(self) -> str:
        """The exact string that the model reads."""
        return self.prompt + self.lead + self.text


def share_windows(offsets: IntArray, spans: IntArray, budget: int) -> Iterator[tuple[int, int]]:
    """Ranges of `spans` (S,2), in order, that fit into `budget` tokens together; `offsets` (T,2) of the whole text.

    A span that does not fit alone is a window of its own. Spans may overlap and stand in any order: what has to fit is
    all from where the first of them starts to where the last of them ends, as `window_bounds` has it.
    """
    first = 0
    while first < len(spans):
        end = first + 1
        while end < len(spans) and _tokens_between(offsets, *window_bounds(spans[first : end + 1])) <= budget:
            end += 1
        yield first, end
        first = end


def window_bounds(spans: IntArray) -> tuple[int, int]:
    """Start and end of the text that holds all of some spans (S,2), in whatever order they stand."""
    return int(spans[:, 0].min()), int(spans[:, 1].max())


def token_ranges(window: Late, offsets: IntArray) -> IntArray:
    """(S,3) 0, first token and token after the last of each span; `offsets` (T,2) are the window's, as it was cut.

    A span without tokens (nothing but a title was there, the tokenizer drops it, or it was cut off) has all of the
    window's: it is known by its context alone.
    """
    shift = len(window.prompt) + len(window.lead)
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    every = (real[0], real[-1] + 1) if len(real) else (0, len(offsets))
    ranges = np.empty((len(window.spans), 3), dtype=np.int64)
    for number, (start, end) in enumerate(window.spans + shift):
        inside = real[(offsets[real, 0] < end) & (offsets[real, 1] > start)]
        ranges[number] = (0, inside[0], inside[-1] + 1) if len(inside) else (0, *every)
    return ranges


def keys_of_late(window: Late) -> NDArray[np.void]:
    """Cache keys (S,): the string fed and the offsets of the span in it."""
    context = hashlib.sha256(window.fed.encode("utf-8", "surrogatepass")).digest()
    shift = len(window.prompt) + len(window.lead)
    return keys_of(
        [f"{start + shift}:{end + shift}" for start, end in window.spans.tolist()], b"late" + context
    )


def _tokens_between(offsets: IntArray, start: int, end: int) -> int:
    return int(((offsets[:, 0] < end) & (offsets[:, 1] > start)).sum())

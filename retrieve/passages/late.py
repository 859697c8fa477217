"""Which passages of a document are encoded in one window, where chunks are cut late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrieve.text.splitter import TitleMode, fed_text
from retrieve.types import Document

if TYPE_CHECKING:
    from retrieve.encoders.dense.late_chunking import Late

IntArray = npt.NDArray[np.int64]


def late_windows(
    document: Document,
    spans: IntArray,
    token_offsets: Callable[[Sequence[str]], list[IntArray]],
    budget: int,
    *,
    title: TitleMode,
) -> Iterator[Late]:
    """Windows of at most `budget` tokens, the title's included, that hold all spans (S,2) as they are ordered."""
    from retrieve.encoders.dense.late_chunking import Late, share_windows, window_bounds

    # A window has the title in front as a passage has; what begins with it is the same string either way.
    lead = fed_text(document, (0, 0), 0, title=title)
    text_offsets, lead_offsets = token_offsets([document.text, lead])
    for first, end in share_windows(text_offsets, spans, budget - len(lead_offsets)):
        start, stop = window_bounds(spans[first:end])
        text = document.text[start:stop]
        titled = first == 0 or title == "every"
        yield Late(text, spans[first:end] - start, lead if titled else "")

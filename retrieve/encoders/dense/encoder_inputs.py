"""What an encoder is fed: texts, each of them a vector, or windows of late chunking, each as many as it has spans.

Both are worked off in chunks, so that their tokens take some tens of megabytes, whatever the size of a segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.dense.late_chunking import Late, keys_of_late, token_ranges
from retrieve.encoders.tokens import IntArray, TokenRow, Tokens
from retrieve.vector_cache.cache import keys_of

# Sorted by length together: enough texts that batches have little padding.
CHUNK = 8192

LATE_CHUNK = 1024
"""Windows of late chunking are about as long as the model's limit."""


class Feed(Protocol):
    """`firsts` (N+1,): the numbers of each text's first vector, and of all vectors; `chunk`: so many at a time.

    `rows` are tokens of some of the texts; with them, for windows, (S,3) the tokens of each span: 0, first, after last.
    """

    firsts: IntArray
    chunk: int

    def keys(self, part: slice) -> NDArray[np.void]: ...

    def rows(
        self, part: slice, tokens: Tokens, limit: int
    ) -> tuple[list[TokenRow], list[IntArray] | None]: ...


class Texts:
    """Strings as they are fed."""

    def __init__(self, fed: Sequence[str]) -> None:
        self.firsts = np.arange(len(fed) + 1, dtype=np.int64)
        self.chunk = CHUNK
        self._fed = fed

    def keys(self, part: slice) -> NDArray[np.void]:
        """The cache's keys of their vectors."""
        return keys_of(self._fed[part])

    def rows(self, part: slice, tokens: Tokens, limit: int) -> tuple[list[TokenRow], None]:
        """Their tokens, cut at the limit."""
        return tokens.rows(self._fed[part], limit), None


class Windows:
    """Windows with at least one span each."""

    def __init__(self, windows: Sequence[Late]) -> None:
        self.firsts = np.cumsum([0, *(len(window.spans) for window in windows)], dtype=np.int64)
        self.chunk = LATE_CHUNK
        self._windows = windows

    def keys(self, part: slice) -> NDArray[np.void]:
        """The cache's keys of all their spans."""
        return np.concatenate([keys_of_late(window) for window in self._windows[part]])

    def rows(self, part: slice, tokens: Tokens, limit: int) -> tuple[list[TokenRow], list[IntArray]]:
        """Their tokens, cut at the limit, and those of each span."""
        windows = self._windows[part]
        found = tokens.rows_with_offsets([window.fed for window in windows], limit)
        ranges = [token_ranges(window, offsets) for window, (_, offsets) in zip(windows, found, strict=True)]
        return [row for row, _ in found], ranges

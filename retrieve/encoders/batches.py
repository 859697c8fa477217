"""Batches of texts of similar length, so that little is computed on padding.

They depend on the lengths alone, never on the machine or on chance: the same texts in the same order give the same
batches, and so, on one machine, the same bytes of vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.tokens import TokenRow

IntArray = NDArray[np.int64]

BATCH_TOKENS = 1024
"""Tokens in a batch of one core's, padding included: with twice as many a core of 2 MiB of cache is a fourteenth slower
under torch, with half as many a tenth.
"""

GPU_BATCH_TOKENS = 65_536
"""The same for a GPU, which wants more at a time to be busy."""


def batches(
    lengths: Sequence[int] | IntArray, budget: int = BATCH_TOKENS, *, fill: bool = False
) -> Iterator[IntArray]:
    """Positions of `lengths`, longest first, ties by position, in batches of at most `budget` padded tokens.

    A text longer than the budget is a batch of its own; one without tokens counts as one token. `fill`: texts count
    as the next `filled_length`.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        length = int(lengths[order[start]])
        rows = _full(filled_length(length) if fill else length, budget)
        yield order[start : start + rows]
        start += rows


def filled_length(length: int) -> int:
    """The next of few lengths that a processor likes: sixteens and, of short texts, 2, 4 or 8 tokens more.

    OpenVINO's attention takes sixteen tokens at once and what is left of them one by one, so that texts of 48 take less
    time than texts of 44. Above 256 tokens there are eight lengths to each doubling.
    """
    if length > 128:
        step = max(16, 1 << ((length - 1).bit_length() - 4))
        return -(-length // step) * step
    beyond = (length - 1) % 16 + 1
    more = (2, 4, 8, 12, 16) if length <= 16 else (2, 4, 8, 16) if length <= 64 else (4, 16)
    return length - beyond + next(part for part in more if part >= beyond)


def filled_shape(
    rows: int, length: int, limit: int, budget: int = BATCH_TOKENS, *, alone: bool
) -> tuple[int, int]:
    """The shape (B,T) that a batch of so many texts is filled up to, so that a collection makes few shapes of batches.

    Rows go up to a full batch; or, where a batch is the only one, to the next power of two: a query stays one row.
    No text is filled beyond `limit`.
    """
    full = _full(filled_length(length), budget)
    return min(full, 1 << (rows - 1).bit_length()) if alone else full, min(filled_length(length), limit)


def _full(length: int, budget: int) -> int:
    return max(1, budget // max(1, length))


class Padded:
    """Token rows side by side: `ids`, `mask` and `types`, each (B,T) int64; padding is at the end, its mask 0.

    `shape` (B,T) is that of the longest row, if none is given; rows beyond those given are one token of padding that
    counts, as a text cannot be empty. `ranges` (R,3) int64, for late chunking: row, first token, token after the last
    of each vector that is wanted, in place of one a row.
    """

    def __init__(
        self,
        rows: Sequence[TokenRow],
        pad: int,
        ranges: IntArray | None = None,
        shape: tuple[int, int] | None = None,
    ) -> None:
        self.ranges = ranges
        shape = shape or (len(rows), max(len(row.ids) for row in rows))
        self.ids = np.full(shape, pad, dtype=np.int64)
        self.mask = np.zeros(shape, dtype=np.int64)
        self.types = np.zeros(shape, dtype=np.int64)
        self.mask[len(rows) :, 0] = 1
        for number, row in enumerate(rows):
            self.ids[number, : len(row.ids)] = row.ids
            self.mask[number, : len(row.ids)] = 1
            self.types[number, : len(row.ids)] = row.types

"""Codes as rows of one length, which is how the cache keeps them: dimensions rise, and the last fills its row up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieve.encoders.folder import UNTRAINED, WINNERS, Module
from retrieve.encoders.text_model import check_rows

UInt32s = NDArray[np.uint32]
Int64s = NDArray[np.int64]
Rows = NDArray[np.unsignedinteger[Any]]


def most_dimensions(module: Module) -> int | None:
    """The most dimensions that a head keeps of a document; None where nothing bounds them, or they have weights."""
    cap: int | None = module.settings.get("cap") if module.kind in (WINNERS, UNTRAINED) else None
    return None if cap is None else cap * len(module.settings.get("layers") or [0])


def code_rows(codes: Sequence[UInt32s], numbers: Int64s, like: Rows) -> Rows:
    """Dimensions of each of the texts `numbers`, rising, → rows (B,C) of the length and type of `like` (…,C).

    Raises `BadVectors` for a text without any.
    """
    filled = np.array([len(dims) > 0 for dims in codes], np.bool_)
    check_rows(filled[:, None], numbers, "a code without any dimension")
    rows = np.empty((len(codes), like.shape[1]), like.dtype)
    for row, dims in zip(rows, codes, strict=True):
        row[: len(dims)] = dims
        row[len(dims) :] = dims[-1]
    return rows


def coded_dimensions(rows: Rows) -> tuple[Int64s, UInt32s]:
    """Rows (B,C) of codes → starts (B+1,) and the dimensions of all, as uint32."""
    first = np.ones((len(rows), 1), np.bool_)
    own = np.concatenate([first, rows[:, 1:] > rows[:, :-1]], axis=1)
    starts = np.concatenate([[0], own.sum(axis=1).cumsum()]).astype(np.int64)
    return starts, rows[own].astype(np.uint32)

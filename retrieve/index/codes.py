"""Rows of winners: which dimensions are 1 in each binary code, row after row as in a sparse matrix.

Between an encoder, the builder of an index and a merge nothing else is handed on, so that one check here guards them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from retrieve._core import first_wrong
from retrieve.index.arrays import Int64s, UInt32s, frozen


class Codes(NamedTuple):
    """Binary codes: row i has the winners dims[starts[i]:starts[i+1]]."""

    starts: Int64s
    """Each row's first winner, int64 (rows+1,), from 0 to the number of winners."""
    dims: UInt32s
    """Winning dimensions, uint32 (winners,), strictly rising within a row."""

    @property
    def rows(self) -> int:
        """How many rows there are, those without winners included."""
        return len(self.starts) - 1

    def cut(self, first: int, end: int) -> Codes:
        """Some rows; the winners are a view."""
        start, stop = self.starts[first], self.starts[end]
        return Codes(self.starts[first : end + 1] - start, self.dims[start:stop])


def check_codes(codes: Codes, dimensions: int) -> Codes:
    """The codes, frozen. Raises ValueError for starts that do not cover the winners, and for winners out of order."""
    starts = frozen(np.asarray(codes.starts, np.int64))
    dims = frozen(np.asarray(codes.dims, np.uint32))
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != len(dims) or bool((np.diff(starts) < 0).any()):
        raise ValueError(f"starts must rise from 0 to the {len(dims)} winners, one more than there are rows")
    if (row := first_wrong(starts, dims, dimensions)) >= 0:
        found = dims[starts[row] : starts[row + 1]]
        raise ValueError(
            f"winners of row {row} are {found[:8].tolist()}…: wanted dimensions below {dimensions}, strictly rising"
        )
    return Codes(starts, dims)

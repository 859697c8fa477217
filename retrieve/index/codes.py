"""Binary codes of rows, as the numbers of their winning dimensions."""

from __future__ import annotations

from typing import NamedTuple

from retrieve.index.arrays import Int64s, UInt32s


class Codes(NamedTuple):
    """Row i has the dimensions dims[starts[i]:starts[i+1]]: `starts` (rows+1,), `dims` strictly rising in a row."""

    starts: Int64s
    dims: UInt32s

"""Sparse rows on their way into a segment: codes into the counted lists, impacts into postings.

Both are inverted block by block or at the end; what the encoder gives is not kept in another form.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieve.files import write_array
from retrieve.index.codes import Codes
from retrieve.index.counted import CountedBuilder
from retrieve.index.postings import Postings
from retrieve.index.strings import SortedStrings
from retrieve.recipe import UHD
from retrieve.store.build import IntArray

UInt32s = npt.NDArray[np.uint32]
Float32s = npt.NDArray[np.float32]


def code_builder(building: Path, section: UHD, dimensions: int) -> CountedBuilder:
    """A builder of the UHD view that writes into the folder of a segment."""

    def write(name: str, values: npt.NDArray[np.generic]) -> None:
        write_array(building / f"uhd/{name}.npy", values)

    return CountedBuilder(dimensions, section.layout, write)


class CodeTaker:
    """Takes rows of a token-level encoder: a dimension with any weight has won."""

    def __init__(self, builder: CountedBuilder) -> None:
        self._builder = builder

    def take(self, starts: IntArray, dims: UInt32s, weights: Float32s) -> None:
        """The next rows, all of whose weights are above zero."""
        self._builder.add(Codes(starts, dims))

    def finish(self) -> None:
        """Write what is left; there are no postings."""
        self._builder.finish()


class ImpactTaker:
    """Takes rows of weights and makes postings of whole impacts: weight · scale, rounded half to even, zeros dropped.

    `names` are the terms of the dimensions, all different.
    """

    def __init__(self, names: Sequence[str], scale: float) -> None:
        order = sorted(range(len(names)), key=names.__getitem__)
        self._terms = SortedStrings.build(names[number] for number in order)
        self._numbers = np.empty(len(names), np.uint32)
        self._numbers[order] = np.arange(len(names), dtype=np.uint32)
        self._scale = np.float64(scale)
        self._ids = array("I")
        self._impacts = array("I")
        self._starts = array("q", [0])

    def take(self, starts: IntArray, dims: UInt32s, weights: Float32s) -> None:
        """The next rows."""
        impacts = np.rint(weights * self._scale).astype(np.uint32)
        kept = impacts > 0
        ends = np.concatenate([[0], np.cumsum(kept)])[starts[1:]] + len(self._ids)
        self._starts.frombytes(ends.astype(np.int64).tobytes())
        self._ids.frombytes(self._numbers[dims[kept]].tobytes())
        self._impacts.frombytes(impacts[kept].tobytes())

    def finish(self) -> Postings:
        """The postings of all rows."""
        ids, impacts = (
            np.frombuffer(part, np.uint32) if part else np.empty(0, np.uint32)
            for part in (self._ids, self._impacts)
        )
        return Postings.build_weighted(self._terms, ids, impacts, np.frombuffer(self._starts, np.int64))

"""Sparse rows on their way into a segment: codes into the counted lists, impacts into postings.

Both are inverted block by block or at the end; what the encoder gives is not kept in another form.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieve.errors import BadVectors
from retrieve.files import write_array
from retrieve.index.codes import Codes
from retrieve.index.compiled_strings import CompiledStrings
from retrieve.index.counted import CountedBuilder
from retrieve.index.postings import Postings
from retrieve.recipe import UHD
from retrieve.store.build import IntArray

UInt32s = npt.NDArray[np.uint32]
Float32s = npt.NDArray[np.float32]


def code_builder(building: Path, section: UHD, dimensions: int) -> CountedBuilder:
    """A builder of the UHD view that writes into the folder of a segment."""

    def write(name: str, values: npt.NDArray[np.generic]) -> None:
        write_array(building / f"uhd/{name}.npy", values)

    return CountedBuilder(dimensions, section.layout, write)


_MOST = (1 << 32) - 1
"""What an impact, and the sum of a passage's, can be."""


class CodeTaker:
    """Takes rows of a token-level encoder: a dimension with any weight has won."""

    def __init__(self, builder: CountedBuilder) -> None:
        self._builder = builder

    def take(self, starts: IntArray, dims: UInt32s, weights: Float32s) -> None:
        """The next rows, all of whose weights are above zero."""
        self._builder.add(Codes(starts, dims))

    def copy(self, rows: Iterable[Codes]) -> None:
        """The next rows, which are coded already."""
        for codes in rows:
            self._builder.add(codes)

    def finish(self) -> None:
        """Write what is left; there are no postings."""
        self._builder.finish()


class ImpactTaker:
    """Takes rows of weights and makes postings of whole impacts: weight · scale, rounded half to even, zeros dropped.

    `names` are the terms of the dimensions, all different. Until the end there are 8 bytes for each impact and 8 for
    each row: 1.3 GB for a segment of 1,048,576 passages with 150 terms each.
    """

    def __init__(self, names: Sequence[str], scale: float) -> None:
        order = sorted(range(len(names)), key=names.__getitem__)
        self._terms = CompiledStrings.build(names[number] for number in order)
        self._numbers = np.empty(len(names), np.uint32)
        self._numbers[order] = np.arange(len(names), dtype=np.uint32)
        self._scale = np.float64(scale)
        self._ids = array("I")
        self._impacts = array("I")
        self._starts = array("q", [0])

    def take(self, starts: IntArray, dims: UInt32s, weights: Float32s) -> None:
        """The next rows. Raises `BadVectors`, and takes none of them, if the impacts of one add up to over 32 bits."""
        impacts = np.rint(weights * self._scale)
        self._check(_summed(impacts, starts))
        kept = impacts > 0
        ends = np.cumsum(_summed(kept, starts), dtype=np.int64) + len(self._ids)
        self._starts.frombytes(_bytes(ends))
        self._ids.frombytes(_bytes(self._numbers[dims[kept]]))
        self._impacts.frombytes(_bytes(impacts[kept].astype(np.uint32)))

    def _check(self, lengths: npt.NDArray[np.float64]) -> None:
        beyond = np.flatnonzero(lengths > _MOST)
        if len(beyond):
            raise BadVectors(
                f"the impacts of passage {len(self._starts) - 1 + beyond[0]} of a segment add up to "
                f"{lengths[beyond[0]]:.0f}, wanted at most {_MOST}: lower splade.scale, now {self._scale:g}"
            )

    def finish(self) -> Postings:
        """The postings of all rows."""
        ids, impacts = (
            np.frombuffer(part, np.uint32) if part else np.empty(0, np.uint32)
            for part in (self._ids, self._impacts)
        )
        return Postings.build_weighted(self._terms, ids, impacts, np.frombuffer(self._starts, np.int64))


def _summed(values: npt.NDArray[np.generic], starts: IntArray) -> npt.NDArray[np.float64]:
    """Sums of the parts of `values` from `starts`[row] to `starts`[row + 1], exact as long as all are below 2^53."""
    return np.diff(np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])[starts])


def _bytes(values: npt.NDArray[np.generic]) -> memoryview:
    """The array's own memory, as `array` takes it in."""
    return values.view(np.uint8).data

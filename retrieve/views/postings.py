"""Postings on their way into a segment: of terms as the analyzer gives them, or of impacts as a sparse encoder does."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from retrieve.errors import BadVectors
from retrieve.index.assembly import assemble, assemble_weighted
from retrieve.index.postings import Postings
from retrieve.index.strings import SortedStrings
from retrieve.text.term_rows import NumberedRows
from retrieve.views.protocol import Array, FloatArray, IntArray, Output, UInt32s, Vectors

_MOST = (1 << 32) - 1
"""What an impact, and the sum of a passage's, can be."""


def build_postings(rows: NumberedRows) -> Postings:
    """The terms of passages in row order → an inverted index. Term ids are by sorted term, not by first sight."""
    vocabulary = sorted(range(len(rows.vocabulary)), key=rows.vocabulary.__getitem__)
    renumber = np.empty(len(vocabulary), dtype=np.uint32)
    renumber[np.array(vocabulary, dtype=np.int64)] = np.arange(len(vocabulary), dtype=np.uint32)
    occurrences = rows.numbers
    np.take(renumber, occurrences, out=occurrences, mode="clip")  # in place: "raise" would go through a copy
    table = SortedStrings.build([rows.vocabulary[number] for number in vocabulary])
    return assemble(table, occurrences, rows.starts)


def write_postings(postings: Postings, output: Output) -> None:
    """All arrays of the postings."""
    for name, values in postings.arrays().items():
        output.write(name, values)


def rows_hold(found: int, passages: int) -> Iterator[str]:
    """A phrase where a view has another number of rows than there are passages."""
    if found != passages:
        yield f"{found} rows, {passages} passages"


class ImpactTaker:
    """Takes rows of weights and makes postings of whole impacts: weight · scale, rounded half to even, zeros dropped.

    `names` are the terms of the dimensions, all different. Until the end there are 8 bytes for each impact and 8 for
    each row: 1.3 GB for a segment of 1,048,576 passages with 150 terms each.
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

    def take(self, starts: IntArray, dims: UInt32s, weights: Vectors) -> None:
        """The next rows. Raises `BadVectors`, and takes none of them, if the impacts of one add up to over 32 bits."""
        impacts = np.rint(weights * self._scale)
        self._check(_summed(impacts, starts))
        kept = impacts > 0
        ends = np.cumsum(_summed(kept, starts), dtype=np.int64) + len(self._ids)
        self._starts.frombytes(_bytes(ends))
        self._ids.frombytes(_bytes(self._numbers[dims[kept]]))
        self._impacts.frombytes(_bytes(impacts[kept].astype(np.uint32)))

    def _check(self, lengths: FloatArray) -> None:
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
        return assemble_weighted(self._terms, ids, impacts, np.frombuffer(self._starts, np.int64))


def _summed(values: Array, starts: IntArray) -> FloatArray:
    """Sums of the parts of `values` from `starts`[row] to `starts`[row + 1], exact as long as all are below 2^53."""
    return np.diff(np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])[starts])


def _bytes(values: Array) -> memoryview:
    """The array's own memory, as `array` takes it in."""
    return values.view(np.uint8).data

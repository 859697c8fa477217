"""Versions of documents that an index has already: what is to be replaced, and what of it need not be made again.

A version with the same text has the same passages, so that its vectors or its codes are taken over; they are views of
what is mapped, or read together for all documents of a segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from retrieve.index.codes import Codes
from retrieve.index.stored_vectors import StoredVectors
from retrieve.recipe import Recipe
from retrieve.store.batch import Batch
from retrieve.store.document_rows import IntArray
from retrieve.store.documents import Fingerprints
from retrieve.store.snapshot import Place
from retrieve.store.uncommitted import Uncommitted
from retrieve.views.registry import views_of


class OlderVersion(NamedTuple):
    """The version of a document that is there: waiting in the batch (no place), or live at a place."""

    hashes: Fingerprints
    place: Place | None


class Encoded(NamedTuple):
    """What the encoder made of an older version with the same text; `cut`: tokens that it left out."""

    spans: IntArray
    vectors: StoredVectors | None
    cut: int
    codes: Codes | None = None


class OlderVersions:
    """Those of the generation in the making."""

    def __init__(self, uncommitted: Uncommitted, recipe: Recipe) -> None:
        self._uncommitted = uncommitted
        self._coded = next((view for view in views_of(recipe).values() if view.copies), None)
        self._waiting: dict[str, Place] = {}

    def find(self, ids: Sequence[str], batch: Batch) -> dict[str, OlderVersion]:
        """Those of documents with these ids, by id."""
        found = {}
        by_segment: dict[int, dict[int, str]] = {}
        for doc_id, place in zip(ids, self._uncommitted.locate(ids), strict=True):
            if (row := batch.get(doc_id)) is not None:
                found[doc_id] = OlderVersion(row.hashes, None)
            elif place is not None:
                by_segment.setdefault(place.segment, {})[place.row] = doc_id
        for number, names in by_segment.items():
            rows = sorted(names)
            hashes = self._uncommitted.segments[number].documents.fingerprints(rows)
            for row_number, own in zip(rows, hashes, strict=True):
                found[names[row_number]] = OlderVersion(own, Place(number, row_number))
        return found

    def encoded(self, doc_id: str, place: Place | None, batch: Batch) -> Encoded | None:
        """What is known of a version with the same text. Codes that are in a segment come with `codes`."""
        if place is None:
            row = batch.get(doc_id)
            if row is None or not row.encoded:
                return None
            return Encoded(row.spans, row.vectors, row.cut, row.codes)
        segment = self._uncommitted.segments[place.segment]
        if self._coded is None and not segment.has_vectors:
            return None
        first, last = segment.first_passage[place.row : place.row + 2]
        if self._coded is not None:
            self._waiting[doc_id] = place
        return Encoded(
            segment.passages[first:last, 1:].astype(np.int64),
            segment.vectors[first:last] if self._coded is None else None,
            int(segment.units[place.row, 2]),
        )

    def codes(self) -> Iterator[tuple[str, Codes]]:
        """By id, those of all versions that `encoded` was asked for since the last call."""
        by_segment: dict[int, list[str]] = {}
        for doc_id, place in self._waiting.items():
            by_segment.setdefault(place.segment, []).append(doc_id)
        for number, names in by_segment.items():
            segment = self._uncommitted.segments[number]
            places = np.array([self._waiting[name].row for name in names])
            firsts, lasts = segment.first_passage[places], segment.first_passage[places + 1]
            passages = [np.arange(*bounds) for bounds in zip(firsts, lasts, strict=True)]
            assert self._coded is not None
            codes = self._coded.copied(segment.view(self._coded), np.concatenate(passages))
            ends = np.cumsum(lasts - firsts)
            for name, start, end in zip(names, ends - (lasts - firsts), ends, strict=True):
                yield name, codes.cut(start, end)
        self._waiting = {}

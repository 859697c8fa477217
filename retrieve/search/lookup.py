"""What an index holds, looked up by id or by passage: documents, ids, passages with their texts, stored vectors.

Each is a function of one snapshot, so an answer never mixes generations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve.errors import UsageError
from retrieve.search.hits import load_documents
from retrieve.search.passage_rankings import NO_KEY, places_of
from retrieve.store.filters import Filter
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Place, Snapshot
from retrieve.types import Document, Passage


class DocumentVectors(NamedTuple):
    """The passages' vectors of N documents: `vectors` (P,D) float32, those of document i in the rows `firsts[i]` to
    `firsts[i + 1]`; `firsts` (N+1,) int64.
    """

    vectors: npt.NDArray[np.float32]
    firsts: IntArray

    def of(self, number: int) -> npt.NDArray[np.float32]:
        """The vectors (S,D) of one of the documents."""
        return self.vectors[self.firsts[number] : self.firsts[number + 1]]


def documents_by_id(snapshot: Snapshot, ids: Iterable[str]) -> list[Document | None]:
    """Documents as they were added, in the order of their ids; None for an id that is not there."""
    places = snapshot.locate(listed_ids(ids))
    numbers = np.array([_number(snapshot, place) for place in places if place is not None], np.int64)
    stored = iter(load_documents(snapshot, numbers))
    return [None if place is None else next(stored).document for place in places]


def selected_ids(snapshot: Snapshot, where: Filter | None) -> Iterator[str]:
    """Ids of the live documents that a filter selects, segment by segment, in order within each."""
    for segment, chosen in zip(snapshot.segments, snapshot.select(where), strict=True):
        for row, doc_id in enumerate(segment.ids):
            if chosen is None or chosen[row]:
                yield doc_id


def passages_of_document(snapshot: Snapshot, doc_id: str) -> list[Passage]:
    """A document's passages in their order; none for a document without text. `UsageError` for an unknown id."""
    (place,) = _known(snapshot, listed_ids([doc_id]))
    first, last = snapshot.segments[place.segment].first_passage[place.row : place.row + 2]
    keys = np.arange(first, last, dtype=np.int64) + snapshot.passage_bases[place.segment]
    return [passage for passage in passages_at(snapshot, keys) if passage is not None]


def sample_passages(snapshot: Snapshot, count: int) -> list[Passage]:
    """`count` passages of live documents, evenly apart in the order of the index; all of them if there are fewer."""
    alive = [
        np.arange(len(segment.document_of)) + base
        if live is None
        else np.flatnonzero(live[segment.document_of]) + base
        for segment, live, base in zip(
            snapshot.segments, snapshot.live, snapshot.passage_bases.tolist(), strict=False
        )
    ]
    keys = np.concatenate([np.empty(0, np.int64), *alive]).astype(np.int64)
    if len(keys) > count:
        keys = keys[(2 * np.arange(count) + 1) * len(keys) // (2 * count)]
    return [passage for passage in passages_at(snapshot, keys) if passage is not None]


def passages_at(snapshot: Snapshot, keys: IntArray) -> list[Passage | None]:
    """Passages of keys (K,), in their order; None where a key is −1."""
    found = keys[keys != NO_KEY]
    documents, spans, positions = places_of(snapshot, found)
    stored = load_documents(snapshot, documents)
    made = iter(
        Passage(item.document.id, start, end, position, item.document.text[start:end])
        for item, (start, end), position in zip(stored, spans.tolist(), positions.tolist(), strict=True)
    )
    return [None if key == NO_KEY else next(made) for key in keys.tolist()]


def stored_vectors(snapshot: Snapshot, ids: Iterable[str]) -> DocumentVectors:
    """The vectors of documents' passages, as near as they were kept. `UsageError` where none were, or for an unknown
    id.
    """
    record = snapshot.manifest.encoder
    if record is None or snapshot.manifest.resolved_recipe().vectors is None:
        raise UsageError("this index has no view made of vectors: there are none to give")
    places = _known(snapshot, listed_ids(ids))
    bounds = [snapshot.segments[place.segment].first_passage[place.row : place.row + 2] for place in places]
    firsts = np.concatenate([[0], np.cumsum([last - first for first, last in bounds])]).astype(np.int64)
    vectors = np.empty((int(firsts[-1]), record.dimensions), np.float32)
    for place, (first, last), at in zip(places, bounds, firsts.tolist(), strict=False):
        segment = snapshot.segments[place.segment]
        if first == last:
            continue
        if not segment.has_vectors:
            raise UsageError(
                "the vectors of this index were not kept: build it with keep_vectors = true to have them"
            )
        vectors[at : at + int(last - first)] = segment.vectors.take(slice(int(first), int(last)))
    return DocumentVectors(vectors, firsts)


def listed_ids(ids: Iterable[str]) -> list[str]:
    """The ids, if they are that. Raises `UsageError` for one string, for a filter, and for what is no string."""
    if isinstance(ids, str):
        raise UsageError(f"wanted a list of ids, got the string {ids!r}: write [{ids!r}]")
    if isinstance(ids, Mapping) or not isinstance(ids, Iterable):
        raise UsageError(f"wanted a list of ids, got {ids!r}: a filter is given as where=")
    listed = list(ids)
    if wrong := [doc_id for doc_id in listed if not isinstance(doc_id, str)]:
        raise UsageError(f"the id {wrong[0]!r} is no string: ids are strings")
    return listed


def _known(snapshot: Snapshot, ids: Sequence[str]) -> list[Place]:
    places = snapshot.locate(ids)
    if unknown := [doc_id for doc_id, place in zip(ids, places, strict=True) if place is None]:
        raise UsageError(f"no document {unknown[0]!r} in {snapshot.folder}")
    return [place for place in places if place is not None]


def _number(snapshot: Snapshot, place: Place) -> int:
    return int(snapshot.bases[place.segment]) + place.row

"""From numbers to answers: document ids, titles, metadata, and the passages that carried a hit, with their texts.

All hits of a query are made together, segment by segment: looked up one at a time they took longer than the search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from retrieve.search.fusion import fuse_passages
from retrieve.search.options import SearchOptions
from retrieve.search.pool import FloatArray, documents_of
from retrieve.search.searcher import Ranking
from retrieve.search.view_scores import ViewScores
from retrieve.store.documents import Shown, StoredDocument
from retrieve.store.segment import IntArray, Segment
from retrieve.store.snapshot import Snapshot
from retrieve.text.layout import PAGE_END, page_at
from retrieve.types import Hit, Hits, PassageHit, ShowsHits


class _Part(NamedTuple):
    """The documents of a ranking that are in one segment: their places in the ranking, and what there is of each."""

    number: int
    segment: Segment
    places: Sequence[int]
    ids: list[str]
    documents: list[Shown]
    firsts: list[int]  # the first passage row
    counts: list[int]


def build_hits(snapshot: Snapshot, ranking: Ranking, options: SearchOptions, shows: ShowsHits) -> Hits:
    """Hits of one ranking, rank from 1. `shows`: what shows them in the words of their query."""
    keys = ranking.final.keys
    if not len(keys):
        return Hits()
    documents = keys if options.unit == "document" else documents_of(snapshot, keys)
    parts = list(_parts(snapshot, documents))
    passages = _passages(snapshot, ranking, options, parts)
    numbers, scores = keys.tolist(), ranking.final.scores.tolist()
    given = [(name, pool.mapping()) for name, pool in ranking.pools.items()]
    hits: dict[int, Hit] = {}
    for part in parts:
        for place, doc_id, (title, _, metadata), count in zip(
            part.places, part.ids, part.documents, part.counts, strict=True
        ):
            key = numbers[place]
            hits[place] = Hit(
                doc_id,
                scores[place],
                place + 1,
                title,
                metadata,
                passages[place],
                {name: pool[key] for name, pool in given if key in pool},
                count,
                shows,
            )
    return Hits(map(hits.__getitem__, range(len(numbers))))


def _parts(snapshot: Snapshot, documents: IntArray) -> Iterator[_Part]:
    """The documents of a ranking (K,), by segment."""
    if len(snapshot.segments) == 1:
        yield _part(snapshot, 0, range(len(documents)), documents)
        return
    owner = np.searchsorted(snapshot.bases, documents, side="right") - 1
    for number in np.flatnonzero(np.bincount(owner)).tolist():
        at = np.flatnonzero(owner == number)
        yield _part(snapshot, number, at.tolist(), documents[at] - snapshot.bases[number])


def _part(snapshot: Snapshot, number: int, places: Sequence[int], rows: IntArray) -> _Part:
    segment = snapshot.segments[number]
    asked = rows.tolist()
    ids = segment.ids.get_many(asked)
    firsts, ends = segment.first_passage[rows].tolist(), segment.first_passage[rows + 1].tolist()
    counts = [end - first for first, end in zip(firsts, ends, strict=True)]
    return _Part(number, segment, places, ids, segment.documents.shown(asked, ids), firsts, counts)


def load_documents(snapshot: Snapshot, documents: IntArray) -> list[StoredDocument]:
    """Stored documents by snapshot-wide number, in the order given."""
    result: dict[int, StoredDocument] = {}
    owner = np.searchsorted(snapshot.bases, documents, side="right") - 1
    for number in np.unique(owner):
        numbers = np.unique(documents[owner == number])
        rows = numbers - snapshot.bases[number]
        segment = snapshot.segments[number]
        found = segment.documents.get(rows.tolist(), segment.ids.get_many(rows))
        result.update(zip(numbers.tolist(), found, strict=True))
    return [result[int(document)] for document in documents]


def _passages(
    snapshot: Snapshot, ranking: Ranking, options: SearchOptions, parts: Sequence[_Part]
) -> Sequence[tuple[PassageHit, ...]]:
    """The best passages of each hit, by its place. For `unit="passage"` a hit is one passage and has its score."""
    result: list[tuple[PassageHit, ...]] = [()] * len(ranking.final.keys)
    if options.unit == "passage":
        for part in parts:
            _add_own(snapshot, ranking, part, result)
    elif options.passages:
        most = 1 if options.aggregate == "first" else None  # the others had no part in it
        for part in parts:
            _add_best(ranking, options, part, most, result)
    return result


def _add_own(snapshot: Snapshot, ranking: Ranking, part: _Part, result: list[tuple[PassageHit, ...]]) -> None:
    at = np.array(part.places)
    rows = ranking.final.keys[at] - snapshot.passage_bases[part.number]
    spans, scores = part.segment.passages[rows].tolist(), ranking.final.scores[at].tolist()
    for place, (_, text, _), first, row, (_, start, end), score in zip(
        part.places, part.documents, part.firsts, rows.tolist(), spans, scores, strict=True
    ):
        result[place] = (_passage(text, start, end, row - first, score),)


def _add_best(
    ranking: Ranking,
    options: SearchOptions,
    part: _Part,
    most: int | None,
    result: list[tuple[PassageHit, ...]],
) -> None:
    """`most`: how many passages of each document are looked at, the first; None for all."""
    counts = part.counts if most is None else [min(count, most) for count in part.counts]
    if max(counts) <= 1 and len(ranking.scores) == 1 and next(iter(ranking.scores.values())).exact:
        _add_only(ranking, part, counts, result)
        return
    rows = [
        row for first, count in zip(part.firsts, counts, strict=True) for row in range(first, first + count)
    ]
    views = [
        _scores_at(view, part.number, np.array(rows, np.int64), counts) for view in ranking.scores.values()
    ]
    fused = fuse_passages(list(ranking.tops.values()), views, options.weights, options.fusion).tolist()
    chosen: list[tuple[int, float]] = []  # rows and scores of the passages shown
    shown = []  # how many each document has of them
    start = 0
    for count in counts:
        places: Sequence[int] = range(start, start + count)
        if count > 1:
            places = sorted(places, key=fused.__getitem__, reverse=True)[: options.passages]
        chosen += [(rows[at], fused[at]) for at in places]
        shown.append(len(places))
        start += count
    spans = iter(part.segment.passages[[row for row, _ in chosen]].tolist() if chosen else ())
    of = zip(chosen, spans, strict=True)
    for place, (_, text, _), first, count in zip(
        part.places, part.documents, part.firsts, shown, strict=True
    ):
        result[place] = tuple(
            _passage(text, start, end, row - first, score)
            for _, ((row, score), (_, start, end)) in zip(repeat(None, count), of, strict=False)
        )


def _add_only(
    ranking: Ranking, part: _Part, counts: Sequence[int], result: list[tuple[PassageHit, ...]]
) -> None:
    """Of documents of one passage each, ranked by one exact view: a document's score is its passage's."""
    scores = ranking.final.scores.tolist()
    rows = [first for first, count in zip(part.firsts, counts, strict=True) if count]
    spans = iter(part.segment.passages[rows].tolist())
    for place, (_, text, _), count in zip(part.places, part.documents, counts, strict=True):
        if count:
            _, start, end = next(spans)
            result[place] = (_passage(text, start, end, 0, scores[place]),)


def _scores_at(view: ViewScores, number: int, rows: IntArray, counts: Sequence[int]) -> FloatArray:
    """A view's scores (R,) of rows of a segment, so many of each document."""
    if view.exact:
        return view.at(number, rows)
    # What a product of matrices gives a row may depend, in its last bits, on the rows beside it.
    ends = np.cumsum(counts)[:-1]
    return np.concatenate([view.at(number, own) for own in np.split(rows, ends)])


def _passage(text: str, start: int, end: int, position: int, score: float) -> PassageHit:
    page = page_at(text, start) if PAGE_END in text else None
    return PassageHit(start, end, position, text[start:end], score, page)

"""From numbers to answers: document ids, titles, metadata, and the passages that carried a hit, with their texts.

What the hits of several queries need is read together, segment by segment: looked up one hit at a time it took longer
than the search.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from retrieve.search.fusion import fuse_passages
from retrieve.search.options import SearchOptions
from retrieve.search.pool import FloatArray, documents_of
from retrieve.search.searcher import GROUP, Ranking
from retrieve.search.view_scores import ViewScores
from retrieve.store.documents import StoredDocument
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot
from retrieve.text.layout import PAGE_END, page_at
from retrieve.types import Hit, Hits, PassageHit, ShowsHits

_new = tuple.__new__  # what a named tuple's own function calls, in a third of its time: a search makes twenty

_TOGETHER = 500
"""Hits made at a time, those of one query at least; what is shown of them is in memory."""


class _Found(NamedTuple):
    """One document of a ranking: its segment, first passage row, number of passages, and what is shown of it.

    `span`: characters of its first passage, if it has one.
    """

    segment: int
    first: int
    passages: int
    span: Sequence[int]
    doc_id: str
    title: str
    text: str
    metadata: dict[str, Any]


def build_hits(
    snapshot: Snapshot, rankings: Iterable[Ranking], options: SearchOptions, shows: Iterable[ShowsHits]
) -> Iterator[Hits]:
    """Hits of each ranking, rank from 1. `shows`: for each what shows them in the words of its query."""
    waiting: list[tuple[Ranking, ShowsHits]] = []
    size = 0
    for number, pair in enumerate(zip(rankings, shows, strict=True), start=1):
        waiting.append(pair)
        size += len(pair[0].final.keys)
        # With the group: a ranking holds the scores of all queries that were scored with it.
        if size >= _TOGETHER or number % GROUP == 0:
            yield from _build(snapshot, waiting, options)
            waiting, size = [], 0
    yield from _build(snapshot, waiting, options)


def _build(
    snapshot: Snapshot, asked: Sequence[tuple[Ranking, ShowsHits]], options: SearchOptions
) -> Iterator[Hits]:
    if not asked:
        return
    keys = asked[0][0].final.keys
    if len(asked) > 1:
        keys = np.concatenate([ranking.final.keys for ranking, _ in asked])
    documents = keys if options.unit == "document" else documents_of(snapshot, keys)
    loaded = iter(_load(snapshot, documents))
    for ranking, shows in asked:
        numbers, scores = ranking.final.keys.tolist(), ranking.final.scores.tolist()
        found = list(islice(loaded, len(numbers)))
        passages = _passages(snapshot, ranking, options, found)
        by_view = _by_view(ranking, numbers, scores)
        made = [
            Hit(doc_id, score, rank, title, metadata, shown, views, count, shows)
            for rank, score, (_, _, count, _, doc_id, title, _, metadata), shown, views in zip(
                range(1, len(numbers) + 1), scores, found, passages, by_view, strict=True
            )
        ]
        yield Hits(made)


def _by_view(ranking: Ranking, numbers: Sequence[int], scores: Sequence[float]) -> list[dict[str, float]]:
    """What each view gave each hit that it found."""
    if len(ranking.pools) == 1:  # then its scores are those of the answer
        (name,) = ranking.pools
        return [{name: score} for score in scores]
    given = [(name, pool.mapping()) for name, pool in ranking.pools.items()]
    return [{name: pool[key] for name, pool in given if key in pool} for key in numbers]


def _load(snapshot: Snapshot, documents: IntArray) -> list[_Found]:
    """What there is of documents (K,), in their order."""
    if len(snapshot.segments) == 1 and len(documents):
        return list(_load_of(snapshot, 0, documents))
    owner = np.searchsorted(snapshot.bases, documents, side="right") - 1
    found: dict[int, _Found] = {}
    for number in np.flatnonzero(np.bincount(owner)).tolist():
        at = np.flatnonzero(owner == number)
        rows = documents[at] - snapshot.bases[number]
        found.update(zip(at.tolist(), _load_of(snapshot, number, rows), strict=True))
    return [found[place] for place in range(len(documents))]


def _load_of(snapshot: Snapshot, number: int, rows: IntArray) -> Iterator[_Found]:
    """Of documents of one segment, by their rows (K,)."""
    segment = snapshot.segments[number]
    asked = rows.tolist()
    ids = segment.ids.get_many(asked)
    shown = segment.documents.shown(asked, ids)
    firsts, passages = segment.places
    for row, doc_id, document in zip(asked, ids, shown, strict=True):
        first = firsts[row]
        count = firsts[row + 1] - first
        span = (passages[first, 1], passages[first, 2]) if count else ()
        yield _new(_Found, (number, first, count, span, doc_id, *document))


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
    snapshot: Snapshot, ranking: Ranking, options: SearchOptions, found: Sequence[_Found]
) -> Sequence[tuple[PassageHit, ...]]:
    """The best passages of each hit. For `unit="passage"` a hit is one passage and has its score."""
    if options.unit == "passage":
        return _own(snapshot, ranking, found)
    if not options.passages:
        return [()] * len(found)
    counts = [each.passages for each in found]
    if options.aggregate == "first":  # the others had no part in it
        counts = [min(count, 1) for count in counts]
    if max(counts, default=0) <= 1 and len(ranking.scores) == 1:
        (view,) = ranking.scores.values()
        if view.exact:  # a document's score is that of its only passage
            scores = ranking.final.scores.tolist()
            return [
                (_passage(each.text, each.span, 0, score),) if each.passages else ()
                for each, score in zip(found, scores, strict=True)
            ]
    return _best(snapshot, ranking, options, found, counts)


def _own(snapshot: Snapshot, ranking: Ranking, found: Sequence[_Found]) -> list[tuple[PassageHit, ...]]:
    result: list[tuple[PassageHit, ...]] = []
    for each, key, score in zip(found, *(part.tolist() for part in ranking.final), strict=True):
        row = key - int(snapshot.passage_bases[each.segment])
        span = snapshot.segments[each.segment].passages[row, 1:].tolist()
        result.append((_passage(each.text, span, row - each.first, score),))
    return result


def _best(
    snapshot: Snapshot,
    ranking: Ranking,
    options: SearchOptions,
    found: Sequence[_Found],
    counts: Sequence[int],
) -> list[tuple[PassageHit, ...]]:
    """Of each document the best of so many passages, its first."""
    result: list[tuple[PassageHit, ...]] = [()] * len(found)
    for number in sorted({each.segment for each in found}):
        places = [place for place, each in enumerate(found) if each.segment == number]
        ranges = [range(found[place].first, found[place].first + counts[place]) for place in places]
        rows = [row for own in ranges for row in own]
        if not rows:
            continue
        views = [
            _scores_at(view, number, np.array(rows), [len(own) for own in ranges])
            for view in ranking.scores.values()
        ]
        fused = fuse_passages(list(ranking.tops.values()), views, ranking.weights, options.fusion).tolist()
        spans = snapshot.segments[number].passages[rows, 1:].tolist()
        start = 0
        for place, own in zip(places, ranges, strict=True):
            each, end = found[place], start + len(own)
            best = sorted(range(start, end), key=fused.__getitem__, reverse=True)[: options.passages]
            result[place] = tuple(_passage(each.text, spans[at], at - start, fused[at]) for at in best)
            start = end
    return result


def _scores_at(view: ViewScores, number: int, rows: IntArray, counts: Sequence[int]) -> FloatArray:
    """A view's scores (R,) of rows of a segment, so many of each document."""
    if view.exact:
        return view.at(number, rows)
    # What a product of matrices gives a row may depend, in its last bits, on the rows beside it.
    ends = np.cumsum(counts)[:-1]
    return np.concatenate([view.at(number, own) for own in np.split(rows, ends)])


def _passage(text: str, span: Sequence[int], position: int, score: float) -> PassageHit:
    start, end = span
    page = page_at(text, start) if PAGE_END in text else None
    return _new(PassageHit, (start, end, position, text[start:end], score, page))

"""From numbers to answers: document ids, titles, metadata, and the passages that carried a hit, with their texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieve.search.fusion import fuse_passages
from retrieve.search.options import SearchOptions
from retrieve.search.pool import documents_of, passages_of
from retrieve.search.searcher import Ranking
from retrieve.store.documents import StoredDocument
from retrieve.store.segment import IntArray
from retrieve.store.snapshot import Snapshot
from retrieve.text.layout import page_at
from retrieve.types import Hit, Hits, PassageHit, ShowsHits


def build_hits(snapshot: Snapshot, ranking: Ranking, options: SearchOptions, shows: ShowsHits) -> Hits:
    """Hits of one ranking, rank from 1. `shows`: what shows them in the words of their query."""
    keys = ranking.final.keys
    documents = keys if options.unit == "document" else documents_of(snapshot, keys)
    stored = load_documents(snapshot, documents)
    given = {name: pool.mapping() for name, pool in ranking.pools.items()}
    passages = _passages(snapshot, ranking, options, documents, stored)
    counts = _passage_counts(snapshot, documents)
    return Hits(
        Hit(
            doc_id=document.document.id,
            score=float(score),
            rank=rank,
            title=document.document.title,
            metadata=document.document.metadata,
            passages=passages[rank - 1],
            scores={name: scores[int(key)] for name, scores in given.items() if int(key) in scores},
            passage_count=counts[rank - 1],
            shows=shows,
        )
        for rank, (key, score, document) in enumerate(
            zip(keys, ranking.final.scores, stored, strict=True), start=1
        )
    )


def _passage_counts(snapshot: Snapshot, documents: IntArray) -> list[int]:
    """How many passages each document has; segment by segment, as a search may have a thousand hits."""
    counts = np.empty(len(documents), np.int64)
    numbers = np.searchsorted(snapshot.bases, documents, side="right") - 1
    for number in np.unique(numbers).tolist():
        own = numbers == number
        first = snapshot.segments[number].first_passage
        rows = documents[own] - snapshot.bases[number]
        counts[own] = first[rows + 1] - first[rows]
    return [int(count) for count in counts]


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
    snapshot: Snapshot,
    ranking: Ranking,
    options: SearchOptions,
    documents: IntArray,
    stored: list[StoredDocument],
) -> list[tuple[PassageHit, ...]]:
    """The best passages of each hit. For `unit="passage"` a hit is one passage and has its score."""
    if options.unit == "passage":
        return _own_passages(snapshot, ranking, stored)
    if not options.passages or not len(documents):
        return [()] * len(documents)
    places = [passages_of(snapshot, int(document)) for document in documents]
    if options.aggregate == "first":  # the others had no part in it
        places = [(number, rows[:1]) for number, rows in places]
    scores = [
        np.concatenate([view.at(number, rows) for number, rows in places]) for view in ranking.scores.values()
    ]
    fused = fuse_passages(list(ranking.tops.values()), scores, options.weights, options.fusion)
    result = []
    start = 0
    for (number, rows), document in zip(places, stored, strict=True):
        own = fused[start : start + len(rows)]
        start += len(rows)
        best = np.argsort(-own, kind="stable")[: options.passages]
        spans = snapshot.segments[number].passages[rows[best], 1:]
        result.append(
            tuple(
                _passage(document.document.text, span, int(at), float(own[at]))
                for span, at in zip(spans, best, strict=True)
            )
        )
    return result


def _own_passages(
    snapshot: Snapshot, ranking: Ranking, stored: list[StoredDocument]
) -> list[tuple[PassageHit, ...]]:
    result: list[tuple[PassageHit, ...]] = []
    keys, scores = ranking.final
    for key, score, document in zip(keys, scores, stored, strict=True):
        number = int(np.searchsorted(snapshot.passage_bases, key, side="right") - 1)
        segment = snapshot.segments[number]
        row = int(key - snapshot.passage_bases[number])
        owner, *span = segment.passages[row]
        position = row - int(segment.first_passage[owner])
        result.append((_passage(document.document.text, span, position, float(score)),))
    return result


def _passage(text: str, span: Any, position: int, score: float) -> PassageHit:
    start, end = int(span[0]), int(span[1])
    return PassageHit(start, end, position, text[start:end], score, page_at(text, start))

"""`Index.rank_passages` beside the kernels that it calls, over 150,000 windows of EU acts: what the way there costs.

1,000 queries, 100 passages each, given as texts and vectors. The kernels get terms, weights and vectors ready made and
give each segment's best; for the sum of both views, of which each supplies 1,000 passages and scores what the other
found, so many of each and BM25's scores of all passages. Ours analyses, merges segments, orders ties and fills arrays
besides. Alternating rounds, medians.
`RETRIEVE_DATA=… python scripts/bench/ranking.py --json`
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
from acts import WINDOWS, acts, documents_needed

from retrieve import Index
from retrieve.index.select import select_top
from retrieve.views.parallel import in_parts
from retrieve.views.query_terms import QueryTerms

K = 100
QUERIES = 1_000
ROUNDS = 5
MOST = 1.1
_BATCH = 16


def build(place: str, passages: int) -> tuple[Index, list[str]]:
    """A hybrid index of the first acts, and sentences of the others as queries."""
    (documents,) = documents_needed([passages])
    index = Index.create(
        place,
        "hybrid",
        (*WINDOWS, "passages.boundaries=sentence", "passages.overlap=0", "dense.precision=auto"),
    )
    index.add(islice(acts(), documents))
    others = islice(acts(), documents, None)
    texts = (line.strip() for document in others for line in document.text.splitlines())
    queries = list(islice((text[:150] for text in texts if len(text) > 100), QUERIES))
    if len(queries) < QUERIES:
        raise SystemExit(f"{len(queries)} queries are left, wanted {QUERIES}: index fewer passages")
    return index, queries


def bm25_kernels(index: Index, texts: list[str], k: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Each segment's best of every query, and the scores of all passages; terms and weights are known."""
    snapshot, search = index._snapshot, index.recipe.search
    parts = snapshot.live_segments("bm25")
    queries = QueryTerms.of(texts, index._passage_encoder.analyzer, parts)
    statistics = queries.statistics()
    weighed = queries.weighted(statistics)
    parameters = {"k1": search.bm25.k1, "b": search.bm25.b, "average_length": statistics.average_length}
    terms = [
        [(np.where(query.frequencies > 0, query.rows[number], -1), query.weights) for query in weighed]
        for number in range(len(snapshot.segments))
    ]

    def all_scores() -> None:
        for part, asked in zip(parts, terms, strict=True):
            for query in asked:
                part.opened.bm25_scores(*query, **parameters)

    def best() -> object:
        return [
            in_parts(
                len(asked),
                lambda some, part=part, asked=asked: part.opened.bm25_top_many(
                    asked[some], k, groups=None, live=None, **parameters
                ),
            )
            for part, asked in zip(parts, terms, strict=True)
        ]

    return best, all_scores


def dense_kernels(
    index: Index, vectors: np.ndarray[Any, np.dtype[np.float32]], k: int
) -> Callable[[], object]:
    """Each segment's best of every query."""
    segments = index._snapshot.segments

    def run() -> object:
        found = []
        for start in range(0, len(vectors), _BATCH):
            batch = vectors[start : start + _BATCH]
            for segment in segments:
                found += [select_top(scores, k) for scores in segment.vectors.scores(batch)]
        return found

    return run


def main() -> None:
    """Measure, print, and fail where a ratio is out of its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=150_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        index, texts = build(f"{place}/acts.index", args.passages)
        encoded = index._passage_encoder.models.queries.encode_queries(texts).vectors
        vectors = np.asarray(encoded, np.float32)
        asked = [{"bm25": text, "dense": vector} for text, vector in zip(texts, vectors, strict=True)]
        depth = index.recipe.search.depth
        bm25, _ = bm25_kernels(index, texts, K)
        deep_bm25, all_bm25 = bm25_kernels(index, texts, depth)
        dense, deep_dense = dense_kernels(index, vectors, K), dense_kernels(index, vectors, depth)
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "bm25": (lambda: index.rank_passages(texts, K, using="bm25"), bm25),
            "dense": (lambda: index.rank_passages(list(vectors), K, using="dense"), dense),
            "sum": (
                lambda: index.rank_passages(asked, K, fusion="sum"),
                lambda: (deep_bm25(), deep_dense(), all_bm25()),
            ),
        }
        report: dict[str, Any] = {
            "machine": platform.processor() or platform.machine(),
            "passages": args.passages,
        }
        for name, calls in pairs.items():
            seconds: tuple[list[float], list[float]] = ([], [])
            for number in range(ROUNDS + 1):  # the first warms up
                for call, times in zip(calls, seconds, strict=True):
                    start = time.perf_counter()
                    call()
                    if number:
                        times.append(time.perf_counter() - start)
            ratios = [ours / bare for ours, bare in zip(*seconds, strict=True)]
            report[name] = {
                "ours_seconds": round(statistics.median(seconds[0]), 3),
                "kernels_seconds": round(statistics.median(seconds[1]), 3),
                "ratio": round(statistics.median(ratios), 3),
                "least": round(min(ratios), 3),
                "most": round(max(ratios), 3),
            }
        index.close()
    report["good"] = all(report[name]["ratio"] <= MOST for name in pairs)
    print(json.dumps(report, indent=None if args.json else 2))
    raise SystemExit(not report["good"])


if __name__ == "__main__":
    main()

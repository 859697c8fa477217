"""What dynamic pruning could save BM25 at k = 10, whatever its order and its threshold: a bound, not a contest.

Block-max methods (Ding and Suel 2011) keep the largest contribution of each term in each chunk of rows, add those up
for a query, and score only chunks whose sum reaches the k-th best score. Here that score is known from the start, which
no method has: what is left is the least work that any of them does. MaxScore is the case of one chunk.
`RETRIEVE_DATA=… python scripts/bench/pruning.py --json`
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from bm25 import K1, SHORT, B, windows

from retrieve.index.idf import bm25_idf
from retrieve.index.postings import Postings
from retrieve.text.term_rows import NumberedRows
from retrieve.views.postings import build_postings

K = 10
CHUNKS = (8, 16, 32, 64, 128, 256)
EVERY = 8  # a query of so many


def least_work(postings: Postings, queries: list[Any], chunk: int) -> dict[str, float]:
    """Of the queries' postings: how many bounds are added up for each, and how many are scored after that."""
    average = float(postings.lengths.mean())
    starts = np.arange(0, postings.rows, chunk)
    total = bounds = scored = 0
    for ids in queries:
        parts = [
            postings.bm25_scores(ids[at : at + 1], weight, k1=K1, b=B, average_length=average)
            for at, weight in enumerate(bm25_idf(postings.frequencies[ids], postings.rows)[:, None])
        ]
        largest = [np.maximum.reduceat(part, starts) for part in parts]
        least = np.partition(sum(parts), -K)[-K]
        open_chunks = sum(largest) >= least
        for part, bound in zip(parts, largest, strict=True):
            total += np.count_nonzero(part)
            bounds += np.count_nonzero(bound)
            scored += int(np.add.reduceat(part > 0, starts)[open_chunks].sum())
    return {
        "rows_a_chunk": chunk,
        "bounds_a_posting": round(bounds / total, 3),
        "postings_scored": round(scored / total, 3),
        "of_all_additions": round((bounds + scored) / total, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--passages", type=int, default=150_000)
    arguments = parser.parse_args()
    rows, titles = windows(arguments.passages)
    postings = build_postings(NumberedRows.of(rows))
    long = [ids[ids >= 0] for ids in map(postings.lookup, titles[::EVERY])]
    short = [ids[np.argsort(postings.frequencies[ids], kind="stable")[:SHORT]] for ids in long]
    result: dict[str, Any] = {
        "command": f"python scripts/bench/pruning.py --passages {arguments.passages} --json",
        "k": K,
    }
    for name, queries in (("titles", long), ("short", short)):
        result[name] = [least_work(postings, queries, chunk) for chunk in CHUNKS]
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for name in ("titles", "short"):
        for row in result[name]:
            print(name, row)


if __name__ == "__main__":
    main()

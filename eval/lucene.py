"""Our BM25 beside Lucene's on SciFact, Cranfield and Vaswani: nDCG@10 of both, and what their differences are from.

Ours is measured as it comes, with Snowball's English stemmer (`native`), and with the stemmer that Lucene's analyzer
has (`bm25.language = "lucene-porter"`), which has to be within .003 of Lucene. A third time passages have their lengths
as Lucene keeps them, in one byte (`SmallFloat.intToByte4`). So the difference falls into three: what the stemmer does,
what the lengths do, and the rest: what a word is, sums in single precision, and ties.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from retrieve import Document, Index, Query
from retrieve.corpora.dataset import Dataset, read_dataset
from retrieve.index.lucene import java
from retrieve.index.postings import Postings
from retrieve.measures.evaluate import evaluate
from retrieve.trec import as_run

COLLECTIONS = ("scifact", "cranfield", "vaswani-npl")
MOST = 0.003
MEASURE = "nDCG@10"
NATIVE, LUCENE = "native", "lucene"
PORTER, ROUNDED = "native with lucene-porter", "native with lucene-porter, lengths in one byte"


def build(place: Path, recipe: str, documents: Iterable[Document], *overrides: str) -> Path:
    """An index of these documents."""
    with Index.create(place, recipe, overrides, cache=False) as index:
        index.add(documents)
    return place


def run(place: Path, queries: list[Query]) -> Any:
    """Rankings of queries by an index."""
    with Index.open(place) as index:
        return as_run(index.run(queries, 1000).rankings)


@contextmanager
def lengths_in_one_byte() -> Iterator[None]:
    """Postings that are opened have Lucene's lengths."""
    small = java("util.SmallFloat")
    opened = Postings.from_arrays

    def rounded(arrays: Any) -> Postings:
        exact = opened(arrays)
        lengths, places = np.unique(exact.lengths, return_inverse=True)
        kept = [small.byte4ToInt(small.intToByte4(length)) for length in lengths.tolist()]
        return Postings(exact.terms, exact.frequencies, np.array(kept, np.uint32)[places], exact.blocks)

    with patch.object(Postings, "from_arrays", rounded):
        yield


def measure(data: Dataset, place: Path) -> dict[str, Any]:
    """All four on one collection."""
    queries = [query for query in data.queries if query.id in data.qrels]
    porter = build(place / "porter", "bm25", data.corpus, "bm25.language=lucene-porter")
    runs = {
        NATIVE: run(build(place / "native", "bm25", data.corpus), queries),
        PORTER: run(porter, queries),
        LUCENE: run(build(place / "lucene", "lucene", data.corpus), queries),
    }
    with lengths_in_one_byte():
        runs[ROUNDED] = run(porter, queries)
    found = {name: evaluate(made, data.qrels, [MEASURE]) for name, made in runs.items()}
    values = {name: each.per_query[MEASURE] for name, each in found.items()}
    row: dict[str, Any] = {
        **{name: each.means[MEASURE] for name, each in found.items()},
        "queries": len(queries),
    }
    for key, before, after in (
        ("difference", NATIVE, LUCENE),
        ("by_the_stemmer", NATIVE, PORTER),
        ("difference_with_its_stemmer", PORTER, LUCENE),
        ("by_lengths_in_one_byte", PORTER, ROUNDED),
        ("by_the_rest", ROUNDED, LUCENE),
    ):
        parts = np.array([values[after][query] - value for query, value in values[before].items()])
        row[key] = float(parts.mean())
        row[f"{key}_in"] = int((np.abs(parts) > 1e-9).sum())
    row["queries_that_differ"] = {
        query: [value, values[LUCENE][query]]
        for query, value in values[PORTER].items()
        if abs(values[LUCENE][query] - value) > 1e-9
    }
    return row


def main() -> int:
    """Exit status: 1 where a mean with Lucene's stemmer is .003 or more from Lucene's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders", nargs="*", help=f"collections (default: {', '.join(COLLECTIONS)} of $RETRIEVE_DATA)"
    )
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    asked = parser.parse_args()
    root = os.environ.get("RETRIEVE_DATA")
    if not asked.folders and root is None:
        sys.exit("name the collections' folders, or set RETRIEVE_DATA")
    folders = asked.folders or [str(Path(root or "") / name) for name in COLLECTIONS]
    rows = {}
    for folder in folders:
        with tempfile.TemporaryDirectory() as place:
            data = read_dataset(folder)
            rows[data.name] = measure(data, Path(place))
        if not asked.json:
            said = dict(rows[data.name])
            differ = said.pop("queries_that_differ")
            print(data.name, *(f"{key} {value:.4f}" for key, value in said.items()), sep="\n  ")
            print("  queries that differ with Lucene's stemmer: ours, Lucene's")
            print(
                *(f"    {query} {ours:.4f} {lucene:.4f}" for query, (ours, lucene) in differ.items()),
                sep="\n",
            )
    missed = [name for name, row in rows.items() if abs(row["difference_with_its_stemmer"]) >= MOST]
    if asked.json:
        print(json.dumps({"collections": rows, "most": MOST, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Our BM25 beside Lucene's on SciFact, Cranfield and Vaswani: nDCG@10 of both, and what their differences are from.

Between the two stands our BM25 over Lucene's terms: from ours to it the analyzer makes the difference (stemmer, stop
words' forms, what a word is), from it to Lucene the rest: lengths in one byte, sums in single precision, and ties.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from retrieve import Document, Index, Query
from retrieve.corpora.dataset import Dataset, read_dataset
from retrieve.index.lucene import java, make_analyzer
from retrieve.measures.evaluate import evaluate
from retrieve.trec import as_run

COLLECTIONS = ("scifact", "cranfield", "vaswani-npl")
MOST = 0.003
MEASURE = "nDCG@10"


class LuceneTerms:
    """Texts as words that our analyzer leaves as they are, one for each of Lucene's terms."""

    def __init__(self) -> None:
        self._analyzer = make_analyzer("english", stopwords=True)
        self._analyze = java("io.anserini.analysis.AnalyzerUtils").analyze
        self._words: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """The text's terms in their order."""
        terms = self._analyze(self._analyzer, text).toArray()
        return " ".join(self._words.setdefault(term, f"t{len(self._words)}") for term in terms)


def run(
    place: Path, recipe: str, documents: Iterator[Document], queries: list[Query], *overrides: str
) -> Any:
    """Rankings of queries by an index of these documents."""
    with Index.create(place, recipe, overrides, cache=False) as index:
        index.add(documents)
        return as_run(index.run(queries, 1000).rankings)


def measure(data: Dataset, place: Path) -> dict[str, Any]:
    """All three on one collection."""
    queries = [query for query in data.queries if query.id in data.qrels]
    own = LuceneTerms()
    terms = (
        Document(row.id, own(f"{row.title}\n{row.text}" if row.title else row.text)) for row in data.corpus
    )
    asked = [Query(query.id, own(query.text) or "nothing") for query in queries]
    runs = {
        "native": run(place / "native", "bm25", iter(data.corpus), queries),
        "native on Lucene's terms": run(place / "terms", "bm25", terms, asked, "bm25.language=none"),
        "lucene": run(place / "lucene", "lucene", iter(data.corpus), queries),
    }
    found = {name: evaluate(made, data.qrels, [MEASURE]) for name, made in runs.items()}
    values = np.array([list(each.per_query[MEASURE].values()) for each in found.values()])
    analyzer, rest = values[1] - values[0], values[2] - values[1]
    return {
        **{name: each.means[MEASURE] for name, each in found.items()},
        "queries": len(queries),
        "difference": found["lucene"].means[MEASURE] - found["native"].means[MEASURE],
        "by_the_analyzer": float(analyzer.mean()),
        "by_lengths_and_ties": float(rest.mean()),
        "queries_that_differ": int((np.abs(values[2] - values[0]) > 1e-9).sum()),
        "by_the_analyzer_in": int((np.abs(analyzer) > 1e-9).sum()),
        "by_lengths_and_ties_in": int((np.abs(rest) > 1e-9).sum()),
    }


def main() -> int:
    """Exit status: 1 where the means of a collection are further apart than .003."""
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
            print(data.name, *(f"{key} {value:.4f}" for key, value in rows[data.name].items()), sep="\n  ")
    missed = [name for name, row in rows.items() if abs(row["difference"]) >= MOST]
    if asked.json:
        print(json.dumps({"collections": rows, "most": MOST, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

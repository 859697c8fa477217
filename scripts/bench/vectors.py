"""Forms of stored vectors side by side: bytes, build time, queries a second and what each loses.

SciFact gives nDCG@10 and R@100 by its judgments; 150,000 windows of EU acts give the share of the exact 100 nearest
that each form finds (float32 is exact). Vectors are encoded once, the other builds take them from the vector cache.
One thread, one query at a time, given as vectors. `RETRIEVE_DATA=… python scripts/bench/vectors.py --json`
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
QUERIES = 200
ROUNDS = 3
K = 100


def on_scifact(overrides: tuple[str, ...]) -> dict[str, float]:
    """Quality by judgments, over first windows as in the published run."""
    folder = Path(os.environ["RETRIEVE_DATA"]) / "scifact"
    report = bench(folder, "flat", ("dense.precision=auto", *overrides), k=K)
    return {name: round(report[name], 4) for name in ("nDCG@10", "R@100")}


def build(place: Path, overrides: tuple[str, ...], documents: int) -> tuple[Index, float]:
    """An index of the first acts, and the seconds that took."""
    settings = (*WINDOWS, "passages.boundaries=sentence", "dense.precision=auto", *overrides)
    start = time.perf_counter()
    index = Index.create(place, "flat", settings)
    with index.writer() as writer:
        writer.add(islice(acts(), documents))
    return index, time.perf_counter() - start


def questions(count: int) -> list[str]:
    """Titles of the last acts, which are not indexed."""
    titles = [document.title or document.text[:120] for document in acts()]
    return titles[-count:]


def search(index: Index, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[list[set[Any]], float]:
    """The `K` best passages of each query, and queries a second for the ten best (median of the rounds)."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for vector in vectors:
            index.search(vector=vector, k=10, unit="passage", passages=1)
        seconds.append(time.perf_counter() - start)
    answers = [index.search(vector=vector, k=K, unit="passage", passages=1) for vector in vectors]
    found = [{(hit.doc_id, hit.passages[0].start) for hit in answer} for answer in answers]
    return found, len(vectors) / statistics.median(seconds)


def compare(passages: int) -> list[dict[str, Any]]:
    """A row for each form."""
    (documents,) = documents_needed([passages])
    rows: list[dict[str, Any]] = []
    exact: list[set[Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        _, encoding = build(Path(folder) / "first", (), documents)  # fills the cache
        say(f"first build, with encoding: {encoding:.0f} s")
        for number, (name, overrides) in enumerate(FORMS.items()):
            index, seconds = build(Path(folder) / str(number), overrides, documents)
            with index:
                encoder = index._pipeline.query_encoder
                vectors = encoder.encode_queries(questions(QUERIES)).vectors.astype(np.float32)
                found, rate = search(index, vectors)
                exact = exact or found
                overlap = [len(ours & best) / len(best) for ours, best in zip(found, exact, strict=True)]
                info = index.info()
                rows.append(
                    {
                        "form": name,
                        "passages": info["passages"],
                        "bytes_per_passage": round(info["bytes_per_passage"]["dense"], 1),
                        "build_seconds": round(seconds, 1),
                        "encoded": index.encodings[0],
                        "cached": index.encodings[1],
                        "queries_per_second": round(rate, 1),
                        "recall_of_exact@100": round(statistics.mean(overlap), 4),
                        "scifact": on_scifact(overrides),
                    }
                )
            say(json.dumps(rows[-1]))
    return rows


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--passages", type=int, default=150_000)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
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
            f"{row['scifact']['nDCG@10']:15.4f}  {row['scifact']['R@100']:.4f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

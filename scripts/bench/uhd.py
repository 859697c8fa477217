"""Counted lists against FAISS on the same passages: bytes, queries a second, and how near the machine's limit.

One thread; ours and the peers in turn on the same held-out vectors, five rounds, ratios taken within a round. Given no
--vectors, windows of 64 words of EU acts are encoded (or taken from the vector cache), a batch at a time.
`RETRIEVE_DATA=… python scripts/bench/uhd.py --json`
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from acts import WINDOWS, acts
from threadpoolctl import threadpool_limits

from retrieve._core import find_entries
from retrieve.encoders.head import gaussian_steps
from retrieve.index import code_blocks
from retrieve.index.arrays import frozen
from retrieve.index.blocks import row_blocks
from retrieve.index.code_postings import Counted, CountedBuilder, Live
from retrieve.index.codes import Codes
from retrieve.index.winners import Projection, winning

DIMENSIONS = 8_192
WINNERS = (512, 256)
K = 10
BATCH = 64
RESCORED = 40

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
Kernel = Callable[[Counted, Array], Array]


def window_vectors(passages: int) -> Array:
    """Vectors of the first windows of 64 words of the acts, (passages, D) float16."""
    from retrieve.passages.encoder import PassageEncoder

    settings = (*WINDOWS, "passages.boundaries=sentence", "dense.precision=auto")
    passage_encoder = PassageEncoder("flat", settings)
    source = acts()
    found: list[Array] = []
    while sum(map(len, found)) < passages:
        documents = list(islice(source, 20))
        if not documents:
            raise SystemExit(f"the acts make {sum(map(len, found))} passages, wanted {passages}")
        rows = [(d, w.spans) for d, w in zip(documents, passage_encoder.split(documents), strict=True)]
        found.append(passage_encoder.encode(rows, lambda passages, tokens: None).vectors)
        say(f"{sum(map(len, found))} windows")
    return np.concatenate(found)[:passages]


def coded(projection: Projection, vectors: Array) -> list[list[Array]]:
    """For each number of winners, the codes (rows, m) of some thousand vectors at a time; two threads."""

    def code(start: int, m: int) -> Array:
        return winning(projection, vectors[start : start + 2_000], m).dims.reshape(-1, m)

    with ThreadPoolExecutor(2) as pool:
        starts = range(0, len(vectors), 2_000)
        return [list(pool.map(partial(code, m=m), starts)) for m in WINNERS]


def winners_of(projection: Projection, query: Array, m: int) -> Array:
    """One query's winners, rising, (m,) uint32."""
    return winning(projection, query[None], m).dims


def build(folder: Path, winners: list[Array], layout: code_blocks.Layout) -> Counted:
    """An index on the disk, opened as memory maps."""
    folder.mkdir()
    builder = CountedBuilder(DIMENSIONS, layout, lambda name, array: np.save(folder / f"{name}.npy", array))
    for rows in winners:
        builder.add(Codes(np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1], rows.ravel()))
    builder.finish()
    return Counted.from_arrays({path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")})


def stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.npy"))


def bytes_read(counted: Counted, query: Array) -> int:
    """What a query reads of the lists and bitmaps."""
    total, found = 0, np.empty(len(query), np.int64)
    for block, (first, end) in zip(counted._blocks, row_blocks(counted.rows), strict=True):
        sizes = block.sizes[found[: find_entries(block.dims, counted.dimensions, query, found)]].astype(int)
        total += int(np.where(sizes < 0, code_blocks.words_of(end - first) * 8, 2 * sizes).sum())
    return total


def read_rate() -> float:
    """Bytes a second of one thread that looks for the largest byte of 512 MiB: of numpy's passes the fastest."""
    octets = np.ones(1 << 29, np.uint8)
    start = time.perf_counter()
    octets.max()
    return octets.nbytes / (time.perf_counter() - start)


def compiled(folder: Path) -> Kernel | None:
    """The same count by a C compiler, without looking for the best rows; None where there is none."""
    compiler = shutil.which("gcc")
    if compiler is None:
        say("no gcc: the C kernel is left out")
        return None
    source, library = Path(__file__).with_name("counted.c"), folder / "counted.so"
    flags = ("-O3", "-march=native", "-shared", "-fPIC")
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    kernel = ctypes.CDLL(str(library)).count_block
    kernel.restype = None

    def address(array: Array) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    def count(counted: Counted, query: Array) -> Array:
        height = max(4, len(query).bit_length())
        planes = np.empty((height, code_blocks.words_of(counted.rows)), np.uint64)
        found = np.empty(len(query), np.int64)
        for block, (first, end) in zip(counted._blocks, row_blocks(counted.rows), strict=True):
            n = find_entries(block.dims, counted.dimensions, query, found)
            kernel(
                *(address(array) for array in (*block[1:], found)),
                ctypes.c_int64(n),
                address(planes[0, first // 64 :]),
                *(ctypes.c_int64(n) for n in (planes.shape[1], height, code_blocks.words_of(end - first))),
            )
        return planes

    return count


def count_each(count: Callable[[Array], object], codes: list[Array]) -> None:
    for code in codes:
        count(code)


def alike(kernel: Kernel, counted: Counted, code: Array) -> None:
    """Stops where the C kernel counts otherwise."""
    if not np.array_equal(kernel(counted, code), counted.count(code).planes):
        raise SystemExit("the C kernel counts otherwise: it is no comparison")


@dataclass
class Engine:
    """One way to answer all queries, and its seconds in each round."""

    run: Callable[[], object]
    seconds: list[float] = field(default_factory=list)
    bytes_a_passage: float | None = None


def peers(vectors: Array, queries: Array) -> dict[str, Engine]:
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    binary = faiss.IndexBinaryFlat(vectors.shape[1])
    binary.add(np.packbits(vectors > 0, axis=1))
    signs = np.packbits(queries > 0, axis=1)

    def rescored() -> None:
        for query, bits in zip(queries, signs, strict=True):
            rows = binary.search(bits[None], RESCORED)[1][0]
            rows[np.argsort(-(vectors[rows] @ query), kind="stable")[:K]]

    def batches() -> None:
        """By BLAS, which this FAISS leaves off at such sizes; for one query alone it would be slower."""
        usual, faiss.cvar.distance_compute_blas_threshold = faiss.cvar.distance_compute_blas_threshold, 20
        for i in range(0, len(queries), BATCH):
            flat.search(queries[i : i + BATCH], K)
        faiss.cvar.distance_compute_blas_threshold = usual

    wide = 4.0 * vectors.shape[1]
    return {
        "FlatIP": Engine(lambda: [flat.search(query[None], K) for query in queries], bytes_a_passage=wide),
        "FlatIP, batches": Engine(batches),
        "sign bits, rescoring": Engine(rescored, bytes_a_passage=wide + vectors.shape[1] / 8),
    }


def ours(
    name: str, counted: Counted, projection: Projection, queries: Array, codes: list[Array]
) -> dict[str, Engine]:
    """One query at a time, with the query's projection, in batches, and with a filter that half the rows pass."""
    m = len(codes[0])
    marks = np.random.default_rng(1).random(counted.rows) < 0.5
    live = Live(marks)

    def batches() -> None:
        for i in range(0, len(codes), BATCH):
            for counts in counted.count_many(codes[i : i + BATCH]):
                counts.top(K)

    return {
        name: Engine(lambda: [counted.count(code).top(K) for code in codes]),
        f"{name}, with projection": Engine(
            lambda: [counted.count(winners_of(projection, query, m)).top(K) for query in queries]
        ),
        f"{name}, batches": Engine(batches),
        f"{name}, filter at hand": Engine(lambda: [counted.count(code).top(K, live=live) for code in codes]),
        f"{name}, filter's bitmap made": Engine(lambda: [Live(marks) for _ in codes]),
    }


def crossover(rows: int) -> list[dict[str, float]]:
    """Microseconds for 256 dimensions of one density, all lists and all bitmaps, over so many rows."""
    random = np.random.default_rng(0)
    found = []
    chosen = dict(code_blocks.DENSE)
    for density in (0.0025, 0.005, 0.01, 0.02, 0.04, 0.0625):
        timed = {"density": density}
        matrix_rows, matrix_dims = _scattered(random, rows, 2_048, density)
        starts = np.searchsorted(matrix_rows, np.arange(rows + 1)).astype(np.int64)
        for form, limit in (("lists", 1.0), ("bitmaps", 0.0)):
            code_blocks.DENSE["fast"] = limit
            arrays: Arrays = {}
            builder = CountedBuilder(2_048, "fast", arrays.__setitem__)
            builder.add(Codes(starts, matrix_dims))
            builder.finish()
            counted = Counted.from_arrays(arrays)
            queries = [np.sort(random.choice(2_048, 256, replace=False)).astype(np.uint32) for _ in range(40)]
            seconds = []
            for query in queries:
                start = time.perf_counter()
                counted.count(query)
                seconds.append(time.perf_counter() - start)
            timed[form] = round(1e6 * statistics.median(seconds), 1)
        found.append(timed)
    code_blocks.DENSE.update(chosen)
    return found


def _scattered(random: np.random.Generator, rows: int, dims: int, density: float) -> tuple[Array, Array]:
    """Winners at random places, row by row: rows and dimensions."""
    places = np.unique(random.integers(0, rows * dims, round(rows * dims * density)))
    return places // dims, (places % dims).astype(np.uint32)


def measure(vectors: Array, held_out: int, rounds: int, folder: Path) -> dict[str, Any]:
    """All engines in turn, `rounds` times."""
    queries, indexed = vectors[-held_out:], vectors[:-held_out]
    weights = gaussian_steps(DIMENSIONS, indexed.shape[1], 0)
    projection = Projection(frozen(weights), indexed.mean(axis=0))
    engines = peers(indexed, queries)
    reads: dict[str, float] = {}
    parts = coded(projection, indexed)
    kernel = compiled(folder)
    for number, m in enumerate(WINNERS):
        codes = [winners_of(projection, query, m) for query in queries]
        for layout in code_blocks.LAYOUTS:
            name = f"m={m} {layout}"
            start = time.perf_counter()
            counted = build(folder / name, parts[number], layout)
            say(f"{name}: built in {time.perf_counter() - start:.1f} s")
            engines |= ours(name, counted, projection, queries, codes)
            engines[name].bytes_a_passage = stored_bytes(folder / name) / len(indexed)
            reads[name] = statistics.mean(bytes_read(counted, code) for code in codes)
            engines[f"{name}, count alone"] = Engine(partial(count_each, counted.count, codes))
            if kernel is not None:
                alike(kernel, counted, codes[0])
                engines[f"{name}, C kernel, count alone"] = Engine(
                    partial(count_each, partial(kernel, counted), codes)
                )
    rates = []
    for number in range(rounds + 1):  # the first is for warming up
        rates.append(read_rate())
        for engine in engines.values():
            start = time.perf_counter()
            engine.run()
            engine.seconds.append(time.perf_counter() - start)
        say(f"round {number} of {rounds}")
    rows = [report(name, engine, engines, held_out) for name, engine in engines.items()]
    rate = statistics.median(rates[1:])
    for row in rows:
        if row["engine"] in reads:
            read = reads[row["engine"]]
            row["megabytes_read"] = round(read / 1e6, 2)
            row["share_of_read_rate"] = round(read * row["queries_per_second"] / rate, 3)
    return {
        "load_average": round(os.getloadavg()[0], 1),
        "passages": len(indexed),
        "queries": held_out,
        "read_gigabytes_per_second": round(rate / 1e9, 2),
        "engines": rows,
    }


def report(name: str, engine: Engine, engines: dict[str, Engine], queries: int) -> dict[str, Any]:
    """Queries a second, and how often those of FlatIP one query at a time: median, least and most of the rounds."""
    ratios = [
        theirs / mine for theirs, mine in zip(engines["FlatIP"].seconds[1:], engine.seconds[1:], strict=True)
    ]
    row: dict[str, Any] = {
        "engine": name,
        "queries_per_second": round(queries / statistics.median(engine.seconds[1:]), 1),
        "times_flat": [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))],
    }
    if engine.bytes_a_passage is not None:
        row["bytes_a_passage"] = round(engine.bytes_a_passage, 1)
    return row


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--passages", type=int, default=150_000)
    parser.add_argument("--queries", type=int, default=2 * BATCH, help="vectors held out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vectors", type=Path, metavar="FILE.npy", help="(N,D) float16 or float32")
    arguments = parser.parse_args()
    wanted = arguments.passages + arguments.queries
    vectors = (
        window_vectors(wanted) if arguments.vectors is None else np.load(arguments.vectors, mmap_mode="r")
    )
    if len(vectors) < wanted:
        raise SystemExit(f"{len(vectors)} vectors, wanted {wanted}")
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        chosen = np.ascontiguousarray(vectors[:wanted], np.float32)
        with threadpool_limits(1):
            found = measure(chosen, arguments.queries, arguments.rounds, Path(folder))
            found["crossover_microseconds"] = crossover(arguments.passages)
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    found = {
        "command": f"python scripts/bench/{Path(__file__).name} {' '.join(sys.argv[1:])}",
        "machine": machine,
    } | found
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"{found['passages']} passages, one thread reads {found['read_gigabytes_per_second']} GB/s")
    print(f"{'engine':40} bytes/passage  queries/s  × FlatIP (least to most)  share of the read rate")
    for row in found["engines"]:
        middle, least, most = row["times_flat"]
        print(
            f"{row['engine']:40} {row.get('bytes_a_passage', ''):>13}  {row['queries_per_second']:9.1f}  "
            f"{middle:8.2f} ({least:.2f} to {most:.2f})  {row.get('share_of_read_rate', '')}"
        )
    for row in found["crossover_microseconds"]:
        print(f"density {row['density']:.4f}: lists {row['lists']:.0f} µs, bitmaps {row['bitmaps']:.0f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())

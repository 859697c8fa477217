"""Documents a second of every back end and precision beside `SentenceTransformer.encode` as it is installed.

Each round runs stock and ours in turn, each in a process of its own, on all documents of SciFact and Vaswani (or the
first `--documents` of each), without the vector cache. Also: the share of the machine's own matrix-product rate, what
each precision costs in nDCG@10 (`--quality`), and the time from the start of a process to the first query vector.
`RETRIEVE_DATA=… python scripts/bench/encode.py --json`
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
COLLECTIONS = ("scifact", "vaswani-npl")
LIMIT = 256
STOCK = "stock"
GOALS = {"int8": 3.5, "bf16": 2.7, "torch fp32": 1.2}
LAYERS, WIDTH, INNER = 6, 384, 1536  # of the model above


def texts(collection: str, count: int | None) -> list[str]:
    """All documents, or the first so many, as a passage is fed: title, then text."""
    from retrieve.corpora.open import open_corpus

    corpus = open_corpus(Path(os.environ["RETRIEVE_DATA"]) / collection)
    return [f"{document.title}\n{document.text}".strip() for document in islice(corpus, count)]


def encode_stock(documents: list[str]) -> dict[str, Any]:
    """As the library's users call it: float32, batches of 32."""
    from sentence_transformers import SentenceTransformer

    from retrieve.encoders.load import find_model

    model = SentenceTransformer(str(find_model(MODEL)))
    model.max_seq_length = LIMIT
    model.encode(documents[:64])
    start = time.perf_counter()
    model.encode(documents, batch_size=32)
    return {"seconds": time.perf_counter() - start, "documents": len(documents)}


def encode_ours(documents: list[str], runtime: str) -> dict[str, Any]:
    """The same documents by one back end and precision."""
    from retrieve.encoders.load import load_encoder

    backend, precision = runtime.split()
    encoder = load_encoder(MODEL, backend=backend, precision=precision, limit=LIMIT)
    encoder.encode_documents(documents[:64])
    start = time.perf_counter()
    found = encoder.encode_documents(documents)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "documents": len(documents), "tokens": found.tokens}


def matrix_rates() -> dict[str, float]:
    """Multiply-adds times two a second (GOP/s) of large products in float32 and int8, by the fastest library here."""
    import torch

    def rate(product: Any, size: int) -> float:
        product()
        rounds = []
        for _ in range(5):
            start = time.perf_counter()
            product()
            rounds.append(time.perf_counter() - start)
        return 2 * size**3 / min(rounds) / 1e9

    size = 2048
    left = torch.randn(size, size)
    rates = {"fp32": rate(lambda: left @ left, size)}
    if importlib.util.find_spec("openvino") is not None:
        rates["fp32"] = max(rates["fp32"], rate(_product(size, int8=False), size))
        rates["int8"] = rate(_product(size, int8=True), size)
    return {name: round(value, 1) for name, value in rates.items()}


def _product(size: int, *, int8: bool) -> Any:
    """A product of two matrices under OpenVINO; in int8 as it computes those of a quantized model."""
    import numpy as np
    import openvino
    from openvino import opset13 as ops

    weights = np.random.default_rng(0).integers(-127, 128, (size, size)).astype(np.int8)
    given = ops.parameter([size, size], np.float32)
    bounds = [
        np.float32(bound) for bound in (0, 2.55, 0, 2.55)
    ]  # without a sign, which the instructions want
    left = ops.fake_quantize(given, *bounds, levels=256) if int8 else given
    stored = ops.convert(ops.constant(weights), "f32") if int8 else ops.constant(weights.astype(np.float32))
    product = ops.matmul(left, ops.multiply(stored, np.float32(0.01)), False, True)
    model = openvino.Model([product], [given])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    values = np.random.default_rng(1).standard_normal((size, size)).astype(np.float32)
    return lambda: compiled(values)


def operations(tokens: int, documents: int) -> float:
    """Operations (two a multiply-add) of the model on so many tokens: its linear layers and its attention."""
    linear = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
    attention = LAYERS * 2 * WIDTH * (tokens / documents)
    return 2.0 * tokens * (linear + attention)


def first_query(runtime: str) -> dict[str, Any]:
    """Seconds from the start of a Python process to the first query vector."""
    backend, precision = runtime.split()
    program = (
        "from retrieve.encoders.load import load_encoder;"
        f"load_encoder({MODEL!r}, backend={backend!r}, precision={precision!r}).encode_queries(['a query'])"
    )
    seconds = []
    for _ in range(4):  # the first may convert the model
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return {"runtime": runtime, "seconds": round(statistics.median(seconds[1:]), 2)}


def quality(runtimes: list[str]) -> list[dict[str, Any]]:
    """nDCG@10 of exact dense search over whole collections, by precision."""
    from retrieve.bench import bench

    found = []
    for collection in COLLECTIONS:
        for runtime in runtimes:
            backend, precision = runtime.split()
            overrides = [f"dense.backend={backend}", f"dense.precision={precision}"]
            report = bench(Path(os.environ["RETRIEVE_DATA"]) / collection, "flat", overrides)
            found.append(
                {"collection": collection, "runtime": runtime, "nDCG@10": round(report["nDCG@10"], 5)}
            )
            say(f"{collection} {runtime}: nDCG@10 {report['nDCG@10']:.4f}")
    return found


def alone(engine: str, collection: str, count: int | None) -> dict[str, Any]:
    """One measurement in a new process."""
    command = [sys.executable, __file__, "--engine", engine, "--collection", collection]
    if count is not None:
        command += ["--documents", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{engine} on {collection} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(collection: str, count: int | None, runtimes: list[str], rounds: int) -> list[dict[str, Any]]:
    """Stock and ours in turn, `rounds` times; a row for each of ours with the median ratio and its spread."""
    seconds: dict[str, list[float]] = {engine: [] for engine in (STOCK, *runtimes)}
    tokens = documents = 0
    for number in range(rounds):
        for engine, times in seconds.items():
            result = alone(engine, collection, count)
            times.append(result["seconds"])
            documents, tokens = result["documents"], result.get("tokens", tokens)
        say(
            f"{collection}, round {number + 1}: "
            + ", ".join(f"{e} {t[-1]:.1f} s" for e, t in seconds.items())
        )
    rows = []
    for engine, times in seconds.items():
        ratios = [stock / ours for stock, ours in zip(seconds[STOCK], times, strict=True)]
        middle = statistics.median(times)
        rows.append(
            {
                "collection": collection,
                "documents": documents,
                "tokens": tokens,
                "engine": engine,
                "documents_per_second": round(documents / middle, 1),
                "tokens_per_second": round(tokens / middle),
                "gop_per_second": round(operations(tokens, documents) / middle / 1e9, 1),
                "ratio": round(statistics.median(ratios), 2),
                "ratio_least": round(min(ratios), 2),
                "ratio_most": round(max(ratios), 2),
            }
        )
    return rows


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def available() -> list[str]:
    """The back ends and precisions that this machine has."""
    from retrieve.encoders.machine import this_machine

    machine = this_machine()
    found = ["torch fp32"]
    if machine.openvino:
        found += ["openvino fp32"] + ["openvino bf16"] * machine.bf16 + ["openvino int8"] * machine.nncf
    if machine.gpu:
        found += ["torch bf16"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quality", action="store_true", help="also nDCG@10 by precision (several minutes)")
    parser.add_argument("--documents", type=int, help="so many of each collection; all by default")
    for hidden in ("--engine", "--collection"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        documents = texts(arguments.collection, arguments.documents)
        stock = arguments.engine == STOCK
        print(json.dumps(encode_stock(documents) if stock else encode_ours(documents, arguments.engine)))
        return 0
    runtimes = available()
    for runtime in runtimes:
        first_query(runtime)  # converts models now, so that no round does
    result: dict[str, Any] = {
        "command": " ".join(["python scripts/bench/encode.py", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "matrix_products_gop_per_second": matrix_rates(),
        "encoding": [
            row
            for collection in COLLECTIONS
            for row in compare(collection, arguments.documents, runtimes, arguments.rounds)
        ],
        "first_query": [first_query(runtime) for runtime in runtimes],
    }
    if arguments.quality:
        result["quality"] = quality(runtimes)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    return 0 if goals_met(result) else 1


def goals_met(result: dict[str, Any]) -> bool:
    """Whether every precision is as many times faster than stock as it is meant to be."""
    met = True
    for row in result["encoding"]:
        for name, goal in GOALS.items():
            if row["engine"].endswith(name) and row["ratio"] < goal:
                say(f"{row['collection']} {row['engine']}: {row['ratio']} times stock, wanted {goal}")
                met = False
    return met


def show(result: dict[str, Any]) -> None:
    rates = result["matrix_products_gop_per_second"]
    print(f"matrix products: float32 {rates['fp32']} GOP/s, int8 {rates['int8']} GOP/s")
    for row in result["encoding"]:
        share = row["gop_per_second"] / rates["int8" if row["engine"].endswith("int8") else "fp32"]
        print(
            f"{row['collection']:12} {row['engine']:14} {row['documents_per_second']:8} documents/s "
            f"{row['tokens_per_second']:7} tokens/s ({share:.0%} of the matrix rate)  "
            f"{row['ratio']:.2f} x stock ({row['ratio_least']} to {row['ratio_most']})"
        )
    for row in result["first_query"]:
        print(f"first query vector by {row['runtime']}: {row['seconds']} s")
    for row in result.get("quality", ()):
        print(f"{row['collection']:12} {row['runtime']:14} nDCG@10 {row['nDCG@10']:.4f}")


if __name__ == "__main__":
    sys.exit(main())

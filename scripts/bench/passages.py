"""Passages without an index, over whole EU acts: vectors through the cache, token states of both back ends, and memory.

Vectors are made twice, the second time all of them come from the cache. Token states of the first documents under
OpenVINO and torch in float32 may differ by 1e-4 at most. Four indexes of one model are searched in one process, and
take the memory of one. `RETRIEVE_DATA=… python scripts/bench/passages.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from acts import acts

from retrieve import Document, Index
from retrieve.encoders.machine import Backend
from retrieve.passages.encoder import PassageEncoder

MOST_DIFFERENCE = 1e-4
MOST_MEMORY = 1.1
INDEXES = 4


def vectors(documents: list[Document]) -> dict[str, Any]:
    """Twice over: how many were encoded, how many cached, and documents a second."""
    result = {}
    for name in ("first", "second"):
        start = time.perf_counter()
        found = PassageEncoder("hybrid").vectors(documents)
        seconds = time.perf_counter() - start
        result[name] = {
            "passages": len(found.vectors),
            "encoded": found.encoded,
            "cached": found.cached,
            "documents_per_second": round(len(documents) / seconds, 2),
        }
    return result


def token_states(documents: list[Document]) -> dict[str, Any]:
    """Documents and tokens a second of each back end in float32, and the largest difference of a state."""
    rates: dict[str, Any] = {}
    backends: tuple[Backend, Backend] = ("openvino", "torch")
    encoders = [
        PassageEncoder("hybrid", [f"dense.backend={backend}", "dense.precision=fp32"], cache=False)
        for backend in backends
    ]
    seconds = dict.fromkeys(backends, 0.0)
    tokens, difference = 0, 0.0
    for encoder in encoders:  # conversion and loading are not timed
        next(encoder.token_states(documents[:1], dtype=np.float32))
    for start in range(0, len(documents), 10):
        part, found = documents[start : start + 10], []
        for backend, encoder in zip(backends, encoders, strict=True):
            before = time.perf_counter()
            found.append(list(encoder.token_states(part, dtype=np.float32)))
            seconds[backend] += time.perf_counter() - before
        for one, other in zip(*found, strict=True):
            assert np.array_equal(one.offsets, other.offsets)
            tokens += len(one.states)
            difference = max(difference, float(np.abs(one.states - other.states).max(initial=0)))
    for backend in backends:
        rates[backend] = {
            "documents_per_second": round(len(documents) / seconds[backend], 2),
            "tokens_per_second": round(tokens / seconds[backend]),
        }
    return {"documents": len(documents), "tokens": tokens, "difference": difference, **rates}


def memory() -> dict[str, float]:
    """RssAnon in MiB of a process that has searched one index, and of one that has searched four of the same model."""
    with tempfile.TemporaryDirectory() as place:
        for number in range(INDEXES):
            with Index.create(f"{place}/{number}.index", "hybrid") as index, index.writer() as writer:
                writer.add([{"id": "1", "text": f"ruling {number} on demurrage"}])
        used = {
            str(count): float(
                subprocess.run(
                    [sys.executable, __file__, "--searched", str(count), place],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout
            )
            for count in (1, INDEXES)
        }
    return used | {"ratio": round(used[str(INDEXES)] / used["1"], 3)}


def searched(count: int, place: str) -> None:
    """Search so many indexes, all of them open, and print the RssAnon of this process."""
    opened = [Index.open(f"{place}/{number}.index") for number in range(count)]
    for index in opened:
        assert index.search("demurrage", using="dense")
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    print(int(next(line for line in status if line.startswith("RssAnon")).split()[1]) / 1024)


def main() -> None:
    """Measure, print, and fail where a figure is out of its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=2000, help="for vectors")
    parser.add_argument("--states", type=int, default=60, help="documents for token states")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--searched", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.searched:
        searched(int(args.searched[0]), args.searched[1])
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["RETRIEVE_CACHE"] = cache
        documents = list(islice(acts(), args.documents))
        report = {
            "machine": platform.processor() or platform.machine(),
            "documents": len(documents),
            "vectors": vectors(documents),
            "token_states": token_states(documents[: args.states]),
            "memory_mib": memory(),
        }
    first, second = report["vectors"]["first"], report["vectors"]["second"]
    report["good"] = (
        (first["cached"], second["encoded"]) == (0, 0)
        and report["token_states"]["difference"] <= MOST_DIFFERENCE
        and report["memory_mib"]["ratio"] <= MOST_MEMORY
    )
    print(json.dumps(report, indent=None if args.json else 2))
    raise SystemExit(not report["good"])


if __name__ == "__main__":
    main()

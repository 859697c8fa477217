"""`retrieve evaluate` of a run of MS MARCO dev's size beside pytrec_eval: wall time and peak memory, in turn.

6,980 queries of 1,000 hits, scores as BM25 writes them, one to three judged documents a query; made up, since only
size and form matter. Each side is a process of its own: ours the command, theirs `parse_run`, `parse_qrel` and its
evaluator with the same measures. Values are compared. `python scripts/bench/evaluate.py --json`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peak import usage_of

QUERIES, HITS, DOCUMENTS = 6_980, 1_000, 8_841_823
ROUNDS = 3
TIMES, SHARE = 2.0, 0.25
"""Wanted: at least so many times as fast, at most this share of the memory."""

THEIRS = """
import json, sys
import numpy as np
import pytrec_eval
with open(sys.argv[2]) as file:
    qrels = pytrec_eval.parse_qrel(file)
with open(sys.argv[1]) as file:
    run = pytrec_eval.parse_run(file)
found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100", "map", "recip_rank"}).evaluate(run)
names = {"nDCG@10": "ndcg_cut_10", "R@100": "recall_100", "AP": "map", "RR": "recip_rank"}
print(json.dumps({ours: float(np.mean([one[name] for one in found.values()])) for ours, name in names.items()}))
"""
MEASURES = ("nDCG@10", "R@100", "AP", "RR")


def make(folder: Path, queries: int) -> tuple[Path, Path]:
    """A run and its judgments."""
    rng = np.random.default_rng(0)
    run, qrels = folder / "run.trec", folder / "qrels.trec"
    with run.open("w") as hits, qrels.open("w") as judged:
        for number in range(queries):
            query_id = 1_000_000 + 7 * number
            documents = rng.choice(DOCUMENTS, HITS, replace=False)
            scores = np.sort(rng.gamma(9.0, 1.3, HITS))[::-1].round(4)
            hits.writelines(
                f"{query_id} Q0 {document} {rank} {score:.4f} bm25\n"
                for rank, (document, score) in enumerate(zip(documents, scores, strict=True), start=1)
            )
            for document in rng.choice(documents, int(rng.integers(1, 4)), replace=False):
                judged.write(f"{query_id} 0 {document} 1\n")
    return run, qrels


def measured(command: list[str]) -> tuple[float, float, float, dict[str, float]]:
    """Seconds, seconds of processor time, peak MiB and figures of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    usage = usage_of(process)
    if process.returncode:
        raise SystemExit(f"{command[:4]} ended with {process.returncode}")
    took = time.perf_counter() - start
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(out)


def main() -> None:
    """Measure, print, and fail where a ratio is out of its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run, qrels = make(Path(place), args.queries)
        options = [option for name in MEASURES for option in ("-m", name)]
        commands = {
            "ours": [
                sys.executable,
                "-m",
                "retrieve",
                "-q",
                "evaluate",
                str(run),
                str(qrels),
                *options,
                "--json",
            ],
            "pytrec_eval": [sys.executable, "-c", THEIRS, str(run), str(qrels)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        processor: dict[str, list[float]] = {name: [] for name in commands}
        memory: dict[str, list[float]] = {name: [] for name in commands}
        figures: dict[str, dict[str, float]] = {}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                took, worked, peak, figures[name] = measured(command)
                processor[name].append(worked)
                seconds[name].append(took)
                memory[name].append(peak)
        size = run.stat().st_size
    apart = max(abs(figures["ours"][name] - figures["pytrec_eval"][name]) for name in MEASURES)
    times = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["pytrec_eval"], strict=True)]
    share = [ours / theirs for ours, theirs in zip(memory["ours"], memory["pytrec_eval"], strict=True)]
    report: dict[str, Any] = {
        "command": f"python scripts/bench/evaluate.py --queries {args.queries} --json",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "lines": args.queries * HITS,
        "bytes": size,
        "seconds": {name: [round(value, 2) for value in values] for name, values in seconds.items()},
        "processor_seconds": {
            name: [round(value, 2) for value in values] for name, values in processor.items()
        },
        "peak_mib": {name: [round(value, 1) for value in values] for name, values in memory.items()},
        "times_as_fast": {"median": round(statistics.median(times), 2), "least": round(min(times), 2)},
        "share_of_memory": {"median": round(statistics.median(share), 3), "most": round(max(share), 3)},
        "apart": apart,
        "good": min(times) >= TIMES and max(share) <= SHARE and apart <= 1e-9,
    }
    print(json.dumps(report, indent=None if args.json else 2))
    raise SystemExit(not report["good"])


if __name__ == "__main__":
    main()

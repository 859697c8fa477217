"""How BM25 and dense search are best fused: min-max, z-scores or reciprocal ranks, at two settings of BM25.

All are over the same two rankings of one `hybrid` index a collection, which is built once, and of equal weights; but
where it says "adapted", the encoder weighs less for queries whose words it has in pieces alone. The first line of a
table was the default of `hybrid`, "z, adapted" is now; every other is tested against it, query by query (`--json` has
the tests).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from retrieve import Index
from retrieve.bench import bench
from retrieve.corpora.dataset import read_dataset
from retrieve.measures.compare import Difference, compare
from retrieve.measures.evaluate import Evaluation, evaluate
from retrieve.measures.fuse import METHODS, fuse_runs
from retrieve.trec import as_run

COLLECTIONS = ("cranfield", "vaswani-npl", "scifact", "gesetze-long")
LANGUAGES = {"gesetze-long": "german"}
"""Of BM25's analyzer where it is not English; the encoder is the same everywhere."""
BM25 = ((0.9, 0.4), (1.2, 0.75))
MEASURES = ("nDCG@10", "R@100")


def evaluations(folder: Path) -> dict[str, Evaluation]:
    """Views and fusions by name, the default of before first."""
    data = read_dataset(folder, "test")
    queries = [query for query in data.queries if query.id in data.qrels]
    overrides = [f"bm25.language={LANGUAGES.get(folder.name, 'english')}"]
    with Index.open(bench(folder, "hybrid", overrides, k=10)["index"]) as index:
        dense = as_run(index.run(queries, using="dense").rankings)
        words = {(k1, b): as_run(index.run(queries, using="bm25", k1=k1, b=b).rankings) for k1, b in BM25}
        adapted = {
            f"{method}, adapted, k1 0.9, b 0.4": as_run(
                index.run(queries, fusion=method, adapt=True).rankings
            )
            for method in ("convex", "z")
        }
    runs = {
        f"{method}, k1 {k1:g}, b {b:g}": as_run(fuse_runs([run, dense], method))
        for (k1, b), run in words.items()
        for method in METHODS
    }
    runs |= adapted | {"dense": dense} | {f"bm25, k1 {k1:g}, b {b:g}": run for (k1, b), run in words.items()}
    return {name: evaluate(run, data.qrels, MEASURES) for name, run in runs.items()}


def told(difference: Difference) -> dict[str, Any]:
    """One comparison, in numbers."""
    return {
        "difference": difference.difference.value,
        "interval": [difference.difference.low, difference.difference.high],
        "t": difference.tests["t"].p,
        "randomisation": difference.tests["randomisation"].p,
        "wins": difference.wins,
        "losses": difference.losses,
    }


def measure(folder: Path) -> dict[str, Any]:
    """One collection's table."""
    found = evaluations(folder)
    compared = compare(found)
    table: dict[str, Any] = {name: dict(evaluation.means) for name, evaluation in found.items()}
    for difference in compared.differences:
        if difference.measure == MEASURES[0]:
            table[difference.run]["against_first"] = told(difference)
    return {"queries": compared.queries, "baseline": compared.baseline, "table": table}


def show(name: str, report: dict[str, Any]) -> None:
    """The table for a person."""
    print(f"{name}, {report['queries']} queries")
    for row, figures in report["table"].items():
        line = "  ".join(f"{measure} {figures[measure]:.4f}" for measure in MEASURES)
        if (against := figures.get("against_first")) is not None:
            low, high = against["interval"]
            line += f"  {against['difference']:+.4f} ({low:+.4f} to {high:+.4f}), t-test p {against['t']:.3f}"
        print(f"  {row:24} {line}")


def main() -> int:
    """Print a table for each collection, or all as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        help=f"BEIR folders; default: {', '.join(COLLECTIONS)} of $RETRIEVE_DATA",
    )
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    asked = parser.parse_args()
    folders = asked.folders
    if not folders:
        if "RETRIEVE_DATA" not in os.environ:
            parser.error("name folders, or set RETRIEVE_DATA to the folder that holds the collections")
        folders = [Path(os.environ["RETRIEVE_DATA"]) / name for name in COLLECTIONS]
    reports = {}
    for folder in folders:
        reports[folder.name] = measure(folder)
        if not asked.json:
            show(folder.name, reports[folder.name])
    if asked.json:
        print(json.dumps({"weights": "equal", "collections": reports}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""SciFact (BEIR; 5,183 abstracts, 300 claims) by every shipped view, beside published runs of the same parameters."""

from __future__ import annotations

import importlib.util
import sys

from retrieve.reproduce import Case, Check, Expected, Reports, reproduce

LUCENE = "Anserini BM25 flat, k1 .9, b .4"
MINILM = "all-MiniLM-L6-v2, first 256 tokens"

CASES = (
    Case("bm25", [Expected("nDCG@10", 0.679, LUCENE, 0.676), Expected("R@100", 0.925, LUCENE, 0.915)]),
    Case(
        "flat",
        [Expected("nDCG@10", 0.645, MINILM, 0.642, 0.648), Expected("R@100", 0.925, MINILM, 0.920, 0.930)],
    ),
    Case("hnsw", [Expected("nDCG@10", 0.645, MINILM, 0.637, 0.653)]),
    Case("hybrid", [Expected("nDCG@10", 0.679, "the better parent, BM25", 0.70)]),
)


LUCENES_OWN = Case(
    "lucene", [Expected("nDCG@10", 0.679, LUCENE, 0.676, 0.682), Expected("R@100", 0.925, LUCENE, 0.92, 0.93)]
)


def beside_each_other(reports: Reports) -> list[Check]:
    """An approximate search beside the exact one, a fusion beside its parents."""
    flat, hybrid = reports["flat"]["nDCG@10"], reports["hybrid"]
    near = Check(
        "hnsw's nDCG@10 within .005 of flat's", reports["hnsw"]["nDCG@10"], flat - 0.005, flat + 0.005
    )
    parents = [
        Check(f"hybrid's nDCG@10 above its parent {name}", hybrid["nDCG@10"], view["nDCG@10"])
        for name, view in hybrid["views"].items()
    ]
    return [near, *parents]


if __name__ == "__main__":
    cases = list(CASES)
    if importlib.util.find_spec("jnius") is not None:
        cases.append(LUCENES_OWN)
    else:
        print("Lucene is not run: the extra lucene is not installed", file=sys.stderr)
    sys.exit(reproduce(__doc__, "scifact", cases, beside_each_other))

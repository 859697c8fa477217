"""SciFact (BEIR; 5,183 abstracts, 300 claims) by every shipped view, beside published runs of the same parameters."""

from __future__ import annotations

import sys

from figures import Expected, check, reproduce

LUCENE = "Anserini BM25 flat, k1 .9, b .4"
MINILM = "all-MiniLM-L6-v2, first 256 tokens"

EXPECTED = {
    "bm25": [
        Expected("nDCG@10", 0.679, LUCENE, 0.676),
        Expected("R@100", 0.925, LUCENE, 0.915),
    ],
    "flat": [
        Expected("nDCG@10", 0.645, MINILM, 0.642, 0.648),
        Expected("R@100", 0.925, MINILM, 0.920, 0.930),
    ],
    "hnsw": [Expected("nDCG@10", 0.645, MINILM, 0.637, 0.653)],
    "hybrid": [Expected("nDCG@10", 0.679, "the better parent, BM25", 0.70)],
}


def main() -> int:
    """Exit status: 1 if a figure is out of its range."""
    reports, missed = reproduce("scifact", EXPECTED)
    flat, hybrid = reports["flat"]["nDCG@10"], reports["hybrid"]
    missed += check(
        "hnsw's nDCG@10 within .005 of flat's", reports["hnsw"]["nDCG@10"], flat - 0.005, flat + 0.005
    )
    for name, view in hybrid["views"].items():
        missed += check(f"hybrid's nDCG@10 above its parent {name}", hybrid["nDCG@10"], view["nDCG@10"])
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

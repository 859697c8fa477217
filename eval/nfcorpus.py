"""NFCorpus (BEIR; 3,633 abstracts, 323 questions of laymen) by BM25 and by vectors."""

from __future__ import annotations

import sys

from retrieve.reproduce import Case, near, reproduce

LUCENE = "Anserini BM25 flat, k1 .9, b .4"
MINILM = "all-MiniLM-L6-v2, first 256 tokens"

CASES = (
    Case("bm25", [near("nDCG@10", 0.3218, LUCENE, 0.005), near("R@100", 0.2457, LUCENE, 0.008)]),
    Case("flat", [near("nDCG@10", 0.316, MINILM, 0.005), near("R@100", 0.312, MINILM, 0.008)]),
)

if __name__ == "__main__":
    sys.exit(reproduce(__doc__, "nfcorpus", CASES))

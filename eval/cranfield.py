"""Cranfield 1400, the classic graded collection. Published figures differ with the judgments' convention (the paper a
question was written from counts as not relevant here), so ours are held against plain BM25 measured by trec_eval.
"""

from __future__ import annotations

import sys

from retrieve.reproduce import Case, Expected, reproduce

PLAIN = "plain BM25, Porter stemmer, k1 .9, b .4, trec_eval -c"

CASES = (
    Case(
        "bm25",
        [
            Expected("nDCG@10", 0.3428, PLAIN, 0.333, 0.36),
            Expected("AP", 0.2801, PLAIN, 0.27, 0.30),
            Expected("R@100", 0.7177, PLAIN, 0.70, 0.74),
        ],
    ),
)

if __name__ == "__main__":
    sys.exit(reproduce(__doc__, "cranfield", CASES))

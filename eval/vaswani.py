"""Vaswani / NPL: 11,429 short physics abstracts, 93 keyword queries; the collection of Terrier's own examples."""

from __future__ import annotations

import sys

from retrieve.reproduce import Case, Expected, reproduce

TERRIER = "Terrier BM25 with its longer stop list"
PLAIN = "plain BM25, Porter stemmer, k1 .9, b .4, trec_eval -c"

CASES = (
    Case(
        "bm25",
        [
            Expected("AP", 0.2965, TERRIER, 0.28, 0.30),
            Expected("nDCG@10", 0.4378, PLAIN, 0.43, 0.45),
            Expected("R@100", 0.6186, PLAIN, 0.61, 0.64),
        ],
    ),
)

if __name__ == "__main__":
    sys.exit(reproduce(__doc__, "vaswani-npl", CASES))

"""MS MARCO passages (8,841,823; 6,980 queries of the small dev set) by BM25: `python eval/msmarco_passage.py FOLDER`.

FOLDER holds collection.tsv, queries.dev.small.tsv and qrels.dev.small.tsv, each plain or gzip.
"""

from __future__ import annotations

import sys

from retrieve.reproduce import Case, near, reproduce

DEFAULT = "Pyserini BM25, k1 .9, b .4"
TUNED = "Pyserini BM25, k1 .82, b .68"

CASES = (
    Case(
        "bm25",
        [near("RR@10", 0.1840, DEFAULT, 0.003), near("R@1000", 0.8526, DEFAULT, 0.005)],
        split="dev.small",
        name="default",
    ),
    Case(
        "bm25",
        [near("RR@10", 0.1875, TUNED, 0.003), near("R@1000", 0.8573, TUNED, 0.005)],
        options={"k1": 0.82, "b": 0.68},
        split="dev.small",
        name="tuned",
    ),
)

if __name__ == "__main__":
    sys.exit(reproduce(__doc__, "msmarco-passage", CASES))

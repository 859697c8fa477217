"""MS MARCO documents (3,213,835; 5,193 queries of the dev set) by BM25: `python eval/msmarco_doc.py FOLDER`.

FOLDER holds msmarco-docs.tsv, msmarco-docdev-queries.tsv and msmarco-docdev-qrels.tsv, each plain or gzip. Whole
documents, title and body; Anserini's index has their addresses besides, hence the wider ranges.
"""

from __future__ import annotations

import sys

from retrieve.reproduce import Case, near, reproduce

DEFAULT = "Pyserini BM25 doc, k1 .9, b .4"
TUNED = "Pyserini BM25 doc, k1 4.46, b .82"

CASES = (
    Case(
        "bm25",
        [near("RR@10", 0.2299, DEFAULT, 0.01), near("R@1000", 0.8856, DEFAULT, 0.01)],
        split="dev",
        name="default",
    ),
    Case(
        "bm25",
        [near("RR@10", 0.2767, TUNED, 0.01), near("R@1000", 0.9357, TUNED, 0.01)],
        options={"k1": 4.46, "b": 0.82},
        split="dev",
        name="tuned",
    ),
)

if __name__ == "__main__":
    sys.exit(reproduce(__doc__, "msmarco-doc", CASES))

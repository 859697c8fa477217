"""One of BEIR's collections by BM25, and by MiniLM where its figures are published: `python eval/beir.py FOLDER`.

The collection is known by its folder's name (`arguana`, `fiqa`, …), or by that of an `ir_datasets:beir/NAME/test`.
Figures of BM25 are Pyserini's (two-click reproductions, flat index), for which a document that is its own query is left
out of every ranking; so it is here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from retrieve.reproduce import Case, near, reproduce

LUCENE = "Pyserini BM25 flat, k1 .9, b .4"
MINILM = "all-MiniLM-L6-v2, first 256 tokens"

BM25 = {
    "arguana": (0.3970, 0.9324),
    "climate-fever": (0.1651, 0.4249),
    "fever": (0.6513, 0.9185),
    "fiqa": (0.2361, 0.5395),
    "hotpotqa": (0.6330, 0.7957),
    "nfcorpus": (0.3218, 0.2457),
    "nq": (0.3055, 0.7513),
    "scidocs": (0.1490, 0.3477),
    "scifact": (0.6789, 0.9253),
    "trec-covid": (0.5947, 0.1091),
    "webis-touche2020": (0.4422, 0.5822),
}
FLAT = {
    "arguana": (0.502, 0.977),
    "fiqa": (0.369, 0.706),
    "nfcorpus": (0.316, 0.312),
    "scidocs": (0.216, 0.510),
    "scifact": (0.645, 0.925),
    "trec-covid": (0.472, 0.086),
}


def cases(name: str) -> list[Case]:
    """What is published of a collection."""
    found = []
    for recipe, table, source in (("bm25", BM25, LUCENE), ("flat", FLAT, MINILM)):
        if name in table:
            ndcg, recall = table[name]
            expected = [near("nDCG@10", ndcg, source, 0.01), near("R@100", recall, source, 0.015)]
            found.append(Case(recipe, expected, options={"drop_self": True}))
    return found


def main() -> int:
    """Exit status: 1 for a figure out of its range, 2 for a collection of which none is known."""
    named = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    name = named.removesuffix("/test").rpartition("/")[2] if ":" in named else Path(named).resolve().name
    known = cases(name)
    if not known and "--help" not in sys.argv and "-h" not in sys.argv:
        print(
            f"no figures of {name!r}: wanted the folder of one of {', '.join(sorted(BM25))}", file=sys.stderr
        )
        return 2
    return reproduce(__doc__, name, known)


if __name__ == "__main__":
    sys.exit(main())

"""Gesetze: 650 long German statutes, 434 headings as queries; what the analyzer of the right language is worth.

The collection's own figures are of a plain BM25 over whole laws: words in lower case, Snowball's German stemmer, no
stop list. Beside them stand the same index with English analysis and with none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from figures import Expected, check

from retrieve.bench import bench

PLAIN = "BM25 over whole laws, German stemmer, k1 .9, b .4"

EXPECTED = [
    Expected("nDCG@10", 0.7775, PLAIN, 0.765, 0.79),
    Expected("RR", 0.7449, PLAIN, 0.73, 0.76),
    Expected("R@100", 0.9700, PLAIN, 0.96, 0.98),
]
OTHERS = ("english", "none")


def main() -> int:
    root = os.environ.get("RETRIEVE_DATA")
    if root is None:
        sys.exit("RETRIEVE_DATA is not set: it names the folder that holds gesetze-long")
    measures = [figure.measure for figure in EXPECTED]
    reports = {
        language: bench(
            Path(root) / "gesetze-long", "bm25", (f"bm25.language={language}",), measures=measures
        )
        for language in ("german", *OTHERS)
    }
    german = reports["german"]
    print("gesetze-long bm25, bm25.language=german")
    missed = sum(
        check(f"{f.measure} ({f.published}, {f.source})", german[f.measure], f.least, f.most)
        for f in EXPECTED
    )
    for language in OTHERS:
        figures = ", ".join(f"{name} {reports[language][name]:.4f}" for name in measures)
        print(f"gesetze-long bm25, bm25.language={language}: {figures}")
        missed += check(
            f"nDCG@10 of German analysis above {language}",
            german["nDCG@10"],
            reports[language]["nDCG@10"],
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

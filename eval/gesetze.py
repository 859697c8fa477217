"""Gesetze: 650 long German statutes, 434 headings as queries; what the analyzer of the right language is worth.

The collection's own figures are of a plain BM25 over whole laws: words in lower case, Snowball's German stemmer, no
stop list. Beside them stand the same index with English analysis and with none.
"""

from __future__ import annotations

import sys

from retrieve.reproduce import Case, Check, Expected, Reports, reproduce

PLAIN = "BM25 over whole laws, German stemmer, k1 .9, b .4"
GERMAN = [
    Expected("nDCG@10", 0.7775, PLAIN, 0.765, 0.79),
    Expected("RR", 0.7449, PLAIN, 0.73, 0.76),
    Expected("R@100", 0.9700, PLAIN, 0.96, 0.98),
]
OTHERS = ("english", "none")


def case(language: str, expected: list[Expected]) -> Case:
    """BM25 with that language's analyzer."""
    return Case("bm25", expected, (f"bm25.language={language}",), name=language)


CASES = (
    case("german", GERMAN),
    *(case(name, [Expected("nDCG@10", 0.0, "nobody", 0.0)]) for name in OTHERS),
)


def german_is_best(reports: Reports) -> list[Check]:
    """By nDCG@10."""
    return [
        Check(
            f"nDCG@10 of German analysis above {name}",
            reports["german"]["nDCG@10"],
            reports[name]["nDCG@10"],
        )
        for name in OTHERS
    ]


if __name__ == "__main__":
    sys.exit(reproduce(__doc__, "gesetze-long", CASES, german_is_best))

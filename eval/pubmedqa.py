"""PubMedQA (500 and 500 questions with their abstracts; yes, no or maybe): `auto` beside the majority class.

The clinical figure: can a decision be read off an abstract without its conclusion? Published: 78.0 % of a human, 68.1 %
of a BioBERT trained on much more; the majority class has 55.2 %.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from labelled import arguments, called, check, of_seeds

from retrieve.corpora.labelled.open import read_labelled

MAJORITY = 0.552


def main() -> int:
    """Exit status: 1 if the majority class is better."""
    asked = arguments(__doc__, "pubmedqa")
    data = read_labelled(asked.folder)
    report: dict[str, Any] = {"dataset": called(data), "documents": len(data.test), "majority": MAJORITY}
    for preset in ("auto", "tfidf"):
        report[preset], _ = of_seeds(data, preset, asked.seeds)
    missed = check("accuracy of auto", report["auto"]["accuracy"], MAJORITY)
    print(json.dumps(report, ensure_ascii=False, allow_nan=False, indent=None if asked.json else 2))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

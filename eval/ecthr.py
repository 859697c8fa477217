"""ECtHR cases in the original schema (articles violated, alleged, any violation, importance), beside published figures.

The full set has 9,000, 1,000 and 1,000 cases; of a sample nothing is measured. `lexglue` and `hier-bert` reach their
figures end to end, on a GPU; here are the presets that need none.
"""

from __future__ import annotations

import sys

from labelled import Expected, published

from retrieve.corpora.labelled.open import read_labelled

SVM = "LexGLUE, TF-IDF and SVM; task A"
EXPECTED = {
    "tfidf": [Expected("micro_f1", 0.626, SVM, 0.60), Expected("macro_f1_all", 0.489, SVM, 0.46)],
    "auto": [Expected("micro_f1", 0.626, SVM, 0.62)],
}

if __name__ == "__main__":
    sys.exit(published(__doc__, "ecthr_sample", read_labelled, EXPECTED))

"""MIMIC-III or IV discharge summaries by ICD codes, in the files that PhysioNet gives out (FOLDER).

They name no split: `auto` and `tfidf` are measured on a stratified part, not on the documents of the papers (PLM-ICD on
MIMIC-IV ICD-10: micro-F1 .585, end to end on a GPU). Nothing is asserted of them.
"""

from __future__ import annotations

import sys

from labelled import published

from retrieve.corpora.labelled.open import read_labelled

if __name__ == "__main__":
    sys.exit(published(__doc__, "mimic", read_labelled, {"tfidf": [], "auto": []}))

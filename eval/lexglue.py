"""LexGLUE's tasks in their original files (FOLDER is one task's), beside the published TF-IDF and SVM figures.

Of a sample nothing is measured. case_hold is a choice among holdings and no classification of a document; it is read.
Tasks without a figure here (ledgar, unfair_tos) are measured and not held against one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from labelled import Expected, arguments, published

from retrieve.corpora.labelled.open import read_labelled

SOURCE = "Chalkidis 2022, TF-IDF and SVM"
FIGURES = {
    "ecthr_a": (0.626, 0.489),
    "ecthr_b": (0.730, 0.638),
    "scotus": (0.740, 0.644),
    "eurlex": (0.634, 0.479),
}
SLACK = 0.02

if __name__ == "__main__":
    task = Path(arguments(__doc__, "lexglue_sample/scotus").folder).name
    wanted = [
        Expected(measure, figure, SOURCE, figure - SLACK)
        for measure, figure in zip(("micro_f1", "macro_f1_all"), FIGURES.get(task, ()), strict=False)
    ]
    sys.exit(published(__doc__, "lexglue_sample/scotus", read_labelled, {"tfidf": wanted, "auto": wanted}))

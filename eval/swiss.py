"""Swiss judgments (approval or dismissal) in the original schema, beside published figures; German unless told.

The full set has 35,452, 4,705 and 9,725 German cases; of a sample nothing is measured.
"""

from __future__ import annotations

import sys

from labelled import Expected, published

from retrieve.corpora.labelled.open import read_labelled

EXPECTED = {"auto": [Expected("macro_f1", 0.637, "Niklaus 2021, native BERT of 512 tokens, German", 0.60)]}

if __name__ == "__main__":
    sys.exit(
        published(
            __doc__, "swiss_judgment_sample", lambda source: read_labelled(source, language="de"), EXPECTED
        )
    )

#!/usr/bin/env bash
# scikit-learn 1.9.1: CountVectorizer and TfidfVectorizer with max_features keep other words on another processor.
#
# Expected: the same texts, settings and versions give the same vocabulary; ties of frequency are cut by some rule, as
# SelectKBest cuts them by a stable sort. Seen: the words at the cut, most of which are equally frequent, are left to
# numpy's default sort, which is unstable and another program for each set of instructions. A model trained on a laptop
# and one trained on a server read different words, and a "reproducible" run is not. One processor shows it, once with
# numpy as it is and once without its AVX2 and AVX-512 forms. Exit 1 if that changes (x86-64 with AVX2 alone has forms).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -c scripts/constraints.txt scikit-learn==1.9.1 numpy==2.4.6
cat > "$venv/words.py" <<'PY'
import sys

import numpy as np
import sklearn
from sklearn.feature_extraction.text import CountVectorizer

draw = np.random.default_rng(0)
texts = [" ".join(f"w{word:04}" for word in draw.integers(0, 3000, 30)) for _ in range(300)]
counts = CountVectorizer().fit(texts).transform(texts).sum(axis=0)
kept = sorted(CountVectorizer(max_features=500).fit(texts).vocabulary_)
least = np.sort(np.asarray(counts).ravel())[::-1][499]
print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}; the last of 500 words is in", least, file=sys.stderr)
print(*kept)
PY
"$venv/bin/python" "$venv/words.py" > "$venv/one"
NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR" "$venv/bin/python" -W ignore "$venv/words.py" > "$venv/other"
"$venv/bin/python" - "$venv/one" "$venv/other" <<'PY'
import sys

one, other = ({*open(path).read().split()} for path in sys.argv[1:])
print(f"words kept: {len(one)} and {len(other)}; in both: {len(one & other)}")
sys.exit(0 if len(one) == len(other) == 500 and one != other else 1)
PY

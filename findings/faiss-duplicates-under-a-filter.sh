#!/usr/bin/env bash
# FAISS 1.15.1: IndexIVFFlatDedup tests a filter on the first of equal vectors alone.
#
# Expected: a search with an id selector returns ids that the selector holds, all that there are. Seen: duplicates
# whose first copy is selected are returned although they are not (a deleted or forbidden document is shown), and
# duplicates whose first copy is not selected are never found. No error, no warning. Exit 1 if that is no longer so.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -c scripts/constraints.txt faiss-cpu==1.15.1 numpy==2.4.6
"$venv/bin/python" - <<'PY'
import sys

import faiss
import numpy as np

vectors = np.random.default_rng(1).standard_normal((500, 16)).astype(np.float32)
faiss.normalize_L2(vectors)


def search(factory: str, selected: range) -> list[int]:
    index = faiss.index_factory(16, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(np.concatenate([vectors, vectors]))  # row 500 + n is row n again
    chosen = faiss.IDSelectorRange(selected.start, selected.stop)
    _, rows = index.search(vectors[:1], 4, params=faiss.SearchParametersIVF(nprobe=4, sel=chosen))
    return rows[0].tolist()


print("FAISS", faiss.__version__)
first, second = range(500), range(500, 1000)
for factory in ("IVF4,Flat", "IVF4,FlatDedup"):
    print(f"{factory:15} rows 0-499 selected: {search(factory, first)}, rows 500-999: {search(factory, second)}")
unselected = any(row not in first for row in search("IVF4,FlatDedup", first))
sys.exit(0 if unselected and search("IVF4,FlatDedup", second) == [-1] * 4 else 1)
PY

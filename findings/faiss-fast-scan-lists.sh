#!/usr/bin/env bash
# FAISS 1.15.1: an IVF with fast scan by residuals, asked for more lists than it has, finds next to nothing.
#
# Expected: nprobe beyond the number of lists means all lists, as it does for every other IVF. Seen: no stored vector
# comes back from its own search, scores of other vectors are returned in full and without an error. A coarse quantizer
# that misses a list (HNSW) does the same at nprobe = nlist. It matters because a default nprobe (16, 32) is fixed in
# many applications, and small indexes have fewer lists. Exit 1 if that is no longer so.
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

vectors = np.random.default_rng(1).standard_normal((1500, 16)).astype(np.float32)
faiss.normalize_L2(vectors)


def found(factory: str, nprobe: int) -> int:
    index = faiss.index_factory(16, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    _, rows = index.search(vectors[:100], 1, params=faiss.SearchParametersIVF(nprobe=nprobe))
    return int((rows[:, 0] == np.arange(100)).sum())


print("FAISS", faiss.__version__, "- of 100 stored vectors, first in their own search (expected: 100 at the right):")
for factory in ("IVF8,PQ16x4fsr", "IVF8,PQ16x4", "IVF64_HNSW2,PQ16x4fsr"):
    lists = 64 if "64" in factory else 8
    print(f"{factory:22}", {f"nprobe={n}": found(factory, n) for n in (lists // 8, lists // 2, lists, 2 * lists)})
fault = found("IVF8,PQ16x4fsr", 8) == 100 and found("IVF8,PQ16x4fsr", 16) < 10
hnsw = found("IVF64_HNSW2,PQ16x4fsr", 64) < 10 and found("IVF8,PQ16x4", 16) > 90
sys.exit(0 if fault and hnsw else 1)
PY

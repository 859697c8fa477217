#!/usr/bin/env bash
# ScaNN 1.4.2 and Intel's SVS 0.5.0: neighbours that were not found are reported as a document that exists.
#
# Expected: where fewer than k are found, fewer come back, or the rest says so (FAISS: -1 and the worst distance). Seen:
# - ScaNN's search_batched fills rows up to the longest one with document 0, distance NaN, also for k far below the number
#   of documents, as soon as the leaves that are searched hold fewer; its search of one query returns the shorter list.
# - SVS's Vamana and DynamicVamana fill it up with the document in their first place, and give it distance 0: under L2 the
#   best there is, so whoever merges or sorts lists has it first. SVS's own Flat says 2^64 - 1 and the worst distance.
# A run file, a recall or a fusion counts that document as found. Exit 1 if that is no longer so.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet scann==1.4.2 scalable-vs==0.5.0 numpy==2.4.6
"$venv/bin/python" - 2> "$venv/log" <<'PY'
import sys

import numpy as np
import scann
import svs

random = np.random.default_rng(0)
vectors = random.standard_normal((1000, 32)).astype(np.float32)
queries = random.standard_normal((8, 32)).astype(np.float32)

builder = scann.scann_ops_pybind.builder(vectors, 20, "dot_product")
builder = builder.tree(num_leaves=100, num_leaves_to_search=1, training_sample_size=1000)
index = builder.score_brute_force().build()
rows, scores = index.search_batched(queries)
missing = np.isnan(scores)
lengths = [len(index.search(query)[0]) for query in queries]
print("ScaNN: 20 of 1,000 documents wanted, search finds", lengths)
print("       search_batched", rows.shape, "of which document 0 with score NaN:", missing.sum(axis=1).tolist())
filled = missing.any() and (rows[missing] == 0).all() and min(lengths) < rows.shape[1]

ids = np.arange(1000, 1100, dtype=np.uint64)
settings = svs.VamanaBuildParameters(alpha=1.2, graph_max_degree=32, window_size=64)
graph = svs.DynamicVamana.build(settings, vectors[:100], ids, svs.DistanceType.L2, num_threads=1)
graph.search_window_size = 50
graph.delete(ids[:80].copy())
graph.consolidate()
graph.compact(100)
found, distances = graph.search(queries[:1], 25)
last = found[0][20:]
print("SVS:   25 wanted, 20 there; the last five ids:", last, "distances:", distances[0][20:])
flat, far = svs.Flat(vectors[:20], svs.DistanceType.L2).search(queries[:1], 21)
print("       found before it at its own distance:", last[0] in found[0][:20], "- Flat says", flat[0][20], far[0][20])
repeated = len(set(last.tolist())) == 1 and last[0] in found[0][:20] and (distances[0][20:] == 0).all()
sys.exit(0 if filled and repeated else 1)
PY

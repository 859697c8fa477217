#!/usr/bin/env bash
# qdrant-client 1.20.0 (in-process mode): however large a weight of reciprocal rank fusion, one list never decides.
#
# Expected: weight / (k + rank), as Elasticsearch, Chroma and Upstash have it, so that a list weighted a thousandfold keeps
# its order; "higher weight gives more influence on the final ranking", says the field. Seen: 1 / (k - 1 + rank / weight),
# as in the engine's source. No list can give more than 1 / (k - 1): a document that both lists found stands before the
# weighted list's own first, though it is the weighted list's last. Weights tuned on another engine mean something else
# here, the default k is 2, and k = 60 leaves a weight next to nothing to do. Exit 1 if that changes.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet qdrant-client==1.20.0 numpy==2.4.6
"$venv/bin/python" - <<'PY'
import sys

from qdrant_client import QdrantClient, models

client = QdrantClient(":memory:")
one = models.VectorParams(size=1, distance=models.Distance.DOT)
client.create_collection("hits", vectors_config={"words": one, "meaning": one})
# By words: 0, 1, ..., 9. By meaning: 9 first, then 10, ..., 18.
for document in range(19):
    words = 20.0 - document if document < 10 else 0.0
    meaning = 30.0 - document if document > 8 else 0.0
    client.upsert("hits", [models.PointStruct(id=document, vector={"words": [words], "meaning": [meaning]})])


def fused(k, weight):
    lists = [models.Prefetch(query=[1.0], using=name, limit=10) for name in ("words", "meaning")]
    fusion = models.RrfQuery(rrf=models.Rrf(k=k, weights=[weight, 1.0]))
    return [hit.id for hit in client.query_points("hits", prefetch=lists, query=fusion, limit=5).points]


def expected(k, weight):
    score = {document: weight / (k + document + 1) for document in range(10)}
    for place, document in enumerate(range(9, 19)):
        score[document] = score.get(document, 0.0) + 1 / (k + place + 1)
    return sorted(score, key=score.get, reverse=True)[:5]


print("first five of words (0 to 9) and meaning (9 to 18), words weighted:")
for k in (2, 60):
    for weight in (1.0, 10.0, 1000.0):
        print(f"k = {k:2}, weight {weight:6}: {fused(k, weight)}; by weight / (k + rank): {expected(k, weight)}")
same = fused(60, 1.0) == expected(60, 1.0)
apart = fused(2, 1000.0)[0] == fused(60, 1000.0)[0] == 9 and expected(60, 1000.0) == expected(2, 1000.0) == [0, 1, 2, 3, 4]
sys.exit(0 if same and apart else 1)
PY

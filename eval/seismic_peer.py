"""Seismic (Bruch et al. 2024) over the very codes of a UHD index: an approximate peer made for learned sparse weights.

It is optional (`pip install pyseismic-lsr`); the weights of a binary code are all 1, which is not what it is tuned for.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.corpora.dataset import read_dataset
from retrieve.measures.evaluate import evaluate
from retrieve.passages.encoder import PassageEncoder
from retrieve.peers.seismic import SeismicIndex
from retrieve.store.snapshot import Snapshot
from retrieve.trec import as_run
from retrieve.views.uhd import codes_by_segment

K = 100


def installed() -> bool:
    """Whether there is such a peer here."""
    return importlib.util.find_spec("seismic") is not None


def _rows(snapshot: Snapshot) -> Iterator[tuple[str, Any, Any]]:
    """Ids of the passages' documents, their dimensions, and a one for each."""
    for segment in snapshot.segments:
        codes = segment.view(snapshot.views["uhd"]).codes(0, segment.passage_rows)
        ids = segment.ids.get_many(segment.document_of.astype(np.int64))
        for row, doc_id in enumerate(ids):
            dims = codes.dims[codes.starts[row] : codes.starts[row + 1]]
            yield doc_id, dims, np.ones(len(dims), np.float32)


def measure_seismic(folder: Path, place: Path, name: str) -> dict[str, Any]:
    """Quality and speed of Seismic over the codes in the index at `place`, one query at a time on one thread."""
    snapshot = Snapshot.open(place)
    passage_encoder = PassageEncoder(snapshot.manifest.resolved_recipe(), expected=snapshot.manifest.encoder)
    index = SeismicIndex(_rows(snapshot))
    data = read_dataset(folder, "test")
    queries = [query for query in data.queries if query.id in data.qrels]
    vectors = passage_encoder.models.documents.encode_queries([query.text for query in queries]).vectors
    coded = codes_by_segment(
        passage_encoder, snapshot.live_segments("uhd"), np.asarray(vectors, np.float32), None
    )[0]
    rankings = []
    seconds = 0.0
    for number, query in enumerate(queries):
        dims = index.prepared(coded.dims[coded.starts[number] : coded.starts[number + 1]])
        ones = np.ones(len(dims), np.float32)
        start = time.perf_counter()
        found = index.search(dims, ones, K)
        seconds += time.perf_counter() - start
        rankings.append((query.id, found))
    means = evaluate(as_run(rankings), data.qrels, ("nDCG@10", "R@100")).means
    passages = snapshot.manifest.totals.passages
    snapshot.close()
    stored = index.saved_bytes(place.with_suffix(""))
    return {
        "collection": folder.name,
        "form": name,
        "nDCG@10": round(means["nDCG@10"], 4),
        "R@100": round(means["R@100"], 4),
        "bytes_per_passage": round(stored / passages),
        "queries_per_second": round(len(queries) / seconds),
        "nonzeros_per_passage": 0,
        "usage_entropy": 0,
        "dead_dimensions": 0,
        "parents": {},
    }

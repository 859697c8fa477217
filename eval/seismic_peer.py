"""Seismic (Bruch et al. 2024) over the very codes of a UHD index: an approximate peer made for learned sparse weights.

It is optional (`pip install pyseismic-lsr`); the weights of a binary code are all 1, which is not what it is tuned for.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np

from retrieve.corpora.dataset import read_dataset
from retrieve.measures.evaluate import evaluate
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.snapshot import Snapshot
from retrieve.trec import as_run
from retrieve.views.uhd import codes_by_segment

K = 100


def installed() -> bool:
    """Whether there is such a peer here."""
    return importlib.util.find_spec("seismic") is not None


def measure_seismic(folder: Path, place: Path, name: str) -> dict[str, Any]:
    """Quality and speed of Seismic over the codes in the index at `place`, one query at a time on one thread."""
    import seismic

    token = seismic.get_seismic_string()
    snapshot = Snapshot.open(place)
    passage_encoder = PassageEncoder(snapshot.manifest.resolved_recipe(), expected=snapshot.manifest.encoder)
    dataset = seismic.SeismicDataset()
    for segment in snapshot.segments:
        codes = segment.view(snapshot.views["uhd"]).codes(0, segment.passage_rows)
        ids = segment.ids.get_many(segment.document_of.astype(np.int64))
        for row, doc_id in enumerate(ids):
            dims = codes.dims[codes.starts[row] : codes.starts[row + 1]]
            dataset.add_document(doc_id, dims.astype(token), np.ones(len(dims), np.float32))
    index = seismic.SeismicIndex.build_from_dataset(dataset, num_threads=1)
    data = read_dataset(folder, "test")
    queries = [query for query in data.queries if query.id in data.qrels]
    vectors = passage_encoder.models.documents.encode_queries([query.text for query in queries]).vectors
    coded = codes_by_segment(
        passage_encoder, snapshot.live_segments("uhd"), np.asarray(vectors, np.float32), None
    )[0]
    rankings = []
    seconds = 0.0
    for number, query in enumerate(queries):
        dims = coded.dims[coded.starts[number] : coded.starts[number + 1]].astype(token)
        ones = np.ones(len(dims), np.float32)
        start = time.perf_counter()
        found = index.search(query.id, dims, ones, k=K, query_cut=len(dims), heap_factor=0.8)
        seconds += time.perf_counter() - start
        rankings.append((query.id, [(doc_id, float(score)) for _, score, doc_id in found]))
    means = evaluate(as_run(rankings), data.qrels, ("nDCG@10", "R@100")).means
    passages = snapshot.manifest.totals.passages
    snapshot.close()
    index.save(str(place.with_suffix("")))
    stored = sum(path.stat().st_size for path in place.parent.glob(f"{place.stem}.*") if path.is_file())
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

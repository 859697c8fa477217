"""What an index learns from its data, once, for all of its segments: a trained, empty FAISS index.

The sample is chosen by hash, so it depends on the passages and on nothing else; segments clone the result and only
add. Until there are enough passages a segment is searched exactly.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from retrieve.errors import IndexCorrupt
from retrieve.files import checksum_bytes, publish_folder, remove_folder
from retrieve.index.stored import StoredVectors
from retrieve.recipe import Dense
from retrieve.store.manifest import FileEntry, Trained

FIRST_SAMPLE = 1_000
LARGEST_SAMPLE = 50_000

_log = logging.getLogger("retrieve")


class Candidate(NamedTuple):
    """A passage that may be learned from, and where its vector is."""

    doc_id: str
    position: int
    vectors: StoredVectors
    row: int


def choose_sample(passages: Iterable[Candidate], limit: int = LARGEST_SAMPLE) -> npt.NDArray[np.float32]:
    """The `limit` vectors whose (document id, position) hash lowest, in hash order: (S,D) float32."""
    hashed = (
        (xxhash.xxh64_intdigest(f"{passage.position}\0{passage.doc_id}".encode()), passage)
        for passage in passages
    )
    chosen = heapq.nsmallest(limit, hashed, key=lambda item: (item[0], item[1][:2]))
    return np.concatenate(
        [passage.vectors.take(slice(passage.row, passage.row + 1)) for _, passage in chosen]
    )


def learn(index: Path, dense: Dense, sample: npt.NDArray[np.float32]) -> Trained | None:
    """Train the recipe's FAISS index on a sample and seal it; None, said aloud, where the sample is too small."""
    from retrieve.index.faiss_index import enough, train

    sufficient, reason = enough(dense.factory, sample.shape[1], len(sample))
    if not sufficient:
        _log.warning("dense search stays exact for now: %s", reason)
        return None
    data = train(dense.factory, sample)
    digest = checksum_bytes(data)
    folder = index / "trained"
    folder.mkdir(exist_ok=True)
    if not (folder / digest).exists():  # learned again from the same passages
        building = folder / f".building-{digest}"
        remove_folder(building)
        building.mkdir()
        (building / "index.faiss").write_bytes(data)
        publish_folder(building, folder / digest)
    files = {"index.faiss": FileEntry(size=len(data), checksum=digest)}
    return Trained(digest=digest, factory=dense.factory, sample=len(sample), files=files)


def read_trained(index: Path, trained: Trained) -> bytes:
    """The trained index's bytes, checked."""
    path = index / "trained" / trained.digest / "index.faiss"
    data = path.read_bytes()
    if checksum_bytes(data) != trained.files["index.faiss"].checksum:
        raise IndexCorrupt(f"{path} fails its checksum: restore it from a copy, or rebuild the index")
    return data

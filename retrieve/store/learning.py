"""What an index learns from its data, once, for all of its segments: the UHD mean, and a trained, empty FAISS index.

The sample is chosen by hash, so it depends on the passages and on nothing else; segments clone the result and only
add. Until there are enough passages a dense segment is searched exactly, and UHD takes a mean that came from elsewhere.
"""

from __future__ import annotations

import heapq
import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from retrieve.errors import IndexCorrupt
from retrieve.files import checksum_bytes, publish_folder, read_checked, remove_folder
from retrieve.index.stored import StoredVectors
from retrieve.recipe import Recipe
from retrieve.store.manifest import FileEntry, Trained

FIRST_SAMPLE = 1_000
LARGEST_SAMPLE = 50_000
FAISS, MEAN = "index.faiss", "mean.npy"

_log = logging.getLogger("retrieve")


class Candidate(NamedTuple):
    """A passage that may be learned from, and where its vector is."""

    doc_id: str
    position: int
    vectors: StoredVectors
    row: int


class Wanted(NamedTuple):
    """What an index has still to learn."""

    faiss: bool
    mean: bool

    def __bool__(self) -> bool:
        return self.faiss or self.mean


def wanted(recipe: Recipe, known: Trained | None, *, learns_mean: bool) -> Wanted:
    """What is missing of `known`, the newest that was learned; a mean that came from elsewhere is missing too."""
    files = {} if known is None else known.files
    faiss = recipe.dense is not None and not recipe.dense.flat and FAISS not in files
    return Wanted(faiss, learns_mean and (known is None or MEAN not in files or known.borrowed))


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


def learn(
    index: Path, recipe: Recipe, todo: Wanted, sample: npt.NDArray[np.float32], known: Trained | None
) -> Trained | None:
    """Learn of a sample what is to be learned, and seal it beside what is known already.

    None where there is nothing new: too small a sample for the FAISS index is said aloud.
    """
    files: dict[str, bytes] = {}
    if todo.mean:
        files[MEAN] = _array_bytes(sample.mean(axis=0, dtype=np.float64).astype(np.float32))
    if todo.faiss and recipe.dense is not None:
        from retrieve.index.faiss_index import enough, train

        sufficient, reason = enough(recipe.dense.factory, sample.shape[1], len(sample))
        if sufficient:
            files[FAISS] = train(recipe.dense.factory, sample)
        else:
            _log.warning("dense search stays exact for now: %s", reason)
    return _seal(index, recipe, files, known, sample=len(sample)) if files else None


def borrow_mean(index: Path, recipe: Recipe, mean: npt.NDArray[np.float32]) -> Trained:
    """Seal a mean that was not learned of the passages, for an index with few of them."""
    return _seal(index, recipe, {MEAN: _array_bytes(mean)}, None, sample=0)


def _seal(
    index: Path, recipe: Recipe, files: dict[str, bytes], known: Trained | None, *, sample: int
) -> Trained:
    for name in known.files if known is not None else ():
        if name not in files:
            files[name] = read_trained(index, known, name)  # type: ignore[arg-type]
    checksums = {name: checksum_bytes(data) for name, data in sorted(files.items())}
    # One file alone gives its checksum to the folder.
    digest = next(iter(checksums.values())) if len(files) == 1 else checksum_bytes(repr(checksums).encode())
    folder = index / "trained"
    folder.mkdir(exist_ok=True)
    if not (folder / digest).exists():  # learned again from the same passages
        building = folder / f".building-{digest}"
        remove_folder(building)
        building.mkdir()
        for name, data in files.items():
            (building / name).write_bytes(data)
        publish_folder(building, folder / digest)
    entries = {name: FileEntry(size=len(files[name]), checksum=checksums[name]) for name in checksums}
    factory = recipe.dense.factory if recipe.dense is not None and FAISS in files else ""
    return Trained(digest=digest, factory=factory, sample=sample, files=entries)


def read_trained(index: Path, trained: Trained, name: str = FAISS) -> bytes:
    """The bytes of something that was learned, checked."""
    return read_checked(index / "trained" / trained.digest / name, trained.files[name].checksum)


def read_mean(index: Path, trained: Trained | None) -> npt.NDArray[np.float32] | None:
    """The mean that codes are made with; None where none was learned (a trained head has its own)."""
    if trained is None or MEAN not in trained.files:
        return None
    mean = np.load(io.BytesIO(read_trained(index, trained, MEAN)), allow_pickle=False)
    if mean.ndim != 1 or mean.dtype != np.float32:
        raise IndexCorrupt(
            f"the mean in trained/{trained.digest} is {mean.dtype} {mean.shape}: rebuild the index"
        )
    return np.asarray(mean)


def _array_bytes(array: npt.NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()

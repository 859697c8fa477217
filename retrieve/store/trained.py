"""What an index learns from its data, once, for all of its segments: what each view asks for, in one sealed folder.

The sample is chosen by hash, so it depends on the passages and on nothing else; segments take the result as it is.
Until there are enough passages views do without, or with what came from elsewhere.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from retrieve.files import checksum_bytes, publish_folder, read_checked, remove_folder
from retrieve.index.stored_vectors import StoredVectors
from retrieve.passages.encoder import PassageEncoder
from retrieve.store.manifest import FileEntry, Trained
from retrieve.views.protocol import LARGEST_SAMPLE, View

_log = logging.getLogger("retrieve")


class LearnedFiles:
    """One folder of them, in the folder of an index."""

    def __init__(self, index: Path, trained: Trained) -> None:
        self.digest = trained.digest
        self._folder = index / "trained" / trained.digest
        self._trained = trained

    def has(self, name: str) -> bool:
        """Whether a file of that name was learned."""
        return name in self._trained.files

    def read(self, name: str) -> bytes:
        """The file, checked. Raises `IndexCorrupt`."""
        return read_checked(self._folder / name, self._trained.files[name].checksum)


class Candidate(NamedTuple):
    """A passage that may be learned from, and where its vector is."""

    doc_id: str
    position: int
    vectors: StoredVectors
    row: int


def wanted(views: Sequence[View], known: Trained | None, encoder: PassageEncoder) -> list[View]:
    """Views whose file is missing of `known`, the newest that was learned; one from elsewhere is missing too."""
    there = {} if known is None or known.borrowed else known.files
    return [view for view in views if view.learns(encoder) and view.learned_file not in there]


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
    index: Path,
    views: Sequence[View],
    todo: Sequence[View],
    sample: npt.NDArray[np.float32],
    known: Trained | None,
) -> Trained | None:
    """Learn of a sample what is to be learned, and seal it beside what is known already.

    None where there is nothing new: too small a sample for a view is said aloud.
    """
    files: dict[str, bytes] = {}
    for view in todo:
        sufficient, reason = view.enough(sample.shape[1], len(sample))
        if sufficient and view.learned_file is not None:
            files[view.learned_file] = view.learn(sample)
        elif not sufficient:
            _log.warning(reason)
    if not files:
        return None
    if known is not None:
        before = LearnedFiles(index, known)
        files = {name: before.read(name) for name in known.files} | files
    return _seal(index, views, files, sample=len(sample))


def borrow(index: Path, todo: Sequence[View], encoder: PassageEncoder, dimensions: int) -> Trained | None:
    """Seal what views take in place of what they would learn, for an index of few passages; None: nothing."""
    offered = {view.learned_file: view.borrow(encoder, dimensions) for view in todo}
    files = {name: data for name, data in offered.items() if name is not None and data is not None}
    return _seal(index, todo, files, sample=0) if files else None


def _seal(index: Path, views: Sequence[View], files: dict[str, bytes], *, sample: int) -> Trained:
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
    factory = "".join(view.learned_of for view in views if view.learned_file in files)
    return Trained(digest=digest, factory=factory, sample=sample, files=entries)

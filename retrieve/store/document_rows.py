"""A document on its way into a segment, and what it contributes to the segment's name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from retrieve.index.codes import Codes
from retrieve.index.stored_vectors import StoredVectors
from retrieve.store.documents import Fingerprints
from retrieve.types import Document

IntArray = npt.NDArray[np.int64]


class Row(NamedTuple):
    """A document on its way into a segment. `spans` (S,2) int64; `vectors` or token-level `codes`, S of them, if they
    are known already.

    `size`: bytes of title, text and metadata. `cut`: tokens that the encoder left out when it made those.
    """

    document: Document
    hashes: Fingerprints
    spans: IntArray
    units: int
    indexed: int
    size: int
    vectors: StoredVectors | None = None
    cut: int = 0
    codes: Codes | None = None

    @property
    def encoded(self) -> bool:
        """Whether there is nothing left to encode."""
        return self.vectors is not None or self.codes is not None


def segment_id(
    keys: Iterable[tuple[str, bytes]], *, recipe_digest: str, encoder: str, trained: str | None
) -> str:
    """32 hexadecimal digits from everything a segment's bytes depend on; `keys` are sorted (id, content hash)."""
    digest = xxhash.xxh3_128(f"{recipe_digest}\0{encoder}\0{trained or ''}\0".encode())
    for doc_id, content in keys:
        digest.update(doc_id.encode())
        digest.update(b"\0")
        digest.update(content)
    return digest.hexdigest()


def row_key(doc_id: str, hashes: Fingerprints, vectors: StoredVectors | None) -> tuple[str, bytes]:
    """What a document contributes to its segment's id: vectors that do not come from the encoder are content too."""
    if vectors is None:
        return doc_id, hashes.content
    return doc_id, hashes.content + xxhash.xxh3_128_digest(vectors.tobytes())

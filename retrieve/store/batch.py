"""Documents on their way into a segment: staged as they came, then cut into passages and collected until it is full."""

from __future__ import annotations

from collections.abc import ValuesView
from typing import NamedTuple

from retrieve.index.codes import Codes
from retrieve.index.stored_vectors import StoredVectors
from retrieve.recipe import Segments, canonical
from retrieve.store.document_rows import IntArray, Row
from retrieve.store.documents import Fingerprints
from retrieve.types import Document


class Staged(NamedTuple):
    """A document that is not cut yet. `operation` counts what the writer was asked to do up to it.

    `size` is in bytes. `vectors` are the caller's; or they, or token-level `codes`, are of an older version whose
    passages were `spans` (S,2), with `cut` tokens that the encoder left out.
    """

    document: Document
    hashes: Fingerprints
    operation: int
    size: int
    vectors: StoredVectors | None = None
    spans: IntArray | None = None
    cut: int = 0
    codes: Codes | None = None


def text_bytes(document: Document) -> int:
    """Length of title, text, expansion and metadata (as canonical JSON) in UTF-8: what a document takes to hold."""
    shown = _bytes(document.title) + _bytes(document.text) + _bytes(document.expansion)
    return shown + len(canonical(dict(document.metadata)))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Batch:
    """Rows that wait for their segment to fill, by document id in the order of their coming."""

    def __init__(self, limits: Segments) -> None:
        self._limits = limits
        self._rows: dict[str, Row] = {}
        self._passages = 0
        self._text = 0

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, doc_id: str) -> Row | None:
        """The row of a document, if it waits here."""
        return self._rows.get(doc_id)

    def rows(self) -> ValuesView[Row]:
        """All rows."""
        return self._rows.values()

    def has_room(self, row: Row) -> bool:
        """Whether a row fits beside the others; alone, a row of any size does.

        The limit of passages holds for documents too: those without a passage would never fill a segment.
        """
        return not self._rows or (
            len(self._rows) < self._limits.passages
            and self._passages + len(row.spans) <= self._limits.passages
            and self._text + row.size <= self._limits.text_bytes
        )

    def add(self, row: Row) -> None:
        """Take in a row of a document that is not here."""
        self._rows[row.document.id] = row
        self._passages += len(row.spans)
        self._text += row.size

    def remove(self, doc_id: str) -> Row | None:
        """Take out a document's row, if it is here."""
        row = self._rows.pop(doc_id, None)
        if row is not None:
            self._passages -= len(row.spans)
            self._text -= row.size
        return row

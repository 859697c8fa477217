"""The document table where it cannot be written: an error of the system that names the file, as any full disk gives."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from retrieve import Document
from retrieve.store.documents import fingerprints, write_documents

ROWS = [Document(f"d{number}", "law " * 500) for number in range(100)]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow further, which SQLite takes for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    rows = [(document, fingerprints(document)) for document in ROWS]
    with pytest.raises(OSError, match=r"documents\.sqlite cannot be written"), files_of_at_most(20_000):
        write_documents(path, rows)
    with pytest.raises(OSError, match="cannot be written: unable to open"):
        write_documents(tmp_path / "nowhere" / "documents.sqlite", rows)

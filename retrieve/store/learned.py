"""What was learned from an index's data, as files under `trained/<digest>`, read and checked."""

from __future__ import annotations

from pathlib import Path

from retrieve.files import read_checked
from retrieve.store.manifest import Trained


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

"""Segments that a writer has sealed and not committed yet, so that an interrupted build goes on where it was.

`pending.json` is for writers alone; readers never look at it. A segment in it is adopted only by a writer that is
about to build the very same segment, and only if every file still has its checksum, the list itself included: what it
says of a segment goes into the manifest.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from retrieve.files import sync_folder, with_remedy, write_file
from retrieve.store.manifest import SegmentEntry, Trained, seal_object, unseal_object

PENDING = "pending.json"

_log = logging.getLogger("retrieve")


class Sealed(BaseModel):
    """One sealed segment. `position`: how many operations of the source came before its last document was full."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    position: int
    entry: SegmentEntry
    trained: Trained | None = None


class BuildJournal(BaseModel):
    """What a writer has sealed on top of one generation, under one recipe, encoder and stemmer (its fingerprint).

    Those of format 1 do not say it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: int
    format: int = 1
    recipe_digest: str
    encoder: str
    stemmer: str = ""
    sealed: tuple[Sealed, ...] = ()

    def matches(self, other: BuildJournal) -> bool:
        """Whether both continue the same generation with the same recipe, encoder and stemmer."""
        return self.model_copy(update={"sealed": ()}) == other.model_copy(update={"sealed": ()})


def read_journal(folder: Path) -> BuildJournal | None:
    """The journal, or None. One that cannot be read only costs its work again, so that is said and no more."""
    path = folder / PENDING
    try:
        with with_remedy():
            values = unseal_object(path.read_bytes().decode())
        if values is not None:
            return BuildJournal.model_validate(values)
        problem = "it fails its own checksum"
    except FileNotFoundError:
        return None
    except ValueError as error:  # no text, or another version's content
        problem = str(error)
    _log.warning("%s cannot be read (%s): the work it lists is done again", path, problem)
    return None


def write_journal(folder: Path, journal: BuildJournal) -> None:
    """Replace the journal."""
    write_file(folder / PENDING, seal_object(journal.model_dump(mode="json")))


def remove_journal(folder: Path) -> None:
    """Forget the journal, after a commit or when it cannot be continued."""
    (folder / PENDING).unlink(missing_ok=True)
    sync_folder(folder)
